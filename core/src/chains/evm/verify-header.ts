import { keccak_256 } from '@noble/hashes/sha3.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { RLP } from 'micro-eth-signer/core/rlp.js';
import { Failure } from '../../failure.ts';
import type { EvmBlockAnswer } from './node-answers.ts';

/** What a header's own hash binds; hashes 0x and lower case. */
export interface VerifiedHeader {
  readonly hash: string;
  readonly parentHash: string;
  readonly number: number;
  readonly timeMs: number;
  readonly stateRoot: string;
  readonly transactionsRoot: string;
  readonly receiptsRoot: string;
  /** 256 bytes, 0x hex. */
  readonly logsBloom: string;
}

/**
 * Hashes a header again from its fields: a node that changed one of them fails.
 * @throws Failure node-proof-invalid, also for a header with fields that this code does not know.
 */
export function verifyHeader(block: EvmBlockAnswer): VerifiedHeader {
  const hash = headerHash(block);
  if (hash !== block.hash.toLowerCase()) {
    throw new Failure('node-proof-invalid', `the fields of block ${block.hash} hash to ${hash}`);
  }
  const number = BigInt(block.number);
  const time = BigInt(block.timestamp);
  if (number > BigInt(Number.MAX_SAFE_INTEGER) || time > 1n << 40n) {
    throw new Failure('node-proof-invalid', `block ${hash} has number ${number} and time ${time}`);
  }
  return {
    hash,
    parentHash: block.parentHash.toLowerCase(),
    number: Number(number),
    timeMs: Number(time) * 1_000,
    stateRoot: block.stateRoot.toLowerCase(),
    transactionsRoot: block.transactionsRoot.toLowerCase(),
    receiptsRoot: block.receiptsRoot.toLowerCase(),
    logsBloom: block.logsBloom.toLowerCase(),
  };
}

/** keccak256 of the RLP of the header, 0x hex; yellow paper 4.4 and the EIPs of node-answers.ts. */
export function headerHash(block: EvmBlockAnswer): string {
  const forks = [
    quantity(block.baseFeePerGas),
    block.withdrawalsRoot,
    quantity(block.blobGasUsed),
    quantity(block.excessBlobGas),
    block.parentBeaconBlockRoot,
    block.requestsHash,
  ];
  const present = forks.filter((field) => field !== undefined);
  // Each fork appended to the fields of the one before, so a gap is no header.
  if (forks.slice(0, present.length).includes(undefined)) {
    throw new Failure('node-proof-invalid', `the header of block ${block.hash} lacks a field`);
  }
  const fields = [
    block.parentHash,
    block.sha3Uncles,
    block.miner,
    block.stateRoot,
    block.transactionsRoot,
    block.receiptsRoot,
    block.logsBloom,
    BigInt(block.difficulty),
    BigInt(block.number),
    BigInt(block.gasLimit),
    BigInt(block.gasUsed),
    BigInt(block.timestamp),
    block.extraData,
    block.mixHash,
    block.nonce,
    ...present,
  ];
  return `0x${bytesToHex(keccak_256(RLP.encode(fields)))}`;
}

function quantity(text: string | undefined): bigint | undefined {
  return text === undefined ? undefined : BigInt(text);
}
