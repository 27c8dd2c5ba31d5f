import { expect, test } from 'vitest';
import { baseUnits } from '../money/base-units.ts';
import { missingPostings } from './missing-postings.ts';

const move = (debit: string, credit: string, amount: bigint) => ({ debit, credit, amount: baseUnits(amount) });
const lacking = (expected: [string, string, bigint][], recorded: [string, string, bigint][]) =>
  missingPostings(
    7n,
    expected.map((one) => move(...one)),
    recorded.map((one) => move(...one)),
  )?.map(({ idem, debit, credit, amount }) => [idem, debit, credit, amount]);

test('a block that posted all that it says lacks nothing, however it was split', () => {
  expect(lacking([], [])).toEqual([]);
  expect(
    lacking(
      [
        ['a', 'b', 5n],
        ['a', 'b', 4n],
      ],
      [['a', 'b', 9n]],
    ),
  ).toEqual([]);
});

test('what is lacking is named by what was there, so that the same lack is posted once', () => {
  expect(
    lacking(
      [
        ['a', 'b', 9n],
        ['c', 'd', 1n],
      ],
      [['a', 'b', 4n]],
    ),
  ).toEqual([
    ['rescan/7/a/b/4', 'a', 'b', 5n],
    ['rescan/7/c/d/0', 'c', 'd', 1n],
  ]);
});

test('a block that posted more than it says is left to people, with all that it lacks', () => {
  expect(
    lacking(
      [['a', 'b', 9n]],
      [
        ['a', 'b', 4n],
        ['x', 'y', 1n],
      ],
    ),
  ).toBeUndefined();
  expect(lacking([['a', 'b', 3n]], [['a', 'b', 4n]])).toBeUndefined();
});
