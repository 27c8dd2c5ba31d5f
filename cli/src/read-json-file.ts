import { readFileSync } from 'node:fs';
import { Failure } from '@holdfast/core/failure.ts';
import type { Static, TSchema } from 'typebox';
import { Compile } from 'typebox/compile';

/** Reads a file of JSON against its schema. @throws Failure invalid-request that names the file and the place. */
export function readJsonFile<T extends TSchema>(file: string, schema: T): Static<T> {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new Failure('invalid-request', `${file} cannot be read as JSON`, { cause });
  }
  return fitJson(value, schema, file);
}

/** The value, when it fits its schema. @param name of where it is from. @throws Failure invalid-request that names the place. */
export function fitJson<T extends TSchema>(value: unknown, schema: T, name: string): Static<T> {
  const check = Compile(schema);
  if (check.Check(value)) return value;
  const first = check.Errors(value)[0];
  throw new Failure('invalid-request', `${name}: ${first?.instancePath || '/'} ${first?.message ?? 'does not fit'}`);
}
