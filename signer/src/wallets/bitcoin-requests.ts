import { vsizeOf } from '@holdfast/core/chains/bitcoin/sighash.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { BitcoinNetworkPolicy } from '@holdfast/core/policy/policy.ts';
import type { ReviewedTransaction } from '@holdfast/core/signing/decide-acceptance.ts';
import { firstEpoch } from '@holdfast/core/signing/key-messages.ts';
import type { SignBitcoinRequest } from '@holdfast/core/signing/messages.ts';
import { assertEnoughNodes } from '../nodes/assert-enough-nodes.ts';
import { readBitcoinAmounts, readBitcoinFacts } from '../nodes/bitcoin-node.ts';
import { findDeadBitcoinTransactions } from '../nodes/dead-bitcoin-transactions.ts';
import type { SendRpc } from '../nodes/json-rpc.ts';
import { bitcoinFeeBound } from '../review/check-bitcoin-fee.ts';
import { feeSatsOf, reviewBitcoin, type SpentInput } from '../review/review-bitcoin.ts';
import {
  reviewBitcoinOffline,
  type OfflineBitcoinReview,
  type OwnScript,
  type WalletScripts,
} from '../review/review-bitcoin-offline.ts';
import { bitcoinPolicyOf } from '../review/review-context.ts';
import { refuseStopped } from './accept-reviewed.ts';
import { buryDead } from './bury-dead.ts';
import { reserveTogether, type Permit } from './reserve-together.ts';
import { assertBlockTime, beginSigning, type Judgement, type WalletDeps } from './wallet.ts';

/** What comes before a signature, whatever the keys are. */
export interface BitcoinRequests<A extends OwnScript> {
  /**
   * Reviews a request, binds it at the peers and journals it: on return this signer may sign.
   * @throws Failure with the reason of the refusal.
   */
  readonly accept: (request: SignBitcoinRequest) => Promise<AcceptedRequest<A>>;
  /**
   * The review of a request that another signer wants to sign, without demanding an answer of a node.
   * @throws Failure with the reason of the refusal.
   */
  readonly judge: (request: SignBitcoinRequest, by: Judgement) => Promise<ReviewedTransaction>;
}

export interface AcceptedRequest<A extends OwnScript> {
  readonly permit: Permit;
  /** By which it was judged. */
  readonly network: BitcoinNetworkPolicy;
  readonly tx: OfflineBitcoinReview['tx'];
  readonly inputs: readonly SpentInput<A>[];
}

/** Of the addresses that customers pay to. */
export const depositBranch = 0;
export const changeBranch = 1;
/** A peer waits for the answer: nodes that are slower leave the fee unknown. */
const feeLookupMs = 700;

/** What the pipeline asks of the wallet, of whichever kind. */
export interface RequestedWallet<A extends OwnScript> {
  /**
   * This signer's own addresses by a policy, of the first epoch when it is left out.
   * @throws Failure where the policy has no wallet of this kind, or the wallet no such epoch.
   */
  readonly scriptsOf: (network: BitcoinNetworkPolicy, epoch?: number) => WalletScripts<A>;
  /** The only epoch whose keys payments are signed with. @throws Failure key-missing. */
  readonly newestEpoch: () => number;
}

