import { expect, test } from 'vitest';
import { commonHeight, describeLag } from './endpoint-heights.ts';

const at = (...heights: number[]) => heights.map((height, i) => ({ endpoint: `node-${i + 1}`, height }));

test('the common height is that of the lowest endpoint', () => {
  expect(commonHeight(at(12, 10, 11))).toBe(10);
  expect(commonHeight(at(7))).toBe(7);
  expect(() => commonHeight([])).toThrow('a network has an endpoint');
});

test('two blocks behind is a matter of moments, three is said', () => {
  expect(describeLag(at(10))).toBeNull();
  expect(describeLag(at(12, 10))).toBeNull();
  expect(describeLag(at(13, 10, 12))).toBe('node-2 is at block 10, 3 behind node-1');
});
