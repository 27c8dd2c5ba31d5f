import { parseBitcoinAddress } from '@holdfast/core/chains/bitcoin/address.ts';
import type { WalletAddress } from '@holdfast/core/chains/bitcoin/derive-address.ts';
import type { InspectedTransaction } from '@holdfast/core/chains/bitcoin/inspect.ts';
import { bitcoinParams } from '@holdfast/core/chains/bitcoin/params.ts';
import { taprootSighashes, vsizeOf, type Prevout } from '@holdfast/core/chains/bitcoin/sighash.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { KeyPath } from '@holdfast/core/keys/derive-child.ts';
import { checkIntents, type CheckedIntent } from '@holdfast/core/signing/check-intents.ts';
import type { ReviewedTransaction } from '@holdfast/core/signing/decide-acceptance.ts';
import { matchPayments } from '@holdfast/core/signing/match-payments.ts';
import type { SignBitcoinRequest } from '@holdfast/core/signing/messages.ts';
import type { BitcoinNetwork } from '../config.ts';
import type { BitcoinFacts, ChainCoin } from '../nodes/bitcoin-node.ts';
import { verifyEd25519, type PinnedKeys } from './intent-rules.ts';

export interface BitcoinReviewContext {
  readonly network: BitcoinNetwork;
  /** What this signer's own nodes say about the inputs. */
  readonly facts: BitcoinFacts;
  /** This signer's own derivation below the group key. */
  readonly derive: (path: KeyPath) => WalletAddress;
}

export interface BitcoinReview {
  readonly reviewed: ReviewedTransaction;
  /** What is signed for each input (32 bytes, BIP-341 key path), and by the key of which address. */
  readonly inputs: readonly { readonly sighash: Uint8Array; readonly address: WalletAddress }[];
}

/** BIP-125 replaceable, and BIP-68 relative lock times off. */
const replaceableSequence = 0xffff_fffd;
/** Consensus: a coinbase output is spent 100 blocks later at the earliest. */
const coinbaseMaturity = 100;

/**
 * What costs no node's time: the evidence, and as many paths as inputs. Comes first.
 * @param tx the request's `raw_tx`, decoded by `inspectBitcoinTransaction`.
 * @throws Failure with the reason of the refusal.
 */
export function checkBitcoinRequest(
  request: SignBitcoinRequest,
  tx: InspectedTransaction,
  context: {
    readonly network: BitcoinNetwork;
    readonly keys: PinnedKeys;
    readonly isDepositAddress: (address: string) => boolean;
  },
): CheckedIntent[] {
  const { network } = context;
  const params = bitcoinParams(network.network);
  if (request.input_paths.length !== tx.inputs.length) {
    throw new Failure('input-not-ours', `${tx.inputs.length} inputs, ${request.input_paths.length} paths`);
  }
  return checkIntents(request.intents, {
    network: network.network,
    keys: context.keys,
    perPaymentMax: new Map([[network.asset, BigInt(network.per_transaction_max)]]),
    verify: verifyEd25519,
    parseDestination: (text) => {
      const { address } = parseBitcoinAddress(text, params);
      return { address, isOwn: context.isDepositAddress(address) };
    },
  });
}

/**
 * Decides from the decoded transaction, this signer's config and its own node's view whether the transaction spends coins
 * of the wallet and pays exactly the intents, own change and a bounded fee. History and limits come after:
 * `decideAcceptance`.
 * @param intents what `checkBitcoinRequest` gave.
 * @throws Failure with the reason of the refusal.
 */
export function reviewBitcoin(
  request: SignBitcoinRequest,
  tx: InspectedTransaction,
  intents: readonly CheckedIntent[],
  context: BitcoinReviewContext,
): BitcoinReview {
  const { network } = context;
  const params = bitcoinParams(network.network);
  checkForm(tx, context.facts.height);
  const inputs = checkInputs(request, context);
  const changeOutputs = checkChange(request, tx, context);
  matchPayments(
    intents.map(({ asset, destination, amount }) => ({
      asset,
      target: parseBitcoinAddress(destination, params).script,
      amount,
    })),
    tx.outputs.flatMap(({ script, amountSats }, at) =>
      changeOutputs.has(at) ? [] : [{ asset: network.asset, target: script, amount: amountSats }],
    ),
  );
  const fee = checkFee(request.raw_tx, tx, inputs.prevouts, network);
  const { height } = context.facts;
  // A coin is spent once: of two transactions that spend it, one confirms.
  const conflictKeys = tx.inputs.map(({ txid, vout }) => `${txid}:${vout}`);
  const sighashes = taprootSighashes(request.raw_tx, inputs.prevouts);
  return {
    reviewed: { network: network.network, txid: tx.txid, conflictKeys, height, intents, fee },
    inputs: inputs.addresses.map((address, at) => ({ address, sighash: sighashes[at] as Uint8Array })),
  };
}

function checkForm(tx: InspectedTransaction, height: number): void {
  if (tx.version !== 2) throw new Failure('transaction-malformed', `version ${tx.version}, not 2`);
  // Above the tip it would wait, and above 500,000,000 it would be a time.
  if (tx.lockTime > height)
    throw new Failure('transaction-malformed', `lock time ${tx.lockTime} is above block ${height}`);
  if (tx.inputs.some((input) => input.sequence !== replaceableSequence)) {
    throw new Failure('transaction-malformed', 'every input must signal that it can be replaced (sequence 0xfffffffd)');
  }
}

function checkInputs(
  request: SignBitcoinRequest,
  { network, facts, derive }: BitcoinReviewContext,
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

function spendable(coin: ChainCoin | null, network: BitcoinNetwork): ChainCoin | null {
  if (!coin) return null;
  const needed = coin.coinbase ? Math.max(coinbaseMaturity, network.min_confirmations) : network.min_confirmations;
  return coin.confirmations >= needed ? coin : null;
}

/** @returns places of the outputs that are own change. */
function checkChange(
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

/** @returns the fee in satoshis. */
function checkFee(
  rawTx: string,
  tx: InspectedTransaction,
  prevouts: readonly Prevout[],
  network: BitcoinNetwork,
): bigint {
  const inSats = prevouts.reduce((sum, prevout) => sum + prevout.amountSats, 0n);
  const outSats = tx.outputs.reduce((sum, output) => sum + output.amountSats, 0n);
  const feeSats = inSats - outSats;
  if (feeSats < 0n) throw new Failure('transaction-malformed', `outputs exceed inputs by ${-feeSats} sats`);
  const vsize = vsizeOf(rawTx, tx.inputs.length);
  const feeSatsMax = BigInt(network.fee_rate_max_sat_vb) * BigInt(vsize);
  if (feeSats > BigInt(network.fee_max_sats) || feeSats > feeSatsMax) {
    throw new Failure(
      'fee-too-high',
      `a fee of ${feeSats} sats for ${vsize} vB is over ${network.fee_max_sats} sats or ${network.fee_rate_max_sat_vb} sat/vB`,
    );
  }
  return feeSats;
}
