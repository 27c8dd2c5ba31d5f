import { Failure } from '@holdfast/core/failure.ts';
import type { ErrorCode } from '@holdfast/core/contract/error-codes.ts';
import type { Static, TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';

const compiled = new WeakMap<TSchema, Validator>();

/** Checks a value from outside against its schema. @throws Failure with `code`, naming the first place that is wrong. */
export function parseValue<T extends TSchema>(schema: T, value: unknown, code: ErrorCode, what: string): Static<T> {
  const validator = compiled.get(schema) ?? Compile(schema);
  compiled.set(schema, validator);
  if (validator.Check(value)) return value as Static<T>;
  const first = validator.Errors(value)[0];
  const pointer = first?.instancePath ?? '';
  throw new Failure(code, `${what}: ${pointer || '/'} ${first?.message ?? 'does not fit the schema'}`, { pointer });
}
