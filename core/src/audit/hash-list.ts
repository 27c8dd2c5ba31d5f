import { invariant } from '../invariant.ts';

/** A growing list of 32-byte hashes, kept in slabs: a million of them take 32 MB and no work of the garbage collector. */
export interface HashList {
  readonly size: () => number;
  /** @param hash 32 bytes; copied. */
  readonly push: (hash: Uint8Array) => void;
  /** A copy of the hash at `index`, from 0. @throws InvariantError outside the list. */
  readonly at: (index: number) => Uint8Array;
}

const hashBytes = 32;
const slabHashes = 4_096;

export function createHashList(): HashList {
  const slabs: Uint8Array[] = [];
  let size = 0;
  return {
    size: () => size,
    push: (hash) => {
      invariant(hash.length === hashBytes, `a hash of ${hash.length} bytes`);
      if (size % slabHashes === 0) slabs.push(new Uint8Array(slabHashes * hashBytes));
      slabs.at(-1)?.set(hash, (size % slabHashes) * hashBytes);
      size += 1;
    },
    at: (index) => {
      invariant(Number.isSafeInteger(index) && index >= 0 && index < size, `no hash ${index} among ${size}`);
      const from = (index % slabHashes) * hashBytes;
      const slab = slabs[Math.floor(index / slabHashes)];
      invariant(slab, 'every index below the size has a slab');
      return slab.slice(from, from + hashBytes);
    },
  };
}
