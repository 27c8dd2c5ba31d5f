import { keccak_256 } from '@noble/hashes/sha3.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { addr } from 'micro-eth-signer';
import { invariant } from '../../invariant.ts';

/**
 * Salt of a customer's deposit forwarder, 32 bytes: keccak256("holdfast/forwarder/v1:" customer ":" index). The customer
 * id and the index cannot contain a colon, so two customers never share a salt.
 */
export function forwarderSalt(customerId: string, index: number): Uint8Array {
  invariant(/^cus_[0-9a-f-]{36}$/.test(customerId), `not a customer id: ${customerId.slice(0, 60)}`);
  invariant(Number.isInteger(index) && index >= 0 && index <= 0x7fffffff, `index out of range: ${index}`);
  return keccak_256(utf8ToBytes(`holdfast/forwarder/v1:${customerId}:${index}`));
}

/**
 * Address of a forwarder before and after its deployment, EIP-1014: the last 20 bytes of
 * keccak256(0xff factory salt keccak256(init code)), in EIP-55 form.
 * @param input `initCodeHash` as 0x and 64 hex digits, `salt` of 32 bytes.
 */
export function forwarderAddress(input: { factory: string; initCodeHash: string; salt: Uint8Array }): string {
  invariant(/^0x[0-9a-fA-F]{64}$/.test(input.initCodeHash), 'init code hash must be 32 bytes');
  invariant(input.salt.length === 32, 'salt must be 32 bytes');
  return addr.getCreate2Address(input.factory, input.salt, input.initCodeHash);
}
