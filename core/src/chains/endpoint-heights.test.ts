import { expect, test } from 'vitest';
import { describeLag, quorumHeight } from './endpoint-heights.ts';

const at = (...heights: number[]) => heights.map((height, i) => ({ endpoint: `node-${i + 1}`, height }));

test('the height of a quorum is what so many have reached: neither a laggard nor a boaster moves it', () => {
  expect(quorumHeight(at(12, 10, 11), 3)).toBe(10);
  expect(quorumHeight(at(12, 10, 11), 2)).toBe(11);
  expect(quorumHeight(at(1_000_000, 10, 11), 2)).toBe(11);
  expect(quorumHeight(at(7), 1)).toBe(7);
  expect(quorumHeight(at(7), 2)).toBeNull();
  expect(quorumHeight([], 1)).toBeNull();
});

test('two blocks behind is a matter of moments, three is said', () => {
  expect(describeLag(at(10))).toBeNull();
  expect(describeLag(at(12, 10))).toBeNull();
  expect(describeLag(at(13, 10, 12))).toBe('node-2 is at block 10, 3 behind node-1');
});
