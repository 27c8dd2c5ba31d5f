/**
 * Runs the tiers that the arguments name and closes with `tests: N passed, N failed`; each static check counts as one
 * test. Exits with 1 when anything failed or nothing ran.
 * Usage: node tools/src/run-tests.ts <tier>...   (static, unit, vectors, functional, drills, check, all)
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { repoRoot } from './repo-files.ts';
import { closingLine, countTests, sumCounts, type Counts } from './test-counts.ts';

const checks: readonly (readonly [command: string, ...args: string[]])[] = [
  ['tsc', '-p', '.'],
  ['oxlint', '--type-aware', '--deny-warnings'],
  ['oxfmt', '--check'],
  ['knip', '--no-progress'],
];

const bitcoind = [process.execPath, 'devnet/src/bitcoin/setup.ts'] as const;
const softHsm = [process.execPath, 'devnet/src/softhsm/setup.ts'] as const;

/** A tier is a list of runs. Tests on real nodes run alone: they are sensitive to a busy machine. */
const tiers: Readonly<Record<string, readonly (() => Counts)[]>> = {
  static: checks.map((check) => () => runCheck(...check)),
  unit: [() => runVitest('core', 'unit')],
  vectors: [() => runVitest('vectors')],
  functional: [() => runCheck(...bitcoind), () => runCheck(...softHsm), () => runVitest('functional')],
  drills: [() => runCheck(...bitcoind), () => runVitest('drills')],
};
const check = [...tiers['static']!, () => runVitest('core', 'unit', 'vectors')];
const aliases: typeof tiers = { check, all: [...check, ...tiers['functional']!, () => runVitest('drills')] };

const env = { ...process.env, PATH: `${join(repoRoot, 'node_modules/.bin')}${delimiter}${process.env['PATH'] ?? ''}` };

/** Without input, so that nothing waits for an answer; what it prints goes to the terminal as it comes. */
function execute(command: string, args: readonly string[]): number | null {
  console.log(`\n> ${command.endsWith('/node') ? 'node' : command} ${args.join(' ')}`);
  return spawnSync(command, args, { cwd: repoRoot, env, stdio: ['ignore', 'inherit', 'inherit'] }).status;
}

function runCheck(command: string, ...args: string[]): Counts {
  const status = execute(command, args);
  if (status !== 0) console.log(`${command} failed (${status ?? 'killed'})`);
  return status === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

function runVitest(...projects: string[]): Counts {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-tests-'));
  try {
    const report = join(folder, 'report.json');
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
    const status = execute('vitest', ['run', ...projects.map((name) => `--project=${name}`), ...reporters]);
    return countTests(readOrUndefined(report), status);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function readOrUndefined(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

const wanted = process.argv.slice(2);
const runs = wanted.flatMap((name) => {
  const tier = tiers[name] ?? aliases[name];
  if (!tier) throw new Error(`no tier ${name}; there are ${Object.keys({ ...tiers, ...aliases }).join(', ')}`);
  return tier;
});
const total = sumCounts(runs.map((run) => run()));
const failed = total.failed > 0 || total.passed === 0;
console.log(`\n${closingLine(total)}`);
process.exitCode = failed ? 1 : 0;
