import { base64 } from '@scure/base';
import { RawOldTx, RawTx } from '@scure/btc-signer/script.js';
import { concatBytes, hexToBytes } from '@noble/hashes/utils.js';
import { dustLimitSats, encodeUnsigned, replaceableSequence } from '../chains/bitcoin/build.ts';
import { type ParsedTransaction, parseBitcoinTransaction } from '../chains/bitcoin/parse-transaction.ts';
import { compactSize } from '../chains/bitcoin/wire.ts';
import { Failure } from '../failure.ts';
import { recoveryVsize, refillVsize } from './bitcoin-size.ts';
import { coldWallet } from './cold-wallet.ts';
import type { BitcoinRecoveryDraft, BitcoinRefillDraft } from './draft.ts';
import type { BitcoinPayload } from './request.ts';
import type { ColdSetup } from './setup.ts';

interface Output {
  /** Hex. */
  readonly script: string;
  readonly amountSats: bigint;
}

interface Coin {
  readonly parsed: ParsedTransaction;
  readonly vout: number;
  readonly amountSats: bigint;
  /** The transaction that made it, without witnesses: its hash needs none, and QR codes are small. */
  readonly previous: Uint8Array;
}

/**
 * A refill as a PSBT (BIP-174, version 0): spends all the coins, pays the amount to a hot address, and the rest back to cold
 * where it is more than dust.
 * @throws Failure insufficient-funds, below-minimum, transaction-malformed.
 */
export function buildRefillPsbt(draft: BitcoinRefillDraft, setup: ColdSetup): BitcoinPayload {
  const wallet = coldWallet(setup);
  const coins = draft.coins.map(readCoin);
  const path = [1, draft.hot_index] as const;
  const hot = wallet.hotAddress(path);
  const pays = { script: hot.script, amountSats: BigInt(draft.amount_sats) };
  if (pays.amountSats < dustLimitSats(pays.script))
    throw new Failure('below-minimum', `${pays.amountSats} sats are dust; the least is ${dustLimitSats(pays.script)}`);
  const rest = (outputs: readonly Output[]): bigint => leftOver(coins, outputs, refillVsize, draft.fee_rate_sat_vb);
  const changeSats = rest([pays, { script: wallet.script, amountSats: 0n }]);
  const outputs =
    changeSats >= dustLimitSats(wallet.script) ? [pays, { script: wallet.script, amountSats: changeSats }] : [pays];
  if (rest(outputs) < 0n) throw tooLittle(coins, rest(outputs));
  return { psbt: encodePsbt(coins, outputs), paths: [[...path]] };
}

/** A recovery as a PSBT: all the coins to the cold address. @throws Failure insufficient-funds, transaction-malformed */
export function buildRecoveryPsbt(draft: BitcoinRecoveryDraft, setup: ColdSetup): BitcoinPayload {
  const { script } = coldWallet(setup);
  const coins = draft.coins.map(readCoin);
  const amountSats = leftOver(coins, [{ script, amountSats: 0n }], recoveryVsize, draft.fee_rate_sat_vb);
  if (amountSats < dustLimitSats(script)) throw tooLittle(coins, amountSats);
  return { psbt: encodePsbt(coins, [{ script, amountSats }]), paths: draft.coins.map(({ path }) => [...path]) };
}

/** Sats of the coins that neither these outputs nor the fee take. */
function leftOver(
  coins: readonly Coin[],
  outputs: readonly Output[],
  vsizeOf: typeof refillVsize,
  feeRate: number,
): bigint {
  const inputs = coins.map(({ parsed, vout }) => ({ txid: parsed.txid, vout, sequence: replaceableSequence }));
  const feeSats = BigInt(vsizeOf({ inputs, outputs })) * BigInt(feeRate);
  const inSats = coins.reduce((sum, { amountSats }) => sum + amountSats, 0n);
  return inSats - outputs.reduce((sum, output) => sum + output.amountSats, 0n) - feeSats;
}

function tooLittle(coins: readonly Coin[], restSats: bigint): Failure {
  const inSats = coins.reduce((sum, { amountSats }) => sum + amountSats, 0n);
  return new Failure('insufficient-funds', `the coins hold ${inSats} sats; amount and fee leave ${restSats}`, {
    fix: 'Name more coins, or ask for less.',
  });
}

function readCoin({ raw, vout }: { readonly raw: string; readonly vout: number }): Coin {
  const parsed = parseBitcoinTransaction(raw);
  const output = parsed.outputs[vout];
  if (!output) throw new Failure('transaction-malformed', `${parsed.txid} has no output ${vout}`);
  return { parsed, vout, amountSats: output.amountSats, previous: RawOldTx.encode(RawTx.decode(hexToBytes(raw))) };
}

function encodePsbt(coins: readonly Coin[], outputs: readonly Output[]): string {
  const unsigned = encodeUnsigned(
    coins.map(({ parsed, vout }) => ({ txid: parsed.txid, vout })),
    outputs,
  );
  const bytes = concatBytes(
    hexToBytes('70736274ff'),
    // PSBT_GLOBAL_UNSIGNED_TX, and for each input PSBT_IN_NON_WITNESS_UTXO.
    field(0, unsigned),
    separator,
    ...coins.flatMap(({ previous }) => [field(0, previous), separator]),
    ...outputs.map(() => separator),
  );
  return base64.encode(bytes);
}

const separator = Uint8Array.of(0);

function field(type: number, value: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(1, type), compactSize(value.length), value);
}
