import { bytesToHex } from '@noble/hashes/utils.js';
import { addr } from 'micro-eth-signer';
import { Failure } from '../failure.ts';

/** What calls of custodians are made of. */
export type AbiType =
  | 'address'
  | `uint${8 | 64 | 128 | 256}`
  | 'bool'
  | 'bytes32'
  | 'bytes'
  | `${'address' | 'uint256' | 'bytes'}[]`;
/** Addresses in EIP-55, numbers in decimal, bytes in 0x hex. */
export type AbiValue = string | readonly AbiValue[];

const wordBytes = 32;

/**
 * Decodes the arguments of a call (what follows the selector) to the last byte, and in the one form that Solidity writes:
 * tails in their order without gaps, padding of zeros, nothing left over.
 * @throws Failure transaction-malformed
 */
export function decodeAbi(types: readonly AbiType[], data: Uint8Array): AbiValue[] {
  const { values, end } = decodeTuple(types, data, 0);
  if (end !== data.length) throw malformed(`${data.length - end} bytes after the arguments`);
  return values;
}

function decodeTuple(types: readonly AbiType[], data: Uint8Array, base: number): { values: AbiValue[]; end: number } {
  let tail = base + types.length * wordBytes;
  const values = types.map((type, index) => {
    const word = wordAt(data, base + index * wordBytes);
    if (!isDynamic(type)) return decodeWord(type, word);
    if (numberOf(word) !== BigInt(tail - base)) throw malformed(`the offset of a ${type} is not where it belongs`);
    const { value, end } = decodeDynamic(type, data, tail);
    tail = end;
    return value;
  });
  return { values, end: tail };
}

/** Whether its place among the arguments holds an offset. */
export function isDynamic(type: AbiType): boolean {
  return type === 'bytes' || type.endsWith('[]');
}

function decodeDynamic(type: AbiType, data: Uint8Array, at: number): { value: AbiValue; end: number } {
  const start = at + wordBytes;
  const length = numberOf(wordAt(data, at));
  if (length > BigInt(data.length - start)) throw malformed(`a length of ${length} in ${data.length} bytes`);
  if (type !== 'bytes') {
    const item = type.slice(0, -2) as AbiType;
    const { values, end } = decodeTuple(
      Array.from({ length: Number(length) }, () => item),
      data,
      start,
    );
    return { value: values, end };
  }
  const end = start + Math.ceil(Number(length) / wordBytes) * wordBytes;
  const content = data.subarray(start, start + Number(length));
  if (end > data.length) throw malformed('the arguments are cut short');
  if (data.subarray(start + Number(length), end).some((byte) => byte !== 0))
    throw malformed('dirty padding after bytes');
  return { value: `0x${bytesToHex(content)}`, end };
}

function decodeWord(type: AbiType, word: Uint8Array): string {
  if (type === 'bytes32') return `0x${bytesToHex(word)}`;
  if (type.startsWith('uint')) {
    const value = numberOf(word);
    if (value >= 1n << BigInt(type.slice('uint'.length))) throw malformed(`${value} is no ${type}`);
    return value.toString();
  }
  if (type === 'bool') {
    if (numberOf(word) > 1n) throw malformed('a truth value that is neither');
    return numberOf(word) === 1n ? 'true' : 'false';
  }
  if (word.subarray(0, 12).some((byte) => byte !== 0)) throw malformed('dirty padding before an address');
  return addr.addChecksum(`0x${bytesToHex(word.subarray(12))}`);
}

function wordAt(data: Uint8Array, at: number): Uint8Array {
  if (at + wordBytes > data.length) throw malformed('the arguments are cut short');
  return data.subarray(at, at + wordBytes);
}

function numberOf(word: Uint8Array): bigint {
  return BigInt(`0x${bytesToHex(word)}`);
}

function malformed(message: string): Failure {
  return new Failure('transaction-malformed', message);
}
