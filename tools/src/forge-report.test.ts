import { expect, test } from 'vitest';
import { compareGas, readForgeReport } from './forge-report.ts';

const result = (status: string, gas: Record<string, string> = {}) => ({
  status,
  reason: status === 'Success' ? null : 'because',
  counterexample: null,
  gas_snapshots: { gas },
});
const report = (...statuses: string[]): string =>
  JSON.stringify({
    'a.t.sol:A': { test_results: Object.fromEntries(statuses.map((status, at) => [`test${at}()`, result(status)])) },
  });

test.each([
  ['passed tests', report('Success', 'Success'), 0, 2, 0],
  ['failed tests', report('Success', 'Failure'), 1, 1, 1],
  ['skipped tests as failed', report('Success', 'Skipped'), 0, 1, 1],
  ['a run without a test', '{}', 0, 0, 1],
  ['sources that do not compile', 'Error: Compiler run failed', 1, 0, 1],
  ['a run that was killed', '{"a', null, 0, 1],
  ['a run that ended badly beside passing tests', report('Success'), 1, 1, 1],
] as const)('counts %s', (_, text, exitCode, passed, failed) => {
  expect(readForgeReport(text, exitCode).counts).toMatchObject({ passed, failed, failures: { length: failed } });
});

test('names what failed and why', () => {
  expect(readForgeReport(report('Failure'), 1).lines).toEqual([
    'FAIL a.t.sol:A (1 tests)',
    '     Failure test0(): because',
  ]);
});

test('collects the gas of all suites', () => {
  const text = JSON.stringify({
    a: { test_results: { x: result('Success', { one: '1' }), y: result('Success', { two: '2' }) } },
    b: { test_results: { z: result('Success', { three: '3' }) } },
  });
  expect(readForgeReport(text, 0).gas).toEqual({ one: '1', two: '2', three: '3' });
});

test('gas may move by one per cent, and no number comes or goes unseen', () => {
  expect(compareGas({ a: '1000', b: '1000' }, { a: '1010', b: '990' }).problems).toEqual([]);
  expect(compareGas({ a: '1000', b: '1000' }, { a: '1011', b: '989' }).problems).toEqual([
    'a: 1011, committed 1000',
    'b: 989, committed 1000',
  ]);
  expect(compareGas({ a: '1' }, { b: '2' }).problems).toEqual([
    'a: not measured, committed 1',
    'b: 2, committed nothing',
  ]);
});
