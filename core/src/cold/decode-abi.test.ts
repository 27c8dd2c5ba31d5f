import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import fc from 'fast-check';
import { createContract } from 'micro-eth-signer/abi.js';
import { expect, test } from 'vitest';
import { type AbiType, decodeAbi } from './decode-abi.ts';

const types = ['address[]', 'uint256[]', 'bytes[]', 'bytes32', 'bytes', 'bool', 'uint256'] as const satisfies AbiType[];

/** By the library, an encoder that is not ours. */
const library = createContract([
  {
    type: 'function',
    name: 'call',
    inputs: [
      { name: 'a', type: 'address[]' },
      { name: 'b', type: 'uint256[]' },
      { name: 'c', type: 'bytes[]' },
      { name: 'd', type: 'bytes32' },
      { name: 'e', type: 'bytes' },
      { name: 'f', type: 'bool' },
      { name: 'g', type: 'uint256' },
    ],
    outputs: [],
  },
] as const);

const bytes = fc.uint8Array({ maxLength: 70 });
const uint = fc.bigInt(0n, 2n ** 256n - 1n);
const calls = fc.record({
  a: fc.array(
    fc.constantFrom('0x52908400098527886E0F7030069857D2E4169EE7', '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed'),
    { maxLength: 4 },
  ),
  b: fc.array(uint, { maxLength: 4 }),
  c: fc.array(bytes, { maxLength: 4 }),
  d: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  e: bytes,
  f: fc.boolean(),
  g: uint,
});
const hex = (value: Uint8Array): string => `0x${bytesToHex(value)}`;

test('reads what another encoder wrote', () => {
  fc.assert(
    fc.property(calls, (call) => {
      const data = library.call.encodeInput(call).subarray(4);
      expect(decodeAbi(types, data)).toEqual([
        call.a,
        call.b.map(String),
        call.c.map(hex),
        hex(call.d),
        hex(call.e),
        String(call.f),
        String(call.g),
      ]);
    }),
    { numRuns: 200 },
  );
});

test('reads no other bytes to the same values: each byte that changes changes a value or is refused', () => {
  fc.assert(
    fc.property(calls, fc.nat(), fc.integer({ min: 1, max: 255 }), (call, at, by) => {
      const data = Uint8Array.from(library.call.encodeInput(call).subarray(4));
      const before = JSON.stringify(decodeAbi(types, data));
      const place = at % data.length;
      data[place] = (data[place] ?? 0) ^ by;
      expect(attempt(data)).not.toBe(before);
      expect(attempt(data.subarray(0, -1))).toBe('transaction-malformed');
    }),
    { numRuns: 500 },
  );
});

function attempt(data: Uint8Array): string {
  try {
    return JSON.stringify(decodeAbi(types, data));
  } catch (error) {
    return (error as { code: string }).code;
  }
}

test.each<[string, AbiType[], string]>([
  ['a length beyond the data', ['bytes'], `${'20'.padStart(64, '0')}${'f'.repeat(64)}`],
  ['a list beyond the data', ['bytes[]'], `${'20'.padStart(64, '0')}${'f'.repeat(64)}`],
  ['an offset into the head', ['bytes'], '00'.repeat(32) + '00'.repeat(32)],
  ['an offset with a gap', ['bytes'], `${'40'.padStart(64, '0')}${'00'.repeat(64)}`],
  ['bytes left over', ['bool'], '00'.repeat(33)],
  ['nothing', ['address'], ''],
])('refuses %s', (_what, wanted, data) => {
  const malformed = expect.objectContaining({ code: 'transaction-malformed' }) as Error;
  expect(() => decodeAbi(wanted, hexToBytes(data))).toThrow(malformed);
});
