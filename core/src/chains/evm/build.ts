import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js';
import { createContract } from 'micro-eth-signer/abi.js';
import { invariant } from '../../invariant.ts';
import type { BaseUnits } from '../../money/base-units.ts';
import type { SafeTransaction } from '../../signing/messages.ts';

/** One payout of the vault; `amount` in base units. */
export type WithdrawalLeg =
  | { readonly kind: 'native'; readonly to: string; readonly amount: BaseUnits }
  | { readonly kind: 'erc20'; readonly contract: string; readonly to: string; readonly amount: BaseUnits };

/** What one forwarder is to send to the vault: a token's whole balance, or the native coin's when `token` is null. */
export interface FlushItem {
  readonly salt: Uint8Array;
  readonly token: string | null;
}

/** What the vault's guard asks of every batch: its first leg names the second (Unix time) after which it is void. */
export interface BatchDeadline {
  readonly guard: string;
  readonly notAfterS: bigint;
}

/** `signature` as 130 hex digits: r s v with v 27 or 28, as signers answer it. */
export interface OwnerSignature {
  readonly owner: string;
  readonly signature: string;
}

const address = (name: string) => ({ name, type: 'address' }) as const;
const uint256 = (name: string) => ({ name, type: 'uint256' }) as const;
const bytes = (name: string) => ({ name, type: 'bytes' }) as const;

const abi = createContract([
  { type: 'function', name: 'transfer', inputs: [address('to'), uint256('amount')], outputs: [] },
  { type: 'function', name: 'multiSend', inputs: [bytes('transactions')], outputs: [] },
  { type: 'function', name: 'notAfter', inputs: [uint256('deadline')], outputs: [] },
  {
    type: 'function',
    name: 'execTransaction',
    inputs: [
      address('to'),
      uint256('value'),
      bytes('data'),
      { name: 'operation', type: 'uint8' },
      uint256('safeTxGas'),
      uint256('baseGas'),
      uint256('gasPrice'),
      address('gasToken'),
      address('refundReceiver'),
      bytes('signatures'),
    ],
    outputs: [],
  },
  { type: 'function', name: 'simulateAndRevert', inputs: [address('target'), bytes('calldata')], outputs: [] },
  {
    type: 'function',
    name: 'flush',
    inputs: [
      { name: 'salts', type: 'bytes32[]' },
      { name: 'tokens', type: 'address[]' },
    ],
    outputs: [],
  },
] as const);

const zeroAddress = `0x${'0'.repeat(40)}`;
const hex = (data: Uint8Array) => `0x${bytesToHex(data)}`;

/**
 * The Safe transaction that pays a batch: one leg as a direct call, several, or whatever a guard judges, as a DELEGATECALL
 * to MultiSendCallOnly. All legs happen or none does, so a leg that would revert must be set aside before (simulate).
 * @param input `nonce` of the Safe, `multiSend` the MultiSendCallOnly contract, `deadline` where the Safe has the vault's guard.
 */
export function buildWithdrawalBatch(input: {
  legs: readonly WithdrawalLeg[];
  nonce: bigint;
  multiSend: string;
  deadline?: BatchDeadline | null;
}): SafeTransaction {
  const { deadline = null } = input;
  const calls = input.legs.map(callOf);
  const [first] = calls;
  invariant(first !== undefined, 'a batch needs a leg');
  const nonce = input.nonce.toString();
  if (calls.length === 1 && !deadline) {
    return { to: first.to, value: first.value.toString(), data: hex(first.data), operation: 0, nonce };
  }
  return { to: input.multiSend, value: '0', data: encodeMultiSend(input.legs, deadline), operation: 1, nonce };
}

/** Calldata (0x hex) of MultiSendCallOnly.multiSend for these legs, after the deadline. */
export function encodeMultiSend(legs: readonly WithdrawalLeg[], deadline: BatchDeadline | null): string {
  const first = deadline ? [callOfGuard(deadline)] : [];
  return hex(abi.multiSend.encodeInput(concatBytes(...[...first, ...legs.map(callOf)].map(packCall))));
}

