import * as timers from 'node:timers/promises';
import { currentProcess } from '../world/world.ts';

/** In place of node:timers/promises. */
export * from 'node:timers/promises';

export function setTimeout<T>(delayMs?: number, value?: T, options: { signal?: AbortSignal } = {}): Promise<T> {
  if (!currentProcess()) return timers.setTimeout(delayMs, value, options);
  const { signal } = options;
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      clearTimeout(timer);
      reject(new DOMException('aborted', 'AbortError'));
    };
    const timer = globalThis.setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve(value as T);
    }, delayMs);
    if (signal?.aborted) abort();
    else signal?.addEventListener('abort', abort, { once: true });
  });
}
