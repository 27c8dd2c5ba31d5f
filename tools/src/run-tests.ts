/**
 * Runs the tiers that the arguments name and closes with what failed and `tests: N passed, N failed`; each static
 * check counts as one test. Exits with 1 when anything failed or nothing ran.
 * Usage: node tools/src/run-tests.ts <tier>...   (static, unit, vectors, contracts, simulation, functional, drills, check, all)
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { compareGas, readForgeReport } from './forge-report.ts';
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
const ha = [process.execPath, 'devnet/src/ha/setup.ts'] as const;

/** A tier is a list of runs. Tests on real nodes run alone: they are sensitive to a busy machine. */
const tiers: Readonly<Record<string, readonly (() => Counts)[]>> = {
  static: checks.map((check) => () => runCheck(...check)),
  unit: [() => runVitest('core', 'unit')],
  vectors: [() => runVitest('vectors')],
  // forge runs the committed artifacts, so they must be what the sources say; in `all` the unit tests check that.
  contracts: [() => runVitestFile('unit', 'contracts/src/artifacts.test.ts'), runForge],
  functional: [
    () => runCheck(...bitcoind),
    () => runCheck(...softHsm),
    () => runCheck(...ha),
    () => runVitest('functional'),
  ],
  simulation: [() => runVitest('simulation')],
  drills: [() => runCheck(...bitcoind), () => runVitest('drills')],
};
const check = [...tiers['static']!, () => runVitest('core', 'unit', 'vectors')];
const onNodes = [...tiers['functional']!, () => runVitest('drills')];
const aliases: typeof tiers = { check, all: [...check, runForge, ...tiers['simulation']!, ...onNodes] };

const env = { ...process.env, PATH: `${join(repoRoot, 'node_modules/.bin')}${delimiter}${process.env['PATH'] ?? ''}` };

const forgeTimeoutMs = 600_000;

/** Without input, so that nothing waits for an answer; what it prints goes to the terminal as it comes. */
function execute(command: string, args: readonly string[], more: Readonly<Record<string, string>> = {}): number | null {
  console.log(`\n> ${command.endsWith('/node') ? 'node' : command} ${args.join(' ')}`);
  return spawnSync(command, args, { cwd: repoRoot, env: { ...env, ...more }, stdio: ['ignore', 'inherit', 'inherit'] })
    .status;
}

function runCheck(command: string, ...args: string[]): Counts {
  const status = execute(command, args);
  if (status === 0) return { passed: 1, failed: 0, failures: [] };
  return { passed: 0, failed: 1, failures: [`${[command, ...args].join(' ')} (${status ?? 'killed'})`] };
}

function runVitest(...projects: string[]): Counts {
  return runVitestWith(projects.map((name) => `--project=${name}`));
}

function runVitestFile(project: string, file: string): Counts {
  return runVitestWith([`--project=${project}`, file]);
}

function runVitestWith(args: readonly string[]): Counts {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-tests-'));
  try {
    const status = execute('vitest', ['run', ...args], { HOLDFAST_TEST_REPORT: folder });
    return countTests(
      readOrUndefined(join(folder, 'report.json')),
      status,
      readOrUndefined(join(folder, 'errors.txt')),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Foundry's tests of the contracts. Their measured gas against the committed numbers is one test more. */
function runForge(): Counts {
  console.log('\n> forge test');
  const { stdout, status } = spawnSync('forge', ['test', '--root', repoRoot, '--json'], {
    cwd: repoRoot,
    env: { ...env, FOUNDRY_CONFIG: join(repoRoot, 'contracts/foundry.toml'), FOUNDRY_OFFLINE: 'true' },
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
    timeout: forgeTimeoutMs,
  });
  const { counts, lines, gas } = readForgeReport(stdout ?? '', status);
  const committed = JSON.parse(readFileSync(join(repoRoot, 'contracts/gas.json'), 'utf8')) as Record<string, string>;
  const compared = compareGas(committed, gas);
  console.log([...lines, '', 'gas:', ...compared.lines].join('\n'));
  if (compared.problems.length === 0) return sumCounts([counts, { passed: 1, failed: 0, failures: [] }]);
  console.log(`\ngas differs:\n${compared.problems.join('\n')}\nif that is meant, contracts/gas.json should say:`);
  console.log(JSON.stringify(gas, null, 2));
  return sumCounts([counts, { passed: 0, failed: 1, failures: ['gas differs from contracts/gas.json'] }]);
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
if (total.failures.length > 0) console.log(`\nfailed:\n${total.failures.join('\n')}`);
console.log(`\n${closingLine(total)}`);
process.exitCode = failed ? 1 : 0;
