import { expect, test } from 'vitest';
import { closingLine, countTests, sumCounts } from './test-counts.ts';

const file = (status: string, ...assertions: string[]) => ({
  name: 'a.test.ts',
  status,
  assertionResults: assertions.map((assertion, index) => ({ status: assertion, fullName: `test ${index}` })),
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
  expect(countTests(text, exitCode)).toMatchObject({ passed, failed, failures: { length: failed } });
});

test('names what failed', () => {
  expect(countTests(report(file('failed', 'passed', 'failed'), file('failed')), 1).failures).toEqual([
    'a.test.ts: test 1',
    'a.test.ts: the file',
  ]);
  expect(countTests(report(file('passed', 'passed')), 1, 'Error: ECONNRESET\n').failures).toEqual([
    'vitest ended with 1 after 1 passing tests: Error: ECONNRESET',
  ]);
});

test('the closing line sums all runs', () => {
  const counts = sumCounts([
    { passed: 3, failed: 0, failures: [] },
    { passed: 2, failed: 1, failures: ['a.test.ts: test 1'] },
  ]);
  expect(counts.failures).toEqual(['a.test.ts: test 1']);
  expect(closingLine(counts)).toBe('tests: 5 passed, 1 failed');
});
