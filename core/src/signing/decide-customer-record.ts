import { bytesToHex } from '@noble/hashes/utils.js';
import { Failure } from '../failure.ts';
import type { Policy } from '../policy/policy.ts';
import { checkAdjustment } from './check-adjustment.ts';
import { checkCredentialRecord } from './check-credential-record.ts';
import { checkDepositClaim } from './check-deposit-claim.ts';
import { checkRelease } from './check-release.ts';
import { checkDestinationRecord } from './check-destination-record.ts';
import { checkSettlement } from './check-settlement.ts';
import type { CustomerRecord } from './customer-record.ts';
import { customerRecordDigestBytes } from './customer-record-digest.ts';
import { isAssertion } from './evidence.ts';
import type { EntryOf } from './journal-record.ts';
import type { JournalState } from './journal-state.ts';
import type { Verifiers } from './verifiers.ts';

/** What a record about customers is judged by. */
export interface RecordRules {
  /** In force now. */
  readonly policy: Policy;
  readonly verifiers: Verifiers;
  /** The time that the entry is journalled with. */
  readonly nowMs: number;
  /** Of a deposit: what this signer's own nodes prove, base units. */
  readonly provenAmount?: bigint;
}

/**
 * Whether a signer believes what it is told about customers.
 * @returns the entry to journal, or null for what counts already.
 * @throws Failure authorization-invalid, credential-unknown, credential-conflict, limit-exceeded (too many changes of
 * credentials), destination-not-approved, unknown-network, unknown-asset, settlement-invalid, approval-invalid,
 * approval-missing, already-released, deposit-unproven, address-index-taken.
 */
export function decideCustomerRecord(
  state: JournalState,
  signed: CustomerRecord,
  rules: RecordRules,
): EntryOf<'customer-record'> | null {
  const digestBytes = customerRecordDigestBytes(signed);
  const digest = bytesToHex(digestBytes);
  if (state.records.has(digest)) return null;
  const judged = judge(state, signed, digestBytes, rules);
  if (judged === null) return null;
  const { effectiveAtMs = 0, deposit } = judged;
  const amount = deposit ? deposit.amount.toString() : null;
  const code = deposit ? deposit.code : null;
  return { kind: 'customer-record', body: { digest, signed, effective_at_ms: effectiveAtMs, amount, code } };
}

interface Judgement {
  readonly effectiveAtMs?: number;
  readonly deposit?: { readonly amount: bigint; readonly code: string };
}

function judge(state: JournalState, signed: CustomerRecord, digest: Uint8Array, rules: RecordRules): Judgement | null {
  if ('approvals' in signed) {
    checkAdjustment(signed.record, signed.approvals, digest, rules);
    if (signed.record.kind === 'release') checkRelease(state, signed.record, rules.policy);
    return {};
  }
  if (!('authorization' in signed)) {
    const claim = checkDepositClaim(state, signed.record, rules.policy);
    if (claim === null) return null;
    const amount = rules.provenAmount ?? 0n;
    if (amount <= 0n) {
      throw new Failure('deposit-unproven', `nothing is proven to have reached ${signed.record.address}`);
    }
    return { deposit: { amount, code: claim.code } };
  }
  const { record, authorization } = signed;
  switch (record.kind) {
    case 'credential':
      return { effectiveAtMs: checkCredentialRecord(state, record, authorization, digest, rules) };
    case 'destination':
      return { effectiveAtMs: checkDestinationRecord(state, record, authorization, digest, rules) };
    case 'settlement':
      if (isAssertion(authorization)) throw new Failure('settlement-invalid', 'an engine signs with its key');
      checkSettlement(state, record, authorization, digest, rules);
      return {};
  }
}
