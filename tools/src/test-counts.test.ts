import { expect, test } from 'vitest';
import { closingLine, countTests, sumCounts } from './test-counts.ts';

const file = (status: string, ...assertions: string[]) => ({
  status,
  assertionResults: assertions.map((assertion) => ({ status: assertion })),
});
const report = (...testResults: unknown[]): string => JSON.stringify({ testResults });

test.each([
  ['passed tests', report(file('passed', 'passed', 'passed'), file('passed', 'passed')), 0, 3, 0],
  ['failed tests', report(file('failed', 'passed', 'failed'), file('passed', 'passed')), 1, 2, 1],
  ['a file that does not load', report(file('failed'), file('passed', 'passed')), 1, 1, 1],
  ['tests that this machine cannot run, as neither', report(file('passed', 'passed', 'skipped')), 0, 1, 0],
  ['an unhandled error beside passing tests', report(file('passed', 'passed')), 1, 1, 1],
  ['a run without a test', report(), 0, 0, 1],
  ['a run without a report', undefined, 0, 0, 1],
  ['a run that was killed in the middle of its report', '{"testResults": [', null, 0, 1],
] as const)('counts %s', (_, text, exitCode, passed, failed) => {
  expect(countTests(text, exitCode)).toEqual({ passed, failed });
});

test('the closing line sums all runs', () => {
  const counts = sumCounts([
    { passed: 3, failed: 0 },
    { passed: 2, failed: 1 },
  ]);
  expect(closingLine(counts)).toBe('tests: 5 passed, 1 failed');
});
