import type { Static, TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import type { ErrorCode } from '../contract/error-codes.ts';
import { Failure } from '../failure.ts';
import { canonicalJson } from '../signing/intent.ts';

/** The one form of a file of cold custody: canonical JSON (RFC 8785) and a line feed. */
export function canonicalText(value: unknown): string {
  return `${canonicalJson(value)}\n`;
}

/**
 * Reads a text against its schema. One that two programs could read in two ways (a member twice, a number in another form) is
 * refused, so that a digest names one text.
 * @param what it is, for the Failure. @throws Failure with the code.
 */
export function parseCanonical<T extends TSchema>(text: string, schema: T, what: string, code: ErrorCode): Static<T> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new Failure(code, `${what} is not JSON: cut short or damaged`, { cause });
  }
  const check = Compile(schema);
  if (!check.Check(value)) {
    const first = check.Errors(value)[0];
    throw new Failure(code, `${what}: ${first?.instancePath || '/'} ${first?.message ?? 'does not fit'}`);
  }
  if (canonicalText(value) !== text)
    throw new Failure(code, `${what} is not in canonical form (RFC 8785 and one line feed)`);
  return value;
}
