import { Failure } from '@holdfast/core/failure.ts';
import type { ReviewedTransaction } from '@holdfast/core/signing/decide-acceptance.ts';
import type { MeshRequest, MeshResponse, SigningRequest } from '@holdfast/core/signing/messages.ts';
import { refuseHalted } from '@holdfast/core/signing/refuse-halted.ts';
import { isUsedUp } from '@holdfast/core/signing/rolling-charges.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import type { Journal } from '../journal/journal.ts';
import { identifyRequest } from '../review/identify-request.ts';
import { acceptReviewed } from '../wallets/accept-reviewed.ts';
import { beginSigning, type Judgement, type WalletDeps } from '../wallets/wallet.ts';

/** The review of any request, by the wallet of its network. @throws Failure with the reason of the refusal. */
export type JudgeRequest = (request: SigningRequest, by: Judgement) => Promise<ReviewedTransaction>;

/**
 * Answers a peer that wants to sign: judges its request by this signer's own policy copy and history, charges this
 * signer's own limits, binds the intents, and countersigns the end of the peer's journal.
 * @returns a function that throws Failure with the reason of the refusal.
 */
export function createReservationDesk(
  deps: WalletDeps & {
    readonly judge: JudgeRequest;
    /** @throws Failure when the peer has another policy or ceremony, or runs a build that may not sign. */
    readonly assertPeer: (signer: string) => Promise<void>;
    /** Takes over what the peer's journal has up to a record, if that does not take long. */
    readonly copyJournal: (signer: string, seq: number) => Promise<void>;
  },
): (peer: string, body: MeshRequest<'/v1/mesh/reserve'>) => Promise<MeshResponse<'/v1/mesh/reserve'>> {
  const { journal } = deps;
  return async (peer, { request, txid, head }) => {
    const judgement = beginReserving(deps);
    refuseEarlierHead(journal, peer, head);
    await deps.assertPeer(peer);
    const named = identifyRequest(request, judgement.policy);
    if (named.txid !== txid)
      throw new Failure('reservation-refused', `the request is of ${named.txid}, not of ${txid}`);
    if (isAccepted(journal, request, named)) {
      // Judged before; a halt counts all the same.
      refuseHaltedRequest(journal, request);
    } else {
      await bind(deps, peer, request, judgement).catch((error: unknown) => {
        throw asAway(deps, error, judgement.nowMs);
      });
    }
    const countersignature = await countersignInTurn(deps, peer, head);
    return { countersignature };
  };
}

/** A signer that would not sign itself is away, not against it: as if it were stopped, the degraded limit is what may leave. */
function beginReserving(deps: WalletDeps): Judgement {
  try {
    return beginSigning(deps);
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
    throw new Failure('signers-unavailable', `${deps.signer} signs nothing: ${cause.message}`, { cause });
  }
}

/** Limits that only count as used up are not against the payment either: the others go on as if this signer were stopped. */
function asAway({ signer, journal }: WalletDeps, cause: unknown, nowMs: number): unknown {
  if (!(cause instanceof Failure) || cause.code !== 'limit-exceeded' || !isUsedUp(journal.state, nowMs)) return cause;
  return new Failure('signers-unavailable', `${signer}: ${cause.message}`, { cause });
}

async function bind(
  deps: WalletDeps & { readonly judge: JudgeRequest },
  peer: string,
  request: SigningRequest,
  judgement: Judgement,
): Promise<void> {
  const { policy } = judgement;
  const reviewed = await deps.judge(request, judgement);
  const network = policy.networks.find((one) => one.network === reviewed.network);
  if (!network) throw new Failure('unknown-network', `the policy has no network ${reviewed.network}`);
  await acceptReviewed(deps, { request, reviewed, policy, network, by: peer });
}

/**
 * Countersigned is what the peer cannot go back behind, and a copy is what it comes back with. Two disks and a network are slow beside a
 * payment, so the copy follows; until it is here, nothing more is countersigned.
 */
export async function countersignInTurn(
  deps: Pick<WalletDeps, 'journal' | 'statement'> & {
    readonly copyJournal: (signer: string, seq: number) => Promise<void>;
  },
  signer: string,
  head: MeshRequest<'/v1/mesh/reserve'>['head'],
): Promise<string> {
  await deps.copyJournal(signer, deps.journal.state.countersigned.get(signer)?.seq ?? 0);
  const countersignature = await countersign(deps, signer, head);
  void deps.copyJournal(signer, head.seq);
  return countersignature;
}

async function countersign(
  { journal, statement }: Pick<WalletDeps, 'journal' | 'statement'>,
  signer: string,
  head: MeshRequest<'/v1/mesh/reserve'>['head'],
): Promise<string> {
  refuseEarlierHead(journal, signer, head);
  const isNew = head.seq > (journal.state.countersigned.get(signer)?.seq ?? -1);
  await (isNew ? journal.append({ kind: 'countersigned', body: { signer, ...head } }) : journal.flushed());
  return statement.sign(statementDigest('head', { version: 1, signer, head }));
}

/** @throws Failure journal-behind: the peer's journal was set back, or it shows different ones. */
function refuseEarlierHead(
  journal: Journal,
  peer: string,
  { seq, hash }: MeshRequest<'/v1/mesh/reserve'>['head'],
): void {
  const last = journal.state.countersigned.get(peer);
  if (!last || seq > last.seq || (seq === last.seq && hash === last.hash)) return;
  throw new Failure('journal-behind', `${peer} shows record ${seq} as its last; ${last.seq} was countersigned before`);
}

/**
 * The same bytes for the same intents: their evidence has passed already. Without intents nothing tells an evacuation from
 * what is none, so that is always judged again; and so is what was taken over beyond this signer's rules.
 */
function isAccepted(
  { state }: Journal,
  request: SigningRequest,
  { txid, digests }: { readonly txid: string; readonly digests: readonly string[] },
): boolean {
  const same = state.transactions.get(`${request.body.network} ${txid}`);
  if (!same || same.beyondRules || digests.length === 0 || digests.length !== same.digests.size) return false;
  return request.body.evacuation !== true && digests.every((one) => same.digests.has(one));
}

function refuseHaltedRequest({ state }: Journal, { body }: SigningRequest): void {
  refuseHalted(
    state,
    body.network,
    body.intents.map(({ intent }) => intent.asset),
  );
}
