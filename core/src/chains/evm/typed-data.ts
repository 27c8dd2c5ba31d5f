import { keccak_256 } from '@noble/hashes/sha3.js';
import { concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { invariant } from '../../invariant.ts';

/** EIP-712 encodeData of an unsigned integer: 32 bytes big-endian. */
export function uintWord(value: bigint): Uint8Array {
  invariant(value >= 0n && value < 1n << 256n, `not a uint256: ${value}`);
  return hexToBytes(value.toString(16).padStart(64, '0'));
}

/** EIP-712 encodeData of an address (0x and 40 hex digits): left-padded to 32 bytes. */
export function addressWord(address: string): Uint8Array {
  invariant(/^0x[0-9a-fA-F]{40}$/.test(address), `not an address: ${address.slice(0, 60)}`);
  return hexToBytes(address.slice(2).toLowerCase().padStart(64, '0'));
}

/** EIP-712 encodeData of `bytes` and, over its UTF-8 form, of `string`: its hash. */
export function bytesWord(value: Uint8Array): Uint8Array {
  return keccak_256(value);
}

/**
 * EIP-712 hashStruct: keccak256(keccak256(encodeType) then one 32-byte word a member).
 * @param encodeType the struct's type text, with the types that it refers to appended in alphabetical order.
 */
export function structHash(encodeType: string, words: readonly Uint8Array[]): Uint8Array {
  invariant(
    words.every((word) => word.length === 32),
    'members must be 32-byte words',
  );
  return keccak_256(concatBytes(keccak_256(utf8ToBytes(encodeType)), ...words));
}

/** EIP-712 hash to sign: keccak256(0x19 0x01 domainSeparator hashStruct(message)). */
export function typedDataHash(domainSeparator: Uint8Array, messageHash: Uint8Array): Uint8Array {
  return keccak_256(concatBytes(Uint8Array.of(0x19, 0x01), domainSeparator, messageHash));
}
