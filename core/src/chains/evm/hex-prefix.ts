import { Failure } from '../../failure.ts';

/** A key of a trie, half a byte a step. */
export function nibblesOf(key: Uint8Array): number[] {
  return Array.from(key).flatMap((byte) => [byte >> 4, byte & 0xf]);
}

/** Hex-prefix encoding of a part of a path, yellow paper appendix C. */
export function hexPrefix(nibbles: readonly number[], isLeaf: boolean): Uint8Array {
  const odd = nibbles.length % 2;
  const flag = (isLeaf ? 2 : 0) + odd;
  const whole = odd ? [flag, ...nibbles] : [flag, 0, ...nibbles];
  return Uint8Array.from(
    { length: whole.length / 2 },
    (_, at) => ((whole[2 * at] ?? 0) << 4) | (whole[2 * at + 1] ?? 0),
  );
}

/**
 * Reads what `hexPrefix` wrote.
 * @throws Failure node-proof-invalid for any other form of the same path.
 */
export function readHexPrefix(bytes: Uint8Array): { nibbles: number[]; isLeaf: boolean } {
  const [flag, ...rest] = nibblesOf(bytes);
  const odd = flag !== undefined && flag % 2 === 1;
  if (flag === undefined || flag > 3 || (!odd && rest[0] !== 0)) {
    throw new Failure('node-proof-invalid', 'a path in a trie node is not in hex-prefix form');
  }
  return { nibbles: odd ? rest : rest.slice(1), isLeaf: flag >= 2 };
}
