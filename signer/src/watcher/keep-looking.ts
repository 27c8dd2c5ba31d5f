import { setTimeout as sleep } from 'node:timers/promises';
import type { NetworkWatcher } from './watch-network.ts';

const everyMs = 1_000;

/** Looks at one network every second until the signal; resolves then. */
export async function keepLooking(watcher: Pick<NetworkWatcher, 'look'>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await watcher.look();
    await sleep(everyMs, undefined, { signal }).catch(() => undefined);
  }
}
