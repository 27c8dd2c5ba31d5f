export interface Counts {
  readonly passed: number;
  readonly failed: number;
}

/** The part of Vitest's JSON report that is read here. */
interface VitestReport {
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

/**
 * Tests of one Vitest run. A file that could not be loaded counts as one failed test, and so does a run that ended
 * badly for another reason: no report, an unhandled error, no test at all.
 * @param report text of the JSON report, undefined when there is none.
 * @param exitCode of the Vitest process, null after a signal.
 */
export function countTests(report: string | undefined, exitCode: number | null): Counts {
  let passed = 0;
  let failed = 0;
  for (const file of parse(report).testResults) {
    const failedHere = file.assertionResults.filter(({ status }) => status === 'failed').length;
    passed += file.assertionResults.filter(({ status }) => status === 'passed').length;
    failed += failedHere === 0 && file.status === 'failed' ? 1 : failedHere;
  }
  if (failed === 0 && (exitCode !== 0 || passed === 0)) failed = 1;
  return { passed, failed };
}

export function sumCounts(counts: readonly Counts[]): Counts {
  return counts.reduce((sum, next) => ({ passed: sum.passed + next.passed, failed: sum.failed + next.failed }), {
    passed: 0,
    failed: 0,
  });
}

/** The last line of every test command. */
export function closingLine({ passed, failed }: Counts): string {
  return `tests: ${passed} passed, ${failed} failed`;
}

function parse(report: string | undefined): VitestReport {
  try {
    return JSON.parse(report ?? '') as VitestReport;
  } catch {
    return { testResults: [] };
  }
}
