import { type BoundedCache, createBoundedCache as createOne } from '@holdfast/signer/nodes/bounded-cache.ts';
import { currentProcess } from '../world/world.ts';

export type { BoundedCache };

/** In place of signer/src/nodes/bounded-cache.ts: a cache of a module is one a process, as it is outside of a simulation. */
export function createBoundedCache<V>(max: number): BoundedCache<V> {
  const caches = new WeakMap<object, BoundedCache<V>>();
  const own = (): BoundedCache<V> => {
    const owner = currentProcess();
    if (!owner) return createOne<V>(max);
    const found = caches.get(owner) ?? createOne<V>(max);
    caches.set(owner, found);
    return found;
  };
  return {
    get: (key) => own().get(key),
    set: (key, value) => own().set(key, value),
    delete: (key) => own().delete(key),
  };
}
