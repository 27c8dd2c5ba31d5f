import { hexToBytes } from '@noble/hashes/utils.js';
import type { ErrorCode } from '@holdfast/core/contract/error-codes.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { MeshRequest, MeshResponse, SigningRequest } from '@holdfast/core/signing/messages.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import type { Verifiers } from '@holdfast/core/signing/verifiers.ts';
import type { HaltDesk } from '../halts/halt-desk.ts';
import type { Journal } from '../journal/journal.ts';
import { log } from '../log.ts';
import { factsPolicy } from '../review/facts-policy.ts';
import { acceptReviewed } from '../wallets/accept-reviewed.ts';
import type { Judgement, WalletDeps } from '../wallets/wallet.ts';
import type { JudgeRequest } from './reservation-desk.ts';

type Transcript = MeshResponse<'/v1/mesh/transcripts'>['transcripts'][number];
type Signed = MeshRequest<'/v1/mesh/signed'>;

export interface LearnerDeps extends Pick<
  WalletDeps,
  'journal' | 'transcripts' | 'policies' | 'verifiers' | 'agreedNowMs'
> {
  readonly judge: JudgeRequest;
  /** Statement keys of all signers by id, this one's too: a peer also passes on what others have said. */
  readonly statementKeys: ReadonlyMap<string, string>;
  readonly halts: Pick<HaltDesk, 'haltUnexplained'>;
}

/** What this signer lacks, or what may pass: the same transcript is looked at again. */
const laterCodes: ReadonlySet<ErrorCode> = new Set([
  'credential-unknown',
  'destination-not-approved',
  'destination-immature',
  'authorization-invalid',
  'position-exceeded',
  'key-missing',
  'unknown-network',
  'unknown-asset',
  'policy-missing',
  'clock-behind',
  'halted',
  'journal-broken',
] satisfies ErrorCode[]);

/**
 * Takes over what a peer has accepted. Its evidence is verified as for a reservation, but limits and delays do not refuse
 * it: what others may have signed is a fact that counts towards this signer's own limits.
 * @returns 'later' when this signer lacks something to verify it.
 */
export async function learnTranscript(
  deps: LearnerDeps,
  peer: string,
  transcript: Transcript,
): Promise<'taken' | 'later' | 'unverifiable'> {
  const { request, txid } = transcript;
  const signed = transcript.signed.filter((one) => isAbout(one, request, txid) && holds(deps, one));
  if (!deps.journal.state.transactions.has(`${request.body.network} ${txid}`)) {
    try {
      await acceptFact(deps, peer, request, txid);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (laterCodes.has(error.code)) return 'later';
      // What nobody has signed is only an attempt: each signer may have bound the intent to another transaction.
      if (signed.length === 0) log('transcript-not-taken', { peer, txid, code: error.code });
      else {
        log('alarm', { alarm: 'transcript-unverifiable', peer, txid, code: error.code });
        await haltOver(deps, peer, txid);
      }
      return 'unverifiable';
    }
  }
  for (const one of signed) await journalStatement(deps.journal, one);
  return 'taken';
}

/** Somebody has signed what cannot be verified: everything stops until people have looked. */
export async function haltOver({ halts }: Pick<LearnerDeps, 'halts'>, peer: string, txid: string): Promise<void> {
  await halts.haltUnexplained(`unverifiable transcript ${txid} of ${peer}`);
}

/** Journals that a signer has let a signature out, once. */
export async function journalStatement(journal: Journal, { statement, signature }: Signed): Promise<void> {
  const known = journal.state.signed.get(`${statement.network} ${statement.txid}`) ?? [];
  if (known.some((one) => one.statement.signer === statement.signer)) return;
  await journal.append({ kind: 'signed', body: { statement, signature } });
}

/** Whether a signer of the ceremony has made the statement. */
export function holds(
  { statementKeys, verifiers }: { readonly statementKeys: ReadonlyMap<string, string>; readonly verifiers: Verifiers },
  { statement, signature }: Signed,
): boolean {
  const key = statementKeys.get(statement.signer);
  return key !== undefined && verifiers.ed25519(hexToBytes(key), statementDigest('signed', statement), signature);
}

function isAbout({ statement }: Signed, request: SigningRequest, txid: string): boolean {
  return statement.network === request.body.network && statement.txid === txid;
}

async function acceptFact(deps: LearnerDeps, peer: string, request: SigningRequest, txid: string): Promise<void> {
  const nowMs = deps.agreedNowMs();
  const policy = deps.policies.current(nowMs);
  try {
    await take(deps, peer, request, txid, { policy, nowMs, beyondRules: false });
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    await take(deps, peer, request, txid, { policy: factsPolicy(policy), nowMs, isFact: true, beyondRules: true });
    log('transcript-beyond-rules', { peer, txid, code: error.code });
  }
}

async function take(
  deps: LearnerDeps,
  by: string,
  request: SigningRequest,
  txid: string,
  judgement: Judgement & { readonly beyondRules: boolean },
): Promise<void> {
  const { policy, nowMs } = judgement;
  const reviewed = await deps.judge(request, judgement);
  if (reviewed.txid !== txid)
    throw new Failure('payment-mismatch', `the request is of ${reviewed.txid}, not of ${txid}`);
  const network = policy.networks.find((one) => one.network === reviewed.network);
  if (!network) throw new Failure('unknown-network', `the policy has no network ${reviewed.network}`);
  // It was signed before its intents expired, whenever this signer hears of it.
  const atMs = Math.min(...reviewed.intents.map((intent) => intent.expiresAtMs - 1), nowMs);
  // Nor does this signer sign for it what has expired in the meantime.
  const beyondRules = judgement.beyondRules || atMs < nowMs;
  await acceptReviewed(deps, { request, reviewed, policy, network, by }, { atMs, evenWhenHalted: true, beyondRules });
}
