import fc from 'fast-check';
import { Compile } from 'typebox/compile';
import type { InterfaceRow } from './interface-schemas.ts';
import { type JsonSchema, samplesOf } from './schema-samples.ts';

const seed = 20_260;
const samples = 40;

/**
 * Holds two neighbouring versions against each other by what they would say.
 * @returns what one says and the other does not understand, `<name>: <who> refuses <sample>`; empty when they interoperate.
 */
export function compareInterfaces(older: readonly InterfaceRow[], newer: readonly InterfaceRow[]): string[] {
  const after = new Map(newer.map(({ name, schema }) => [name, schema]));
  const before = new Map(older.map(({ name, schema }) => [name, schema]));
  const found: string[] = [];
  for (const [name, old] of before) {
    const now = after.get(name);
    if (!now) {
      found.push(`${name}: is gone`);
      continue;
    }
    // What is the same is understood; a schema's own samples are looked at where they are made.
    if (JSON.stringify(now) === JSON.stringify(old)) continue;
    found.push(...refused(name, 'the newer', now, old, 'all'));
    found.push(...refused(name, 'the newer', now, old, 'none'));
    // Whatever is optional in it, the newer version does not say yet.
    found.push(...refused(name, 'the older', old, now, 'none'));
  }
  for (const name of after.keys()) {
    // Nobody asks what the older one does not know; a record of a new kind would end its start.
    if (!before.has(name) && name.startsWith('journal ')) found.push(`${name}: the older does not know it`);
  }
  return found;
}

/** What the speaker says and the listener does not take. */
function refused(
  name: string,
  who: string,
  listener: JsonSchema,
  speaker: JsonSchema,
  optional: 'all' | 'none',
): string[] {
  const check = Compile(listener as never);
  const wrong = fc.sample(samplesOf(speaker, optional), { seed, numRuns: samples }).find((one) => !check.Check(one));
  return wrong === undefined ? [] : [`${name}: ${who} refuses ${JSON.stringify(wrong).slice(0, 300)}`];
}
