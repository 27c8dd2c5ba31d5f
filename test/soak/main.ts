import { parseArgs } from 'node:util';
import { runSoak } from './run-soak.ts';

/**
 * Lets the system run under load and random faults, and exits with 1 when anything is missing or doubled in the end.
 * Usage: npm run soak -- [--minutes 10] [--seed N]
 */
const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, seed: { type: 'string', default: String(Date.now() % 1e6) } },
});
const seed = Number(values.seed);
console.log(`soak of ${values.minutes} minutes, seed ${seed}`);
const report = await runSoak({
  seed,
  seconds: Number(values.minutes) * 60,
  everyMs: 400,
  log: (line) => console.log(line),
});
console.table(Object.fromEntries(report.faults));
console.log(`${report.deposits} deposits, ${report.withdrawals} withdrawals, ${report.refused.length} refused`);
for (const line of new Set(report.refused)) console.log(`  refused: ${line}`);
for (const line of report.alarms) console.log(`  open alarm: ${line}`);
console.log(`at rest after ${(report.restMs / 1_000).toFixed(1)} s`);
for (const line of report.differences) console.error(`  DIFFERENCE: ${line}`);
console.log(`${report.differences.length} differences`);
process.exitCode = report.differences.length === 0 ? 0 : 1;
