import { hexToBytes } from '@noble/hashes/utils.js';
import { Failure } from '../failure.ts';
import { isKnownCode } from './is-known-code.ts';
import type { SettlementRecord } from './customer-record.ts';
import type { RecordRules } from './decide-customer-record.ts';
import type { KeySignature } from './evidence.ts';
import type { JournalState } from './journal-state.ts';

/**
 * Judges a batch of trades: signed by an engine key of the policy, next in that key's sequence, and zero-sum for every
 * asset, so that it moves what customers have and makes nothing.
 * @throws Failure settlement-invalid
 */
export function checkSettlement(
  state: JournalState,
  { engine, sequence, entries }: SettlementRecord,
  { key_id: keyId, signature }: KeySignature,
  digest: Uint8Array,
  { policy, verifiers }: RecordRules,
): void {
  const key = policy.engine_keys.find((one) => one.key_id === keyId);
  if (engine !== keyId) {
    throw new Failure('settlement-invalid', `the settlement is of engine ${engine}, its signature of ${keyId}`);
  }
  if (!key || !verifiers.ed25519(hexToBytes(key.public_key), digest, signature)) {
    throw new Failure('settlement-invalid', `the signature of ${keyId} does not hold, or it is no engine key`);
  }
  const last = state.settlementSequence.get(keyId) ?? 0;
  if (sequence !== last + 1) {
    throw new Failure('settlement-invalid', `settlement ${sequence} of ${keyId} does not follow number ${last}`);
  }
  const sums = new Map<string, bigint>();
  for (const { asset, amount } of entries) sums.set(asset, (sums.get(asset) ?? 0n) + BigInt(amount));
  for (const [asset, sum] of sums) {
    if (!isKnownCode(policy, asset)) throw new Failure('settlement-invalid', `the policy has no asset ${asset}`);
    if (sum !== 0n) throw new Failure('settlement-invalid', `settlement ${sequence} makes ${sum} ${asset}`);
  }
}
