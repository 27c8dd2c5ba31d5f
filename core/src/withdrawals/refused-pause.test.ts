import { expect, it } from 'vitest';
import { refusedPauseMs } from './refused-pause.ts';

it('doubles from two seconds and stays at a minute', () => {
  expect([1, 2, 3, 4, 5, 6, 7, 100].map(refusedPauseMs)).toEqual([
    2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000,
  ]);
});
