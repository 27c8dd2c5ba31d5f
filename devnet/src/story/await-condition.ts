import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Polls `probe` until it returns something other than null, undefined or false.
 * @throws Error naming `what` and the last thing known when `withinMs` have passed.
 */
export async function awaitCondition<T>(
  what: string,
  probe: () => Promise<T | null | undefined | false>,
  withinMs = 60_000,
  everyMs = 100,
): Promise<T> {
  const deadline = performance.now() + withinMs;
  let problem = '';
  for (;;) {
    try {
      const found = await probe();
      if (found !== null && found !== undefined && found !== false) return found;
      problem = '';
    } catch (error) {
      problem = error instanceof Error ? `: ${error.message}` : '';
    }
    if (performance.now() > deadline) throw new Error(`${what} did not happen within ${withinMs / 1000} s${problem}`);
    await sleep(everyMs);
  }
}
