export interface Counts {
  readonly passed: number;
  readonly failed: number;
  /** What failed, a line each: the end of a long run names it, wherever its trace is. */
  readonly failures: readonly string[];
}

/** The part of Vitest's JSON report that is read here. */
interface VitestReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

/**
 * Tests of one Vitest run. A file that could not be loaded counts as one failed test, and so does a run that ended
 * badly for another reason: no report, an unhandled error, no test at all.
 * @param report text of the JSON report, undefined when there is none.
 * @param exitCode of the Vitest process, null after a signal.
 * @param errors what failed outside a test.
 */
export function countTests(report: string | undefined, exitCode: number | null, errors = ''): Counts {
  let passed = 0;
  const failures: string[] = [];
  for (const { name, status: fileStatus, assertionResults } of parse(report).testResults) {
    const failedHere = assertionResults.filter(({ status }) => status === 'failed');
    passed += assertionResults.filter(({ status }) => status === 'passed').length;
    failures.push(...failedHere.map(({ fullName }) => `${name}: ${fullName}`));
    if (failedHere.length === 0 && fileStatus === 'failed') failures.push(`${name}: the file`);
  }
  if (failures.length === 0 && (exitCode !== 0 || passed === 0))
    failures.push(`vitest ended with ${exitCode ?? 'a signal'} after ${passed} passing tests: ${errors.trim()}`);
  return { passed, failed: failures.length, failures };
}

export function sumCounts(counts: readonly Counts[]): Counts {
  return {
    passed: counts.reduce((sum, { passed }) => sum + passed, 0),
    failed: counts.reduce((sum, { failed }) => sum + failed, 0),
    failures: counts.flatMap(({ failures }) => failures),
  };
}

/** The last line of every test command. */
export function closingLine({ passed, failed }: Omit<Counts, 'failures'>): string {
  return `tests: ${passed} passed, ${failed} failed`;
}

function parse(report: string | undefined): VitestReport {
  try {
    return JSON.parse(report ?? '') as VitestReport;
  } catch {
    return { testResults: [] };
  }
}
