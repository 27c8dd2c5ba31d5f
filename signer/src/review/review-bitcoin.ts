import type { WalletAddress } from '@holdfast/core/chains/bitcoin/derive-address.ts';
import { taprootSighashes, type Prevout } from '@holdfast/core/chains/bitcoin/sighash.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { KeyPath } from '@holdfast/core/keys/derive-child.ts';
import type { BitcoinNetworkPolicy } from '@holdfast/core/policy/policy.ts';
import type { ReviewedTransaction } from '@holdfast/core/signing/decide-acceptance.ts';
import type { SignBitcoinRequest } from '@holdfast/core/signing/messages.ts';
import type { BitcoinFacts, ChainCoin } from '../nodes/bitcoin-node.ts';
import { checkBitcoinFee } from './check-bitcoin-fee.ts';
import type { OfflineBitcoinReview } from './review-bitcoin-offline.ts';

export interface BitcoinReview {
  readonly reviewed: ReviewedTransaction;
  /** What is signed for each input (32 bytes, BIP-341 key path), and by the key of which address. */
  readonly inputs: readonly { readonly sighash: Uint8Array; readonly address: WalletAddress }[];
}

interface Context {
  readonly network: BitcoinNetworkPolicy;
  /** What this signer's own nodes say about the inputs. */
  readonly facts: BitcoinFacts;
  /** This signer's own derivation below the group key. */
  readonly derive: (path: KeyPath) => WalletAddress;
}

/** Consensus: a coinbase output is spent 100 blocks later at the earliest. */
const coinbaseMaturity = 100;

/**
 * The part of the review that takes this signer's own nodes: the inputs are confirmed coins of the wallet, and what is
 * left of them is a bounded fee. History and limits come after: `decideAcceptance`.
 * @param offline what `reviewBitcoinOffline` gave.
 * @throws Failure with the reason of the refusal.
 */
export function reviewBitcoin(
  request: SignBitcoinRequest,
  { tx, reviewed }: OfflineBitcoinReview,
  context: Context,
): BitcoinReview {
  const { network, facts } = context;
  // Above the tip it would wait, and above 500,000,000 it would be a time.
  if (tx.lockTime > facts.height)
    throw new Failure('transaction-malformed', `lock time ${tx.lockTime} is above block ${facts.height}`);
  const { prevouts, addresses } = checkInputs(request, context);
  const fee = feeSatsOf(
    tx,
    prevouts.map(({ amountSats }) => amountSats),
  );
  checkBitcoinFee({ feeSats: fee, rawTx: request.raw_tx, tx, evacuation: reviewed.evacuation }, network, facts);
  const sighashes = taprootSighashes(request.raw_tx, prevouts);
  return {
    reviewed: { ...reviewed, height: facts.height, fee },
    inputs: addresses.map((address, at) => ({ address, sighash: sighashes[at] as Uint8Array })),
  };
}

/** What the inputs carry beyond the outputs, satoshis. @throws Failure transaction-malformed. */
export function feeSatsOf(tx: OfflineBitcoinReview['tx'], amountsSats: readonly bigint[]): bigint {
  const inSats = amountsSats.reduce((sum, amount) => sum + amount, 0n);
  const outSats = tx.outputs.reduce((sum, output) => sum + output.amountSats, 0n);
  if (inSats < outSats) throw new Failure('transaction-malformed', `outputs exceed inputs by ${outSats - inSats} sats`);
  return inSats - outSats;
}

function checkInputs(
  request: SignBitcoinRequest,
  { network, facts, derive }: Context,
): { prevouts: Prevout[]; addresses: WalletAddress[] } {
  const prevouts: Prevout[] = [];
  const addresses: WalletAddress[] = [];
  for (const [at, path] of request.input_paths.entries()) {
    const coin = spendable(facts.coins[at] ?? null, network);
    if (!coin) throw new Failure('input-not-ours', `input ${at} is no confirmed, unspent coin on this signer's nodes`);
    const address = derive(path);
    if (address.script !== coin.script)
      throw new Failure('input-not-ours', `input ${at} does not pay our address at ${path.join('/')}`);
    prevouts.push({ script: coin.script, amountSats: coin.amountSats });
    addresses.push(address);
  }
  return { prevouts, addresses };
}

function spendable(coin: ChainCoin | null, network: BitcoinNetworkPolicy): ChainCoin | null {
  if (!coin) return null;
  const needed = coin.coinbase ? Math.max(coinbaseMaturity, network.min_confirmations) : network.min_confirmations;
  return coin.confirmations >= needed ? coin : null;
}
