import { setTimeout as sleep } from 'node:timers/promises';

const everyMs = 1_000;

/** Looks every second until the signal; resolves then. */
export async function keepLooking(watcher: { readonly look: () => Promise<void> }, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await watcher.look();
    await sleep(everyMs, undefined, { signal }).catch(() => undefined);
  }
}
