import fc from 'fast-check';
import { expect, test } from 'vitest';

test('the tests of core run under the purity traps', () => {
  expect(() => Date.now()).toThrow('core is pure: Date.now()');
  expect(() => Math.random()).toThrow('core is pure: Math.random()');
});

test('properties run without a clock, from a fixed seed', () => {
  const drawn: number[][] = [[], []];
  for (const values of drawn) fc.assert(fc.property(fc.integer(), (value) => void values.push(value)));
  expect(drawn[0]).toHaveLength(100);
  expect(drawn[0]).toEqual(drawn[1]);
});
