import { createHash } from 'node:crypto';

/** A stream of numbers that a text fixes: the same text, the same numbers, on every machine. */
export interface Random {
  /** From 0 up to but not including 1. */
  next(): number;
  chance(probability: number): boolean;
  /** A whole number of both ends and what is between. */
  between(low: number, high: number): number;
  pick<T>(items: readonly T[]): T;
  bytes(length: number): Buffer;
}

/** sfc32 (PractRand), seeded by SHA-256 of the text. */
export function randomOf(text: string): Random {
  const seed = createHash('sha256').update(text).digest();
  let [a, b, c, counter] = [0, 4, 8, 12].map((at) => seed.readInt32LE(at)) as [number, number, number, number];
  const word = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + sum) | 0;
    return sum >>> 0;
  };
  for (let round = 0; round < 12; round++) word();
  const next = (): number => word() / 2 ** 32;
  return {
    next,
    chance: (probability) => next() < probability,
    between: (low, high) => low + Math.floor(next() * (high - low + 1)),
    pick: (items) => items[Math.floor(next() * items.length)] as (typeof items)[number],
    bytes(length) {
      const made = Buffer.alloc(length);
      for (let at = 0; at < length; at++) made[at] = word() & 0xff;
      return made;
    },
  };
}
