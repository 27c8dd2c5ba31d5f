import { expect, test } from 'vitest';
import { fingerprintUnder } from './fingerprint.ts';

const key = Uint8Array.from({ length: 16 }, (_, i) => i);
const ascending = (length: number): string => String.fromCharCode(...Array.from({ length }, (_, i) => i));

/** SipHash-2-4 of 00 01 02 ... under the key 00 01 ... 0f, from the reference implementation's vectors.h; 15 is in the paper. */
const vectors: readonly (readonly [number, string])[] = [
  [0, '310e0edd47db6f72'],
  [1, 'fd67dc93c539f874'],
  [2, '5a4fa9d909806c0d'],
  [3, '2d7efbd796666785'],
  [4, 'b7877127e09427cf'],
  [5, '8da699cd64557618'],
  [6, 'cee3fe586e46c9cb'],
  [7, '37d1018bf50002ab'],
  [8, '6224939a79f5f593'],
  [15, 'e545be4961ca29a1'],
];

test.each(vectors)('SipHash-2-4 of %i bytes', (length, expected) => {
  const out = new Int32Array(2);
  fingerprintUnder(key)(ascending(length), 0, length, out);
  expect(Buffer.from(out.buffer).toString('hex')).toBe(expected);
});

test('a part of a text hashes as that text alone', () => {
  const [part, alone] = [new Int32Array(2), new Int32Array(2)];
  const hash = fingerprintUnder(key);
  hash(`xyz${ascending(13)}tail`, 3, 16, part);
  hash(ascending(13), 0, 13, alone);
  expect(part).toEqual(alone);
});
