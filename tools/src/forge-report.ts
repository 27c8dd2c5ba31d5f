import type { Counts } from './test-counts.ts';

/** The part of `forge test --json` that is read here: suites by `path:contract`, tests by signature. */
type ForgeReport = Readonly<
  Record<
    string,
    {
      readonly test_results: Readonly<
        Record<
          string,
          {
            readonly status: string;
            readonly reason: string | null;
            readonly counterexample: unknown;
            readonly gas_snapshots: Readonly<Record<string, Readonly<Record<string, string>>>>;
          }
        >
      >;
    }
  >
>;

export interface ForgeResult {
  readonly counts: Counts;
  /** A line for each suite, and one for each failed test with its reason and counterexample. */
  readonly lines: readonly string[];
  /** What the tests measured, by name. */
  readonly gas: Readonly<Record<string, string>>;
}

/**
 * Reads what a run of forge reported. A test that was skipped counts as failed, and so does a run that ended badly for
 * another reason: no report (the compiler refused), no test at all.
 * @param report standard output of `forge test --json`.
 * @param exitCode of forge, null after a signal.
 */
export function readForgeReport(report: string, exitCode: number | null): ForgeResult {
  let passed = 0;
  const failures: string[] = [];
  const lines: string[] = [];
  const gas: Record<string, string> = {};
  for (const [suite, { test_results: tests }] of Object.entries(parse(report))) {
    const results = Object.entries(tests);
    const bad = results.filter(([, { status }]) => status !== 'Success');
    passed += results.length - bad.length;
    failures.push(...bad.map(([name]) => `${suite}: ${name}`));
    lines.push(`${bad.length === 0 ? 'ok  ' : 'FAIL'} ${suite} (${results.length} tests)`);
    for (const [name, { status, reason, counterexample }] of bad) {
      const found = counterexample === null ? '' : ` ${JSON.stringify(counterexample).slice(0, 2_000)}`;
      lines.push(`     ${status} ${name}: ${reason ?? 'no reason given'}${found}`);
    }
    for (const [, { gas_snapshots: groups }] of results) Object.assign(gas, ...Object.values(groups));
  }
  if (failures.length === 0 && (exitCode !== 0 || passed === 0)) {
    const ended = `forge ended with ${exitCode ?? 'a signal'} after ${passed} passing tests`;
    failures.push(ended);
    lines.push(`FAIL ${ended}`);
  }
  return { counts: { passed, failed: failures.length, failures }, lines, gas };
}

/** The compiler and forge are pinned, so a number that moves by more was moved by a change of the contracts or the tests. */
const toleratedPercent = 1;

/**
 * Compares measured gas with the committed numbers, both by name.
 * @returns a line for each name with its number, and what is wrong: a number that went up or down, came or went.
 */
export function compareGas(
  committed: Readonly<Record<string, string>>,
  measured: Readonly<Record<string, string>>,
): { lines: string[]; problems: string[] } {
  const names = [...new Set([...Object.keys(committed), ...Object.keys(measured)])].toSorted();
  const problems = names.flatMap((name) => {
    const [was, is] = [committed[name], measured[name]];
    if (was === undefined || is === undefined)
      return [`${name}: ${is ?? 'not measured'}, committed ${was ?? 'nothing'}`];
    const moved = Math.abs(Number(is) - Number(was));
    return moved * 100 > Number(was) * toleratedPercent ? [`${name}: ${is}, committed ${was}`] : [];
  });
  return { lines: Object.entries(measured).map(([name, value]) => `${name}: ${value}`), problems };
}

function parse(report: string): ForgeReport {
  try {
    return JSON.parse(report) as ForgeReport;
  } catch {
    return {};
  }
}
