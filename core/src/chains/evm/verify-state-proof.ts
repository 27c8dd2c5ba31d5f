import { keccak_256 } from '@noble/hashes/sha3.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { Failure } from '../../failure.ts';
import { invariant } from '../../invariant.ts';
import type { EvmProofAnswer } from './node-answers.ts';
import { decodeFields, decodeRlp, verifyTrieProof } from './verify-trie-proof.ts';

/** An account at one block. */
export interface ProvenAccount {
  readonly nonce: bigint;
  readonly balanceWei: bigint;
  /** 64 hex digits; of no code where there is none. */
  readonly codeHash: string;
  /** One a slot that was asked for; 0 where nothing is stored. */
  readonly values: readonly bigint[];
}

/** keccak256 of no code: an account without it, or no account at all. */
export const noCodeHash = 'c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470';

/**
 * Reads an account and slots of its storage from the proof of eth_getProof (EIP-1186), that something is absent too.
 * @param stateRoot 0x hex, from a header whose hash is agreed on. @param address 0x hex. @param slots 64 hex digits each.
 * @throws Failure node-proof-invalid.
 */
export function verifyStateProof(
  stateRoot: string,
  address: string,
  slots: readonly string[],
  answer: EvmProofAnswer,
): ProvenAccount {
  invariant(/^0x[0-9a-fA-F]{64}$/.test(stateRoot), 'a state root has 32 bytes');
  const value = verifyTrieProof(bytes(stateRoot), keccak_256(bytes(address)), answer.accountProof.map(bytes));
  if (value === null) {
    return { nonce: 0n, balanceWei: 0n, codeHash: noCodeHash, values: slots.map(() => 0n) };
  }
  const [nonce, balance, storageRoot, codeHash] = decodeFields(value, 4);
  if (storageRoot?.length !== 32 || codeHash?.length !== 32) throw invalid('an account without its hashes');
  if (answer.storageProof.length < slots.length) {
    throw invalid(`${answer.storageProof.length} storage proofs for ${slots.length} slots`);
  }
  const values = slots.map((slot, at) => {
    const nodes = answer.storageProof[at]?.proof ?? [];
    const stored = verifyTrieProof(storageRoot, keccak_256(hexToBytes(slot)), nodes.map(bytes));
    return stored === null ? 0n : storedValue(stored);
  });
  return { nonce: scalar(nonce), balanceWei: scalar(balance), codeHash: bytesToHex(codeHash), values };
}

function storedValue(stored: Uint8Array): bigint {
  const item = decodeRlp(stored);
  if (Array.isArray(item)) throw invalid('a storage value is a list');
  return scalar(item);
}

/** A number of at most 32 bytes, without leading zeros. */
function scalar(value: Uint8Array | undefined): bigint {
  if (!value || value.length > 32 || value[0] === 0) throw invalid('not a number in its shortest form');
  return value.length === 0 ? 0n : BigInt(`0x${bytesToHex(value)}`);
}

function bytes(text: string): Uint8Array {
  return hexToBytes(text.slice(2));
}

function invalid(message: string): Failure {
  return new Failure('node-proof-invalid', message);
}
