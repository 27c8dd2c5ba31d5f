import { invariant } from '../invariant.ts';
import type { CredentialRecord, DestinationRecord, ReleaseRecord } from './customer-record.ts';
import { depositKey } from './deposit-key.ts';
import { destinationKey } from './destination-key.ts';
import type { EntryOf } from './journal-record.ts';
import type { JournalState } from './journal-state.ts';
import { positionKey } from './position-key.ts';
import { claimableAt, decidedKey, releaseKey } from './release-key.ts';
import { addCharge, credentialChangesBudget } from './rolling-charges.ts';

/** Remembers what a record says about customers; changes `state` in place. */
export function applyCustomerRecord(state: JournalState, body: EntryOf<'customer-record'>['body'], atMs: number): void {
  const { signed, effective_at_ms: effectiveAtMs } = body;
  state.records.add(body.digest);
  switch (signed.record.kind) {
    case 'credential':
      return applyCredential(state, signed.record, effectiveAtMs, atMs);
    case 'destination':
      return applyDestination(state, signed.record, effectiveAtMs);
    case 'settlement':
      invariant('authorization' in signed && 'key_id' in signed.authorization, 'a settlement has a key');
      state.settlementSequence.set(signed.authorization.key_id, signed.record.sequence);
      for (const { customer, asset, amount } of signed.record.entries) move(state, customer, asset, BigInt(amount));
      return;
    case 'adjustment':
      return move(state, signed.record.customer, signed.record.asset, BigInt(signed.record.amount));
    case 'release':
      return applyRelease(state, signed.record);
    case 'deposit':
      invariant(body.amount !== null && body.code !== null, 'a deposit has an amount and an asset code');
      state.deposits.add(depositKey(signed.record));
      return move(state, signed.record.customer, body.code, BigInt(body.amount));
  }
}

function applyRelease(state: JournalState, record: ReleaseRecord): void {
  state.released.add(releaseKey(record));
  const place = claimableAt(record);
  if (place) state.decided.add(decidedKey(place, record.asset));
  if (record.decision === 'credit') move(state, record.customer, record.asset, BigInt(record.amount));
}

function applyCredential(state: JournalState, record: CredentialRecord, effectiveAtMs: number, atMs: number): void {
  addCharge(state, credentialChangesBudget, 1n, atMs);
  const { credential_id: id, customer, public_key: publicKey } = record;
  if (record.action === 'add') {
    state.credentials.set(id, { customer, publicKey, effectiveAtMs, removedAtMs: null });
    state.enrolled.add(customer);
    return;
  }
  const credential = state.credentials.get(id);
  invariant(credential, `credential ${id} is removed without having been added`);
  state.credentials.set(id, { ...credential, removedAtMs: atMs });
}

function applyDestination(state: JournalState, record: DestinationRecord, effectiveAtMs: number): void {
  const key = destinationKey(record.customer, record.network, record.address);
  if (record.action === 'add') state.destinations.set(key, { effectiveAtMs });
  else state.destinations.delete(key);
}

function move(state: JournalState, customer: string, code: string, amount: bigint): void {
  const position = positionKey(customer, code);
  state.positions.set(position, (state.positions.get(position) ?? 0n) + amount);
}
