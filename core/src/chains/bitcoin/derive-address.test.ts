import { shake256 } from '@noble/hashes/sha3.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { p2tr_ms } from '@scure/btc-signer';
import { expect, test } from 'vitest';
import { parseBitcoinAddress } from './address.ts';
import { coldLeafScript, deriveWalletAddress } from './derive-address.ts';
import { bitcoinParams } from './params.ts';

const bytes = (label: string): Uint8Array => shake256(utf8ToBytes(label), { dkLen: 32 });
/** Without the blinding that a real secret deserves: core has no randomness. */
const publicOf = (label: string): Uint8Array =>
  secp256k1.Point.BASE.multiplyUnsafe(BigInt(`0x${bytesToHex(bytes(label))}`)).toBytes();
const coldKeys = ['a', 'b', 'c', 'd', 'e'].map((label) => publicOf(label).slice(1));
const sorted = coldKeys.toSorted((a, b) => (bytesToHex(a) < bytesToHex(b) ? -1 : 1));
const wallet = { groupKey: publicOf('group'), chainCode: bytes('chain code'), coldKeys };
const params = bitcoinParams('bip122:0f9188f13cb7b2c71f2a335e3a4fc328');

test('the cold leaf is multi_a(3, ...) over the sorted keys', () => {
  expect(bytesToHex(coldLeafScript(coldKeys))).toBe(bytesToHex(p2tr_ms(3, sorted).script));
});

test('the cold leaf does not depend on the order in which keys are given', () => {
  expect(coldLeafScript(coldKeys.toReversed())).toEqual(coldLeafScript(coldKeys));
});

test('a cold leaf needs five different keys', () => {
  expect(() => coldLeafScript(coldKeys.slice(1))).toThrow('5 cold keys');
  expect(() => coldLeafScript([...coldKeys.slice(1), coldKeys[1] as Uint8Array])).toThrow('twice');
});

test('a change of path, chain code or custodians changes the address; the same again gives the same', () => {
  const at = (change: Partial<typeof wallet>, path: [number, number]): string =>
    deriveWalletAddress({ ...wallet, ...change }, path, params).address;
  const otherKeys = [...coldKeys.slice(1), publicOf('f').slice(1)];
  const all = [
    at({}, [0, 0]),
    at({}, [0, 1]),
    at({}, [1, 0]),
    at({ chainCode: bytes('other') }, [0, 0]),
    at({ coldKeys: otherKeys }, [0, 0]),
  ];
  expect(new Set(all).size).toBe(5);
  expect(at({}, [0, 0])).toBe(all[0]);
});

test('the address text stands for the script', () => {
  const derived = deriveWalletAddress(wallet, [0, 41], params);
  expect(parseBitcoinAddress(derived.address, params)).toEqual({ address: derived.address, script: derived.script });
  expect(derived.script).toBe(`5120${bytesToHex(derived.outputKey)}`);
});
