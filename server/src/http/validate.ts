import { Failure } from '@holdfast/core/failure.ts';
import type { TObject } from 'typebox';
import { Compile } from 'typebox/compile';

/** One finding, as problem+json lists it. */
export interface Finding {
  /** JSON pointer into the body (`/intent/amount`) or `/query/limit`, `/params/id`. */
  readonly pointer: string;
  readonly detail: string;
}

export type Place = 'body' | 'query' | 'params';

const required = 'is required';

/** The request does not fit its schema: a Failure that points to every wrong place. */
export class ValidationFailure extends Failure {
  readonly findings: readonly Finding[];

  constructor(findings: readonly Finding[]) {
    const amountsOnly = findings.every(
      ({ pointer, detail }) => /\/(amount|fee_max)$/.test(pointer) && detail !== required,
    );
    const first = findings[0];
    super(
      amountsOnly && findings.length > 0 ? 'invalid-amount' : 'invalid-request',
      first === undefined
        ? 'the request does not fit its schema'
        : `${first.pointer === '' ? 'the body' : first.pointer} ${first.detail}`,
    );
    this.findings = findings;
  }
}

interface SchemaError {
  readonly keyword: string;
  readonly instancePath: string;
  readonly message: string;
  readonly params: object;
}

/**
 * A check of one part of requests. Bodies are taken as they are: a number is no amount. Query texts become integers
 * where the schema asks for one.
 * @returns a function that returns the checked value or throws ValidationFailure.
 */
export function validator(schema: TObject, place: Place): (value: unknown) => Record<string, unknown> {
  const check = Compile(schema);
  const integers = Object.entries(schema.properties)
    .filter(([, property]) => (property as { type?: string }).type === 'integer')
    .map(([name]) => name);
  return (given) => {
    const value = place === 'body' ? given : withIntegers({ ...(given as object) }, integers);
    if (check.Check(value)) {
      const stray = unstorable(value);
      if (stray === undefined) return value;
      throw new ValidationFailure([{ pointer: stray, detail: 'holds a NUL or an unpaired surrogate' }]);
    }
    throw new ValidationFailure(findings(check.Errors(value), place));
  };
}

function withIntegers(value: Record<string, unknown>, names: readonly string[]): Record<string, unknown> {
  for (const name of names) {
    const text = value[name];
    if (typeof text === 'string' && /^-?[0-9]{1,15}$/.test(text)) value[name] = Number(text);
  }
  return value;
}

/** Pointer of a text that neither RFC 8785 nor the database can hold. The value fits a schema, so it is shallow. */
function unstorable(value: unknown, pointer = ''): string | undefined {
  if (typeof value === 'string') return value.includes('\0') || !value.isWellFormed() ? pointer : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, member] of Object.entries(value)) {
    const found = unstorable(member, `${pointer}/${key}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

const findingsMax = 20;

function findings(errors: readonly SchemaError[], place: Place): Finding[] {
  const prefix = place === 'body' ? '' : `/${place}`;
  const found = new Map<string, string>();
  const note = (path: string, detail: string): void => {
    if (!found.has(path) && found.size < findingsMax) found.set(path, detail);
  };
  for (const error of errors) {
    if (error.keyword === 'required') {
      const { requiredProperties } = error.params as { requiredProperties: readonly string[] };
      for (const name of requiredProperties) note(`${error.instancePath}/${escaped(name)}`, required);
    } else if (error.keyword === 'additionalProperties') {
      const { additionalProperties } = error.params as { additionalProperties: readonly string[] };
      for (const name of additionalProperties) note(`${error.instancePath}/${escaped(name)}`, 'is not a known field');
    } else if (error.keyword === 'anyOf') {
      // The branches were listed before it; one line says it better than one a branch.
      found.set(error.instancePath, 'is none of the allowed values');
    } else if (error.keyword !== 'boolean') {
      note(error.instancePath, error.message);
    }
  }
  return [...found].map(([path, detail]) => ({ pointer: prefix + path.slice(0, 200), detail }));
}

/** RFC 6901, section 3. */
function escaped(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}
