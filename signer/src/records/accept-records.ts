import { errorRow } from '@holdfast/core/contract/error-codes.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { networkOf } from '@holdfast/core/policy/network-of.ts';
import type { NetworkPolicy } from '@holdfast/core/policy/policy.ts';
import { customerRecordDigest } from '@holdfast/core/signing/customer-record-digest.ts';
import { checkDepositClaim } from '@holdfast/core/signing/check-deposit-claim.ts';
import type { CustomerRecord, DepositClaim } from '@holdfast/core/signing/customer-record.ts';
import { destinationKey } from '@holdfast/core/signing/destination-key.ts';
import { decideCustomerRecord } from '@holdfast/core/signing/decide-customer-record.ts';
import type { JournalState } from '@holdfast/core/signing/journal-state.ts';
import type { SignerResponse } from '@holdfast/core/signing/messages.ts';
import type { Verifiers } from '@holdfast/core/signing/verifiers.ts';
import type { HaltDesk } from '../halts/halt-desk.ts';
import { errorName, log } from '../log.ts';
import { allNetworks, type refusalRecorder, type WalletDeps } from '../wallets/wallet.ts';
import type { PolicyStore } from '../policy/policy-store.ts';

export interface RecordDeps extends Pick<WalletDeps, 'journal' | 'agreedNowMs'> {
  readonly policies: PolicyStore;
  readonly verifiers: Verifiers;
  readonly halts: Pick<HaltDesk, 'haltSelf'>;
  readonly recorded: ReturnType<typeof refusalRecorder>;
  /**
   * What this signer's own nodes prove of a deposit, base units; 0n when its block is final and nothing came in.
   * @throws Failure deposit-unproven, node-*, nodes-too-few.
   */
  readonly proveDeposit: (claim: DepositClaim, network: NetworkPolicy) => Promise<bigint>;
}

type Result = SignerResponse<'/v1/records'>['results'][number];
/** Of a deposit that was not known before: what was proven, or why not. */
type Proof = { readonly amount: bigint } | { readonly problem: unknown } | null;

/** Proofs that ask the nodes at a time. */
const proofsMax = 8;

/**
 * Judges each record alone, in the order given; what is accepted is on the disk on return. A record that is known is
 * accepted again. `later` are those that may pass when they come again.
 */
export async function acceptRecords(deps: RecordDeps, records: readonly CustomerRecord[]): Promise<Result[]> {
  const proofs = await proveAll(deps, records);
  // Decided one after the other, written together: the entries share a flush.
  return Promise.all(records.map(async (signed, at) => accept(deps, signed, proofs[at] ?? null)));
}

async function accept(deps: RecordDeps, signed: CustomerRecord, proof: Proof): Promise<Result> {
  const network = 'network' in signed.record ? signed.record.network : allNetworks;
  try {
    if (proof && 'problem' in proof) throw proof.problem;
    if (proof?.amount === 0n && signed.record.kind === 'deposit') return await refuseFalseCredit(deps, signed.record);
    return await decide(deps, signed, proof);
  } catch (error) {
    const result = refusalOf(error, isAhead(deps.journal.state, signed));
    if (result.state !== 'refused' || !(error instanceof Failure)) return result;
    // A refusal for good is part of the audit log; what may pass later would fill it.
    await deps
      .recorded(
        network,
        () => [customerRecordDigest(signed)],
        () => Promise.reject(error),
      )
      .catch(() => undefined);
    return result;
  }
}

/**
 * Runs up to the append without waiting: nothing that it read can have changed.
 * @throws Failure clock-behind: a delay is not to start by a clock that the peers do not share.
 */
async function decide(
  { journal, policies, verifiers, agreedNowMs }: RecordDeps,
  signed: CustomerRecord,
  proof: { readonly amount: bigint } | null,
): Promise<Result> {
  journal.assertUsable();
  agreedNowMs();
  const nowMs = journal.nowMs();
  const entry = decideCustomerRecord(journal.state, signed, {
    policy: policies.current(nowMs),
    verifiers,
    nowMs,
    ...(proof && { provenAmount: proof.amount }),
  });
  const effectiveAtMs = entry ? entry.body.effective_at_ms : knownEffectiveAtMs(journal.state, signed);
  await (entry ? journal.append(entry, nowMs) : journal.flushed());
  return { state: 'accepted', effective_at_ms: effectiveAtMs };
}

/** Somebody credits what never came: one signer that saw it stops the network for all. */
async function refuseFalseCredit({ halts }: RecordDeps, claim: DepositClaim): Promise<Result> {
  const { network, address, block_height: height } = claim;
  await halts.haltSelf({ network, asset: null }, `false credit: nothing came to ${address} in block ${height}`);
  const message = `nothing came to ${address} in block ${height}; ${network} is halted`;
  // Not `later`: a block that is final says the same for ever.
  return { state: 'refused', code: 'deposit-unproven', message };
}

async function proveAll(deps: RecordDeps, records: readonly CustomerRecord[]): Promise<Proof[]> {
  const proofs: Proof[] = records.map(() => null);
  const work = records.entries();
  const worker = async (): Promise<void> => {
    for (const [at, signed] of work) proofs[at] = await prove(deps, signed);
  };
  await Promise.all(Array.from({ length: Math.min(proofsMax, records.length) }, worker));
  return proofs;
}

/** Only of a claim that could count: nodes are not asked about what the journal already refuses or knows. */
async function prove({ journal, policies, proveDeposit }: RecordDeps, signed: CustomerRecord): Promise<Proof> {
  if (signed.record.kind !== 'deposit') return null;
  const claim = signed.record;
  try {
    const policy = policies.current(journal.nowMs());
    if (checkDepositClaim(journal.state, claim, policy) === null) return null;
    return { amount: await proveDeposit(claim, networkOf(policy, claim.network)) };
  } catch (problem) {
    return { problem };
  }
}

function knownEffectiveAtMs(state: JournalState, { record }: CustomerRecord): number {
  // Removals count at once, like all that is not about credentials and destinations.
  if (!('action' in record) || record.action === 'remove') return 0;
  if (record.kind === 'credential') return state.credentials.get(record.credential_id)?.effectiveAtMs ?? 0;
  return state.destinations.get(destinationKey(record.customer, record.network, record.address))?.effectiveAtMs ?? 0;
}

/** A batch of trades that overtook the one before it may pass once that has come. */
function isAhead(state: JournalState, signed: CustomerRecord): boolean {
  if (signed.record.kind !== 'settlement' || !('authorization' in signed) || !('key_id' in signed.authorization))
    return false;
  return signed.record.sequence > (state.settlementSequence.get(signed.authorization.key_id) ?? 0) + 1;
}

function refusalOf(error: unknown, mayPassLater: boolean): Result {
  if (!(error instanceof Failure)) {
    log('internal', { path: '/v1/records', error: errorName(error) });
    return { state: 'later', code: 'internal', message: 'internal error' };
  }
  const { code, message } = error;
  return { state: mayPassLater || errorRow(code).retryable ? 'later' : 'refused', code, message };
}