/**
 * Calldata (0x hex) of Safe.simulateAndRevert: runs a DELEGATECALL in the Safe's place and reverts with what came of it, so
 * that payouts can be tried with the sender and origin that they will have, without a signature.
 */
export function encodeSimulation(target: string, calldata: string): string {
  return hex(abi.simulateAndRevert.encodeInput({ target, calldata: hexToBytes(calldata.slice(2)) }));
}

/**
 * Whether a simulation succeeded, from the revert data (0x hex) of simulateAndRevert: success (32 bytes), length (32),
 * returned bytes. Null when the data is not of that form.
 */
export function decodeSimulation(revertData: string): boolean | null {
  const match = /^0x([0-9a-f]{64})[0-9a-f]{64}/i.exec(revertData);
  return match?.[1] === undefined ? null : BigInt(`0x${match[1]}`) === 1n;
}

interface Call {
  readonly to: string;
  readonly value: bigint;
  readonly data: Uint8Array;
}

function callOf(leg: WithdrawalLeg): Call {
  invariant(leg.amount > 0n, 'a leg pays something');
  if (leg.kind === 'native') return { to: leg.to, value: leg.amount, data: new Uint8Array() };
  return { to: leg.contract, value: 0n, data: abi.transfer.encodeInput({ to: leg.to, amount: leg.amount }) };
}

function callOfGuard({ guard, notAfterS }: BatchDeadline): Call {
  return { to: guard, value: 0n, data: abi.notAfter.encodeInput(notAfterS) };
}

/** MultiSendCallOnly's packed form: operation (1, always 0), to (20), value (32), data length (32), data. */
function packCall(call: Call): Uint8Array {
  const word = (value: bigint) => hexToBytes(value.toString(16).padStart(64, '0'));
  const to = hexToBytes(call.to.slice(2).toLowerCase());
  invariant(to.length === 20, `not an address: ${call.to}`);
  return concatBytes(Uint8Array.of(0), to, word(call.value), word(BigInt(call.data.length)), call.data);
}

/**
 * Signatures as Safe.checkNSignatures wants them: 65 bytes each, ascending by owner.
 * @returns 0x hex for encodeExecTransaction.
 */
export function packSignatures(signatures: readonly OwnerSignature[]): string {
  const sorted = signatures
    .map(({ owner, signature }) => ({ owner: owner.toLowerCase(), signature }))
    .toSorted((left, right) => (left.owner < right.owner ? -1 : 1));
  for (const [at, { owner, signature }] of sorted.entries()) {
    invariant(/^[0-9a-f]{128}(?:1b|1c)$/.test(signature), `not an r s v signature of ${owner}`);
    invariant(owner !== sorted[at + 1]?.owner, `two signatures of ${owner}`);
  }
  return `0x${sorted.map(({ signature }) => signature).join('')}`;
}

/**
 * Calldata (0x hex) of Safe.execTransaction with refunds off.
 * @param packedSignatures from packSignatures.
 */
export function encodeExecTransaction(tx: SafeTransaction, packedSignatures: string): string {
  return hex(
    abi.execTransaction.encodeInput({
      to: tx.to,
      value: BigInt(tx.value),
      data: hexToBytes(tx.data.slice(2)),
      operation: BigInt(tx.operation),
      safeTxGas: 0n,
      baseGas: 0n,
      gasPrice: 0n,
      gasToken: zeroAddress,
      refundReceiver: zeroAddress,
      signatures: hexToBytes(packedSignatures.slice(2)),
    }),
  );
}

/** Calldata (0x hex) of ForwarderFactory.flush: deploys each forwarder that is missing and sends each item to the vault. */
export function encodeFlush(items: readonly FlushItem[]): string {
  invariant(items.length > 0, 'nothing to flush');
  return hex(
    abi.flush.encodeInput({
      salts: items.map(({ salt }) => salt),
      tokens: items.map(({ token }) => token ?? zeroAddress),
    }),
  );
}
