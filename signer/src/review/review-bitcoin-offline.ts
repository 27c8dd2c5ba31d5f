import { parseBitcoinAddress } from '@holdfast/core/chains/bitcoin/address.ts';
import { inspectBitcoinTransaction, type InspectedTransaction } from '@holdfast/core/chains/bitcoin/inspect.ts';
import { bitcoinParams } from '@holdfast/core/chains/bitcoin/params.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { KeyPath } from '@holdfast/core/keys/derive-child.ts';
import type { BitcoinNetworkPolicy } from '@holdfast/core/policy/policy.ts';
import { checkIntents, type CheckedIntent } from '@holdfast/core/signing/check-intents.ts';
import type { ReviewedTransaction } from '@holdfast/core/signing/decide-acceptance.ts';
import { matchPayments } from '@holdfast/core/signing/match-payments.ts';
import { firstEpoch } from '@holdfast/core/signing/key-messages.ts';
import type { SignBitcoinRequest } from '@holdfast/core/signing/messages.ts';
import type { ReviewContext } from './review-context.ts';

/** An address of the wallet, of whichever kind. */
export interface OwnScript {
  /** Output script, hex. */
  readonly script: string;
  /** Most bytes of the witness that spends it; those of a key-path signature when left out. */
  readonly witnessBytes?: number;
}

/** This signer's own derivation of one wallet's addresses. */
export interface WalletScripts<A extends OwnScript> {
  /** Below the keys of the epoch that was asked for, where the wallet has epochs. */
  readonly derive: (path: KeyPath) => A;
  /** Most bytes of the witness of any address; those of a key-path signature when left out. */
  readonly witnessBytesMax?: number;
  /** The one script of its change, where it has one: no intent may pay there. */
  readonly changeScript?: string;
}

/** The scripts are of the keys that change is kept by: the request's epoch's, a sweep's later one's. */
export type BitcoinReviewContext = ReviewContext<BitcoinNetworkPolicy> & WalletScripts<OwnScript>;

/** What the bytes and the evidence say; which coins the inputs are, and so the fee, only a node knows. */
export interface OfflineBitcoinReview {
  readonly tx: InspectedTransaction;
  readonly reviewed: Omit<ReviewedTransaction, 'height' | 'fee'>;
}

/** BIP-125 replaceable, and BIP-68 relative lock times off. */
const replaceableSequence = 0xffff_fffd;

/**
 * Decides from the raw transaction and the policy, without a node, whether the transaction pays exactly the intents and
 * own change, or, in an evacuation, sealed cold addresses only, or, in a skim, those and own change, or, in a sweep, one own address of a later epoch, or, in a
 * consolidation, one own address of the same. A peer's reservation is judged by the same function.
 * @throws Failure with the reason of the refusal.
 */
export function reviewBitcoinOffline(request: SignBitcoinRequest, context: BitcoinReviewContext): OfflineBitcoinReview {
  const { network } = context;
  const tx = inspectBitcoinTransaction(request.raw_tx);
  checkForm(request, tx);
  const intents = checkBitcoinIntents(request, context);
  const evacuation = request.evacuation === true;
  // Moving coins from one own address to another costs a fee and pays nobody.
  const sweep = request.sweep !== undefined;
  const consolidation = request.consolidation === true;
  const skim = request.skim === true;
  if (!evacuation && !sweep && !consolidation && !skim && intents.length === 0)
    throw new Failure('payment-missing', 'the transaction pays no intent');
  if (evacuation) refuseUnsealed(request, tx, network);
  else if (skim) checkSkim(request, tx, changePlaces(request, tx, context), network);
  else if (consolidation) checkConsolidation(request, tx, changePlaces(request, tx, context), network);
  else if (sweep) checkSweep(request, tx, changePlaces(request, tx, context));
  else matchToIntents(intents, tx, changePlaces(request, tx, context), network);
  // A coin is spent once: of two transactions that spend it, one confirms.
  const conflictKeys = tx.inputs.map(({ txid, vout }) => `${txid}:${vout}`);
  return {
    tx,
    reviewed: {
      network: network.network,
      txid: tx.txid,
      conflictKeys,
      intents,
      evacuation,
      ...(skim && { skim: [network.asset] }),
    },
  };
}

function checkForm({ input_paths: paths }: SignBitcoinRequest, tx: InspectedTransaction): void {
  if (paths.length !== tx.inputs.length) {
    throw new Failure('input-not-ours', `${tx.inputs.length} inputs, ${paths.length} paths`);
  }
  if (tx.version !== 2) throw new Failure('transaction-malformed', `version ${tx.version}, not 2`);
  if (tx.inputs.some((input) => input.sequence !== replaceableSequence)) {
    throw new Failure('transaction-malformed', 'every input must signal that it can be replaced (sequence 0xfffffffd)');
  }
}

function checkBitcoinIntents(request: SignBitcoinRequest, context: BitcoinReviewContext): CheckedIntent[] {
  const { policy, network, state, verifiers, nowMs, changeScript } = context;
  const params = bitcoinParams(network.network);
  const own = new Set(coldScripts(network));
  if (changeScript !== undefined) own.add(changeScript);
  const parseDestination = (text: string): { address: string; isOwn: boolean } => {
    const { address, script } = parseBitcoinAddress(text, params);
    return { address, isOwn: own.has(script) || state.ownAddresses.has(`${network.network} ${address}`) };
  };
  return checkIntents(request.intents, { policy, network, state, verifiers, nowMs, parseDestination });
}

