import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Failure } from '@holdfast/core/failure.ts';
import type { Context } from '../context.ts';
import { type Loop, startLoop } from './loop.ts';

const ctx = {
  db: { query: async () => [] },
  now: () => 0,
  newId: () => 'id',
  log: () => undefined,
} as unknown as Context;
let loop: Loop | undefined;

beforeEach(() => void vi.useFakeTimers());
afterEach(async () => {
  const stopped = loop?.stop();
  await vi.runAllTimersAsync();
  await stopped;
  vi.useRealTimers();
});

/** A loop whose pass always fails so, for half an hour. @returns passes in the minute after. */
async function passesOf(failure: Failure): Promise<number> {
  let passes = 0;
  loop = startLoop(ctx, 'test', 'net', 50, async () => {
    passes++;
    throw failure;
  });
  await vi.advanceTimersByTimeAsync(1_800_000);
  const before = passes;
  await vi.advanceTimersByTimeAsync(60_000);
  return passes - before;
}

test('a loop goes on within a second when the database comes back, however long it was away', async () => {
  expect(await passesOf(new Failure('database-unavailable', 'away'))).toBe(60);
});

test('a loop that fails for another reason pauses for ten seconds at last', async () => {
  expect(await passesOf(new Failure('node-unavailable', 'away'))).toBe(6);
});
