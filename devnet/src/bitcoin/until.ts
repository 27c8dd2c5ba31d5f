import { setTimeout as delay } from 'node:timers/promises';
import { Failure } from '@holdfast/core/failure.ts';

const pollMs = 30;

/** Asks again until the condition holds. @throws Failure node-unavailable after `withinMs`. */
export async function until(what: string, condition: () => Promise<boolean>, withinMs = 20_000): Promise<void> {
  const end = Date.now() + withinMs;
  while (!(await condition())) {
    if (Date.now() > end) throw new Failure('node-unavailable', `not within ${withinMs} ms: ${what}`);
    await delay(pollMs);
  }
}
