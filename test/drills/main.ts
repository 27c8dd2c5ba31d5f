/** `npm run drills [-- --json] [number...]`: every attack on a running system; exits with 1 when a bound is broken. */
import { parseArgs } from 'node:util';
import { adversaries } from './adversaries.ts';
import type { DrillRow } from './attack.ts';
import { runAdversary } from './run-adversary.ts';
import { tableOf } from './table.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean', default: false } },
});
const wanted = new Set(positionals.map(Number));
const chosen = adversaries.filter(({ number }) => wanted.size === 0 || wanted.has(number));
if (chosen.length === 0 || (wanted.size > 0 && chosen.length !== wanted.size)) {
  throw new Error(`there are adversaries ${adversaries.map(({ number }) => number).join(', ')}`);
}
// The table or the JSON goes to stdout, progress to stderr.
const say = (line: string): void => console.error(line);
const rows: DrillRow[] = [];
for (const adversary of chosen) {
  say(`adversary ${adversary.number}: ${adversary.has}`);
  rows.push(...(await runAdversary(adversary, say)));
}
const inDecimal = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? value.toString() : value);
console.log(values.json ? JSON.stringify(rows, inDecimal, 2) : tableOf(rows));
const broken = rows.filter((row) => row.broken !== null);
say(`${rows.length} attacks, ${broken.length} broken bounds`);
process.exit(broken.length === 0 ? 0 : 1);