export function bitcoinRequests<A extends OwnScript>(
  name: string,
  { scriptsOf, newestEpoch }: RequestedWallet<A>,
  endpoints: readonly SendRpc[],
  deps: WalletDeps,
): BitcoinRequests<A> {
  const { journal, verifiers } = deps;
  const feeOf = feeLookups();

  const offline = (request: SignBitcoinRequest, { policy, nowMs }: Judgement): OfflineBitcoinReview => {
    const network = bitcoinPolicyOf(policy, name);
    const scripts = scriptsOf(network, request.sweep ?? request.epoch);
    return reviewBitcoinOffline(request, { policy, network, state: journal.state, verifiers, nowMs, ...scripts });
  };

  const bury = async (reviewed: OfflineBitcoinReview['reviewed'], network: BitcoinNetworkPolicy): Promise<void> =>
    buryDead(journal, reviewed, network, endpoints.length, async (earlier) =>
      findDeadBitcoinTransactions(endpoints, journal.state, earlier, network.finality_blocks),
    );

  const judge: BitcoinRequests<A>['judge'] = async (request, by) => {
    const network = bitcoinPolicyOf(by.policy, name);
    if (by.isFact !== true) refuseOldKeys(request, newestEpoch());
    const { tx, reviewed } = offline(request, by);
    // Already charged, for itself or for another peer; the transaction's id stands for its coins and outputs.
    const charged = journal.state.transactions.get(`${name} ${reviewed.txid}`)?.fee;
    if (charged !== undefined) return { ...reviewed, height: deps.watchedHeight(name), fee: charged };
    const { witnessBytesMax: witnessBytes } = scriptsOf(network, request.epoch);
    const vsize = vsizeOf(
      request.raw_tx,
      request.input_paths.map(() => ({ witnessBytes })),
    );
    const bound = bitcoinFeeBound({ vsize, evacuation: reviewed.evacuation }, network);
    await bury(reviewed, network);
    const fee = (await feeOf(reviewed.txid, async () => lookUpFee(endpoints, network, tx))) ?? bound;
    return { ...reviewed, height: deps.watchedHeight(name), fee };
  };

  const accept: BitcoinRequests<A>['accept'] = async (request) => {
    const judgement = beginSigning(deps);
    const { policy, nowMs } = judgement;
    const network = bitcoinPolicyOf(policy, name);
    const { derive } = scriptsOf(network, request.epoch);
    const decoded = offline(request, judgement);
    const same = journal.state.transactions.get(`${name} ${decoded.reviewed.txid}`);
    // What was accepted before the newer keys were there may have been signed by others already.
    if (!same || same.beyondRules) refuseOldKeys(request, newestEpoch());
    refuseStopped(journal, { ...decoded.reviewed, height: 0, fee: 0n });
    assertEnoughNodes(endpoints, network);
    const facts = await readBitcoinFacts(endpoints, network, decoded.tx.inputs);
    assertBlockTime(facts.blockTimeMs, nowMs, network);
    const { reviewed, inputs } = reviewBitcoin(request, decoded, { network, facts, derive });
    await bury(reviewed, network);
    const signing = { family: 'bitcoin', body: request } as const;
    const permit = await reserveTogether(deps, { request: signing, reviewed, policy, network });
    return { permit, network, tx: decoded.tx, inputs };
  };
  return { accept, judge };
}

/** By what the payment's change, or the sweep, is kept. Old shares move coins to the newest keys and to cold only, so that a thief of them gets nothing past the signers. */
function refuseOldKeys(request: SignBitcoinRequest, newest: number): void {
  if (request.evacuation !== true)
    refuseSuperseded(request.network, request.sweep ?? request.epoch ?? firstEpoch, newest);
}

/** @throws Failure key-superseded. */
export function refuseSuperseded(name: string, epoch: number, newest: number): void {
  if (epoch >= newest) return;
  throw new Failure('key-superseded', `keys of epoch ${epoch} of ${name} are superseded by those of epoch ${newest}`);
}

/** Both signers of a transaction ask for its reservation at about the same time: one look serves them. */
function feeLookups() {
  const underWay = new Map<string, Promise<bigint | null>>();
  return async (txid: string, look: () => Promise<bigint | null>): Promise<bigint | null> => {
    const found = underWay.get(txid) ?? look().finally(() => underWay.delete(txid));
    underWay.set(txid, found);
    return found;
  };
}

/** The fee as this signer's own nodes know it; null when they do not know the coins or do not answer in time. */
async function lookUpFee(
  endpoints: readonly SendRpc[],
  network: BitcoinNetworkPolicy,
  tx: OfflineBitcoinReview['tx'],
): Promise<bigint | null> {
  const late = new Promise<null>((resolve) => setTimeout(() => resolve(null), feeLookupMs).unref());
  const asked = readBitcoinAmounts(endpoints, network, tx.inputs).then(
    (amounts) => {
      const known = amounts.flatMap((amountSats) => amountSats ?? []);
      return known.length === tx.inputs.length ? feeSatsOf(tx, known) : null;
    },
    () => null,
  );
  return Promise.race([asked, late]);
}
