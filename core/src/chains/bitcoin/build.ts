import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js';
import { Failure } from '../../failure.ts';
import { invariant } from '../../invariant.ts';
import { batchVsize, feeSatsFor, nameOf, type Coin, type Payout } from './select-coins.ts';
import { keyPathWitnessBytes, signedVsize } from './sighash.ts';
import { doubleSha256, hashToText } from './txid.ts';
import { compactSize, u32le, u64le } from './wire.ts';
import { withWitnesses } from './witness.ts';

/** BIP-125: the transaction may be replaced by one with a higher fee. */
export const replaceableSequence = 0xffff_fffd;
const version = 2;
/** Change that would cost more to spend at 3 sat/vB than it is worth; left to the fee. */
const p2trDustSats = 330n;

export interface BuiltBatch {
  /** Unsigned, consensus encoding without witnesses, hex. */
  readonly rawTx: string;
  /** In the order of the transaction's inputs. */
  readonly inputs: readonly Coin[];
  /** Output of each payout, in the order given. */
  readonly payoutOutputs: readonly number[];
  /** Null when what is left over was dust. */
  readonly changeOutput: number | null;
  readonly changeSats: bigint;
  readonly feeSats: bigint;
  /** Virtual bytes once signed. */
  readonly vsize: number;
}

/**
 * One transaction that spends all of `coins`, pays every payout and returns the rest as change. Inputs and
 * outputs are in BIP-69's order: the same batch always gives the same bytes, and the change has no fixed place.
 * @param coins the coins of `selectCoins`.
 * @throws Failure insufficient-funds; below-minimum for a payout that nodes do not relay as dust.
 */
export function buildBatch(batch: {
  readonly coins: readonly Coin[];
  readonly payouts: readonly Payout[];
  readonly changeScript: string;
  readonly feeRateSatVb: number;
}): BuiltBatch {
  invariant(batch.coins.length > 0, 'a batch spends at least one coin');
  invariant(new Set(batch.coins.map(nameOf)).size === batch.coins.length, 'a coin is given twice');
  for (const payout of batch.payouts) refuseDust(payout);
  const inputSats = batch.coins.reduce((sum, coin) => sum + coin.amountSats, 0n);
  const leftSats = inputSats - batch.payouts.reduce((sum, payout) => sum + payout.amountSats, 0n);
  const scripts = batch.payouts.map((payout) => payout.script);
  const feeOf = (outputScripts: readonly string[]): bigint =>
    feeSatsFor(batchVsize(batch.coins, outputScripts), batch.feeRateSatVb);

  const changeSats = leftSats - feeOf([...scripts, batch.changeScript]);
  const hasChange = changeSats >= p2trDustSats;
  if (!hasChange && (leftSats < feeOf(scripts) || scripts.length === 0)) {
    throw new Failure(
      'insufficient-funds',
      `coins of ${inputSats} sats leave ${leftSats} for a fee of ${feeOf(scripts)}`,
    );
  }
  const change = { script: batch.changeScript, amountSats: changeSats };
  // Copies, so that each has an identity of its own even when the caller pays the same twice.
  const payouts = batch.payouts.map((payout) => ({ ...payout }));
  const wanted: Payout[] = hasChange ? [...payouts, change] : payouts;
  const inputs = batch.coins.toSorted((a, b) => compare(a.txid, b.txid) || a.vout - b.vout);
  const outputs = wanted.toSorted((a, b) => compare(a.amountSats, b.amountSats) || compare(a.script, b.script));
  return {
    rawTx: bytesToHex(encodeUnsigned(inputs, outputs)),
    inputs,
    payoutOutputs: payouts.map((payout) => outputs.indexOf(payout)),
    changeOutput: hasChange ? outputs.indexOf(change) : null,
    changeSats: hasChange ? changeSats : 0n,
    feeSats: hasChange ? leftSats - changeSats : leftSats,
    vsize: batchVsize(
      inputs,
      outputs.map((output) => output.script),
    ),
  };
}

function compare<T extends string | bigint>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Nodes relay no output that is worth less than its spending costs at 3 sat/vB. */
export function dustLimitSats(script: string): bigint {
  const bytes = script.length / 2;
  // OP_0 or OP_1..OP_16 and one push of 2 to 40 bytes, BIP-141.
  const isSegwit = /^(00|5[1-9a-f]|60)/.test(script) && bytes >= 4 && bytes <= 42;
  return BigInt(3 * (8 + compactSize(bytes).length + bytes + (isSegwit ? 67 : 148)));
}

function refuseDust({ script, amountSats }: Payout): void {
  const leastSats = dustLimitSats(script);
  if (amountSats < leastSats)
    throw new Failure('below-minimum', `${amountSats} sats to ${script} are dust; the least is ${leastSats}`);
}

/** Consensus encoding without witnesses: version 2, replaceable, no lock time. */
export function encodeUnsigned(
  inputs: readonly { readonly txid: string; readonly vout: number }[],
  outputs: readonly { readonly script: string; readonly amountSats: bigint }[],
): Uint8Array {
  return concatBytes(
    u32le(version),
    compactSize(inputs.length),
    // Empty scriptSig.
    ...inputs.flatMap((coin) => [
      hexToBytes(coin.txid).reverse(),
      u32le(coin.vout),
      Uint8Array.of(0),
      u32le(replaceableSequence),
    ]),
    compactSize(outputs.length),
    ...outputs.flatMap(({ amountSats, script }) => [
      u64le(amountSats),
      compactSize(script.length / 2),
      hexToBytes(script),
    ]),
    u32le(0),
  );
}

/**
 * Adds the key-path signatures (64 bytes each, one an input, SIGHASH_DEFAULT) as witnesses, BIP-144.
 * @returns raw: ready to broadcast, hex; txid: fixed since `buildBatch`, signatures do not change it.
 */
export function finalizeTransaction(
  rawTx: string,
  signatures: readonly Uint8Array[],
): { raw: string; txid: string; vsize: number } {
  const bytes = hexToBytes(rawTx);
  invariant(
    signatures.every((signature) => signature.length === 64),
    'a BIP-340 signature has 64 bytes',
  );
  return {
    raw: withWitnesses(
      rawTx,
      signatures.map((signature) => [signature]),
    ),
    txid: hashToText(doubleSha256(bytes)),
    vsize: signedVsize(bytes.length, signatures.length * keyPathWitnessBytes),
  };
}
