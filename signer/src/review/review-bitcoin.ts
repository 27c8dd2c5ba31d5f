import { type Prevout, vsizeOf } from '@holdfast/core/chains/bitcoin/sighash.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { BitcoinNetworkPolicy } from '@holdfast/core/policy/policy.ts';
import type { ReviewedTransaction } from '@holdfast/core/signing/decide-acceptance.ts';
import type { SignBitcoinRequest } from '@holdfast/core/signing/messages.ts';
import type { BitcoinFacts, ChainCoin } from '../nodes/bitcoin-node.ts';
import { checkBitcoinFee, checkConsolidationFee } from './check-bitcoin-fee.ts';
import type { OfflineBitcoinReview, OwnScript, WalletScripts } from './review-bitcoin-offline.ts';

/** A coin that this signer has proven, and the address of ours that it is at. */
export interface SpentInput<A extends OwnScript> {
  readonly coin: Prevout;
  readonly address: A;
}

export interface BitcoinReview<A extends OwnScript> {
  readonly reviewed: ReviewedTransaction;
  /** In the order of the transaction's inputs. */
  readonly inputs: readonly SpentInput<A>[];
}

interface Context<A extends OwnScript> {
  readonly network: BitcoinNetworkPolicy;
  /** What this signer's own nodes say about the inputs. */
  readonly facts: BitcoinFacts;
  readonly derive: WalletScripts<A>['derive'];
}

/** Consensus: a coinbase output is spent 100 blocks later at the earliest. */
const coinbaseMaturity = 100;

/**
 * The part of the review that takes this signer's own nodes: the inputs are confirmed coins of the wallet, and what is
 * left of them is a bounded fee. History and limits come after: `decideAcceptance`.
 * @param offline what `reviewBitcoinOffline` gave.
 * @throws Failure with the reason of the refusal.
 */
export function reviewBitcoin<A extends OwnScript>(
  request: SignBitcoinRequest,
  { tx, reviewed }: OfflineBitcoinReview,
  context: Context<A>,
): BitcoinReview<A> {
  const { network, facts } = context;
  // Above the tip it would wait, and above 500,000,000 it would be a time.
  if (tx.lockTime > facts.height)
    throw new Failure('transaction-malformed', `lock time ${tx.lockTime} is above block ${facts.height}`);
  const inputs = checkInputs(request, context);
  const feeSats = feeSatsOf(
    tx,
    inputs.map(({ coin }) => coin.amountSats),
  );
  const vsize = vsizeOf(
    request.raw_tx,
    inputs.map(({ address }) => address),
  );
  checkBitcoinFee({ feeSats, vsize, evacuation: reviewed.evacuation }, network, facts);
  if (request.consolidation === true) checkConsolidationFee({ feeSats, vsize }, network);
  return { reviewed: { ...reviewed, height: facts.height, fee: feeSats }, inputs };
}

/** What the inputs carry beyond the outputs, satoshis. @throws Failure transaction-malformed. */
export function feeSatsOf(tx: OfflineBitcoinReview['tx'], amountsSats: readonly bigint[]): bigint {
  const inSats = amountsSats.reduce((sum, amount) => sum + amount, 0n);
  const outSats = tx.outputs.reduce((sum, output) => sum + output.amountSats, 0n);
  if (inSats < outSats) throw new Failure('transaction-malformed', `outputs exceed inputs by ${outSats - inSats} sats`);
  return inSats - outSats;
}

function checkInputs<A extends OwnScript>(
  request: SignBitcoinRequest,
  { network, facts, derive }: Context<A>,
): SpentInput<A>[] {
  return request.input_paths.map((path, at) => {
    const coin = spendable(facts.coins[at] ?? null, network);
    if (!coin) throw new Failure('input-not-ours', `input ${at} is no confirmed, unspent coin on this signer's nodes`);
    const address = derive(path);
    if (address.script !== coin.script)
      throw new Failure('input-not-ours', `input ${at} does not pay our address at ${path.join('/')}`);
    return { coin: { script: coin.script, amountSats: coin.amountSats }, address };
  });
}

function spendable(coin: ChainCoin | null, network: BitcoinNetworkPolicy): ChainCoin | null {
  if (!coin) return null;
  const needed = coin.coinbase ? Math.max(coinbaseMaturity, network.min_confirmations) : network.min_confirmations;
  return coin.confirmations >= needed ? coin : null;
}
