import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { decodeRecord, emptyHead } from '@holdfast/core/signing/journal-record.ts';
import { interfaceVersion } from '@holdfast/core/signing/messages.ts';
import { describe, expect, test } from 'vitest';
import { compareInterfaces } from '../support/compare-interfaces.ts';
import { currentInterface, decodeInterface, type InterfaceRow } from '../support/interface-schemas.ts';
import type { JsonSchema } from '../support/schema-samples.ts';

/**
 * What signers, the server and journals say, version by version. Two neighbours must understand each other: an upgrade
 * and a rollback run both at once. The files are of released versions and are never edited.
 */
const fileOf = (version: number, suffix = ''): string =>
  fileURLToPath(new URL(`./data/interface-${version}${suffix}.jsonl`, import.meta.url));
const versions = Array.from({ length: interfaceVersion }, (_, at) => at + 1);
const kept = (version: number): InterfaceRow[] => decodeInterface(readFileSync(fileOf(version), 'utf8'));

test('every version is kept, and no later one', () => {
  expect(versions.filter((version) => !existsSync(fileOf(version)))).toEqual([]);
  expect(existsSync(fileOf(interfaceVersion + 1))).toBe(false);
});

test('the code is the version that it names: a change of messages or records is a new version (npm run interface)', () => {
  expect(currentInterface()).toEqual(kept(interfaceVersion));
});

test.each(versions)(
  'version %i understands its neighbour and is understood by it',
  (version) => {
    // The first one has none before it; the check must then find nothing between it and itself.
    expect(compareInterfaces(kept(Math.max(1, version - 1)), kept(version))).toEqual([]);
  },
  30_000,
);

test.each(versions.slice(-2))('a journal of version %i is read to its last record', (version) => {
  const lines = readFileSync(fileOf(version, '-journal'), 'utf8').split('\n').slice(0, -1);
  const kinds = new Set<string>();
  let head = emptyHead;
  for (const line of lines) {
    const decoded = decodeRecord(head, line);
    ({ head } = decoded);
    kinds.add(`journal ${decoded.record.kind}`);
  }
  const known = kept(version).flatMap(({ name }) => (name.startsWith('journal ') ? [name] : []));
  expect([...kinds]).toEqual(known);
});

const hello = 'peer request /v1/mesh/hello';
const halt = 'journal halt';

/** The newest version with one row changed. */
function changed(name: string, change: (schema: JsonSchema) => JsonSchema): InterfaceRow[] {
  return kept(interfaceVersion).map((row) => (row.name === name ? { name, schema: change(row.schema) } : row));
}
const withField = (schema: JsonSchema, required: boolean): JsonSchema => ({
  ...schema,
  properties: { ...schema.properties, epoch: { type: 'integer' } },
  required: [...(schema.required ?? []), ...(required ? ['epoch'] : [])],
});
const withoutField = ({ properties, required, ...rest }: JsonSchema): JsonSchema => ({
  ...rest,
  properties: Object.fromEntries(Object.entries(properties ?? {}).filter(([name]) => name !== 'halts')),
  required: (required ?? []).filter((name) => name !== 'halts'),
});

describe('a neighbour', () => {
  const before = kept(interfaceVersion);
  test.each<readonly [string, InterfaceRow[], RegExp | null]>([
    ['with a field that it need not send', changed(hello, (schema) => withField(schema, false)), null],
    ['with a field that it demands', changed(hello, (schema) => withField(schema, true)), /hello: the newer refuses/],
    ['without a field', changed(hello, withoutField), /hello: the newer refuses/],
    ['with another type of a field', changed(hello, () => ({ type: 'string' })), /hello: the newer refuses/],
    ['without a message', before.filter(({ name }) => name !== hello), /hello: is gone/],
    [
      'with a message more',
      [...before, { name: 'server request /v1/new', schema: { type: 'object', properties: {}, required: [] } }],
      null,
    ],
    ['without a kind of record', before.filter(({ name }) => name !== halt), /journal halt: is gone/],
    ['with a kind of record more', [...before, { name: 'journal new', schema: { type: 'null' } }], /journal new/],
  ])('%s is judged rightly', (_, newer, problem) => {
    const found = compareInterfaces(before, newer).join('\n');
    if (problem === null) expect(found).toBe('');
    else expect(found).toMatch(problem);
  });
}, 60_000);
