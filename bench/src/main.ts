/**
 * `npm run bench [name...]`: runs the benchmarks that exist, prints one table and keeps it, with the machine it ran on,
 * in bench/results/<date>.json and .md. Ends with 1 when a result misses its target.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { missedTargets, noteOf, tableOf, type BenchResult } from './result.ts';

interface Benchmark {
  run(): Promise<readonly BenchResult[]>;
}

const all = [
  'ledger',
  'bitcoin-size',
  'evm-gas',
  'frost-signing',
  'pkcs11',
  'review',
  'scan',
  'catch-up',
  'growth',
  'deposits',
  'withdrawals',
  'story',
];
const wanted = process.argv.length > 2 ? process.argv.slice(2) : all;
const unknown = wanted.filter((name) => !existsSync(fileOf(name)) || !all.includes(name));
if (process.argv.length > 2 && unknown.length > 0)
  throw new Error(`no benchmark ${unknown.join(', ')}; there are ${all.join(', ')}`);

function fileOf(name: string): URL {
  return new URL(`./${name}.ts`, import.meta.url);
}

const results: { benchmark: string; results: readonly BenchResult[] }[] = [];
for (const name of wanted) {
  if (!existsSync(fileOf(name))) continue;
  console.log(`${name} ...`);
  // One after the other, each alone on the machine.
  const benchmark = (await import(fileOf(name).href)) as Benchmark;
  results.push({ benchmark: name, results: await benchmark.run() });
}

const machine = {
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  node: process.version,
  system: `${process.platform} ${process.arch}`,
};
const finishedAt = new Date().toISOString();
const rows = results.flatMap((entry) =>
  entry.results.map((result) => ({ ...result, name: `${entry.benchmark}: ${result.name}` })),
);
const about = `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}, Node ${machine.node}`;
console.log(`\n${tableOf(rows)}\n\n${about}`);

// A run of some benchmarks does not replace the record of all.
if (wanted === all) {
  const folder = new URL('../results/', import.meta.url);
  const date = finishedAt.slice(0, 10);
  mkdirSync(folder, { recursive: true });
  writeFileSync(new URL(`${date}.json`, folder), `${JSON.stringify({ finishedAt, machine, results }, null, 2)}\n`);
  writeFileSync(new URL(`${date}.md`, folder), markdownOf(rows));
  console.log(`Kept in bench/results/${date}.json and .md`);
}

const missed = missedTargets(rows);
if (missed.length > 0) {
  console.error(`\nMissed:\n${tableOf(missed)}`);
  process.exitCode = 1;
}

function markdownOf(lines: readonly BenchResult[]): string {
  const cells = lines.map(
    (row) => `| ${row.name} | ${Number(row.value.toPrecision(4))} | ${row.unit} | ${noteOf(row)} |`,
  );
  return `# Benchmarks, ${finishedAt}\n\n${about}\n\n| what | value | unit | note |\n|---|---:|---|---|\n${cells.join('\n')}\n`;
}