/** @returns places of the outputs that are own change. */
function changePlaces(
  request: SignBitcoinRequest,
  tx: InspectedTransaction,
  { derive }: BitcoinReviewContext,
): ReadonlySet<number> {
  const places = new Set<number>();
  for (const { output, index } of request.change) {
    const found = tx.outputs[output];
    if (!found || places.has(output))
      throw new Failure('change-not-ours', `there is no output ${output}, or it is named twice`);
    if (derive([1, index]).script !== found.script) {
      throw new Failure('change-not-ours', `output ${output} does not pay our change address ${index}`);
    }
    places.add(output);
  }
  return places;
}

/**
 * Coins of an earlier epoch go to one own address of a later one, and nowhere else. It needs nobody's evidence: nobody gets
 * anything, and each coin is swept once. @throws Failure sweep-refused.
 */
function checkSweep(request: SignBitcoinRequest, tx: InspectedTransaction, own: ReadonlySet<number>): void {
  const { epoch = firstEpoch, sweep = firstEpoch } = request;
  if (sweep <= epoch) throw new Failure('sweep-refused', `epoch ${sweep} does not follow epoch ${epoch}`);
  if (request.intents.length > 0) throw new Failure('sweep-refused', 'a sweep carries no intents');
  if (tx.outputs.length !== 1 || own.size !== 1)
    throw new Failure('sweep-refused', `${own.size} of ${tx.outputs.length} outputs are ours, not the only one`);
}

/**
 * Many coins become one at an own address. It needs nobody's evidence: nobody gets anything, and each time at least
 * `inputs_min` coins are gone, so it cannot be repeated without end. Its rate is checked with the fee.
 * @throws Failure consolidation-refused.
 */
function checkConsolidation(
  { intents, sweep }: SignBitcoinRequest,
  tx: InspectedTransaction,
  own: ReadonlySet<number>,
  { network, consolidation: rule }: BitcoinNetworkPolicy,
): void {
  const refuse = (message: string): never => {
    throw new Failure('consolidation-refused', message);
  };
  if (!rule) return refuse(`the policy has no consolidation on ${network}`);
  if (intents.length > 0 || sweep !== undefined) refuse('a consolidation carries no intents and is no sweep');
  if (tx.outputs.length !== 1 || own.size !== 1)
    refuse(`${own.size} of ${tx.outputs.length} outputs are ours, not the only one`);
  if (tx.inputs.length < rule.inputs_min)
    refuse(`${tx.inputs.length} coins become one, ${rule.inputs_min} are the least`);
}

/**
 * One output goes to a sealed cold address, the others are own change. It needs nobody's evidence, for nobody gets anything;
 * how often it may be and what it may cost is bounded by budgets of its own. @throws Failure skim-refused.
 */
function checkSkim(
  { intents, sweep, consolidation }: SignBitcoinRequest,
  tx: InspectedTransaction,
  own: ReadonlySet<number>,
  network: BitcoinNetworkPolicy,
): void {
  const refuse = (message: string): never => {
    throw new Failure('skim-refused', message);
  };
  const { hot: rule, network: name } = network;
  if (!rule) return refuse(`the policy has no rule for skims on ${name}`);
  if (intents.length > 0 || sweep !== undefined || consolidation === true)
    refuse('a skim carries no intents, and is neither sweep nor consolidation');
  if (own.size > 1 || tx.outputs.length !== own.size + 1)
    refuse(`${tx.outputs.length} outputs, ${own.size} of them ours: a skim has one to cold and at most one change`);
  const cold = coldScripts(network);
  tx.outputs.forEach(({ script, amountSats }, at) => {
    if (own.has(at)) return;
    if (!cold.has(script)) refuse(`output ${at} pays no sealed cold address of the policy`);
    if (amountSats < BigInt(rule.skim_min)) refuse(`${amountSats} sats are skimmed, ${rule.skim_min} are the least`);
  });
}

function coldScripts({ network, cold_addresses: addresses }: BitcoinNetworkPolicy): ReadonlySet<string> {
  const params = bitcoinParams(network);
  return new Set(addresses.map((address) => parseBitcoinAddress(address, params).script));
}

function matchToIntents(
  intents: readonly CheckedIntent[],
  tx: InspectedTransaction,
  change: ReadonlySet<number>,
  network: BitcoinNetworkPolicy,
): void {
  const params = bitcoinParams(network.network);
  matchPayments(
    intents.map(({ asset, destination, amount }) => ({
      asset,
      target: parseBitcoinAddress(destination, params).script,
      amount,
    })),
    tx.outputs.flatMap(({ script, amountSats }, at) =>
      change.has(at) ? [] : [{ asset: network.asset, target: script, amount: amountSats }],
    ),
  );
}

function refuseUnsealed(
  { intents, change, sweep, consolidation, skim }: SignBitcoinRequest,
  tx: InspectedTransaction,
  network: BitcoinNetworkPolicy,
): void {
  if (intents.length > 0 || change.length > 0 || sweep !== undefined || consolidation === true || skim === true) {
    throw new Failure('evacuation-refused', 'an evacuation carries no intents and leaves no change');
  }
  const cold = coldScripts(network);
  const open = tx.outputs.findIndex(({ script }) => !cold.has(script));
  if (open !== -1) throw new Failure('evacuation-refused', `output ${open} pays no sealed cold address of the policy`);
}
