import { buildBatch } from '@holdfast/core/chains/bitcoin/build.ts';
import { inspectBitcoinTransaction } from '@holdfast/core/chains/bitcoin/inspect.ts';
import { batchVsize, type Coin, nameOf, selectCoins } from '@holdfast/core/chains/bitcoin/select-coins.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import { bumpedRateSatVb } from '@holdfast/core/withdrawals/fee-bump.ts';
import { firstEpoch } from '@holdfast/core/signing/key-messages.ts';
import { inputsMax } from '@holdfast/core/signing/messages.ts';
import type { BitcoinNetwork } from '../../config.ts';
import { insertChangeAddress, nextChangeIndex } from '../../store/change-addresses.ts';
import { lockCoinsNamed, lockFreeCoins, type CoinRow } from '../../store/coins.ts';
import type { Sql } from '../../store/database.ts';
import type { Network, SweepPlan } from '../network.ts';
import type { BitcoinNode } from './bitcoin-node.ts';
import type { UnsignedBitcoin } from './bitcoin-payments.ts';
import { pathOf, spendCoins } from './spend-coins.ts';
import { changeBranch, type WalletKind } from './wallet-kind.ts';

/** What a version of a payment pays and spends, read back from what was stored of it. */
interface PaidVersion {
  /** `txid:vout`. */
  readonly outpoints: readonly string[];
  readonly payouts: readonly { readonly script: string; readonly amountSats: bigint }[];
  readonly changeIndex: number | null;
  readonly feeSats: bigint;
  readonly vsize: number;
}

/**
 * The next version of a payment (BIP-125): all the same coins, all the same payouts, less change and a higher fee. Where the
 * change does not reach, confirmed coins are added. It conflicts with each version before in each of their coins.
 */
export function bitcoinReplacement(
  config: BitcoinNetwork,
  deps: { node: BitcoinNode; walletOf: (epoch?: number) => Promise<WalletKind> },
): NonNullable<Network['replacePayment']> {
  const { node, walletOf } = deps;
  return async (unsigned, percent) => {
    const before = unsigned as UnsignedBitcoin;
    const wallet = await walletOf(before.epoch ?? firstEpoch);
    const paid = readVersion(before, wallet);
    const estimate = await node.feeRate(config.fee_rate_default);
    const feeRate = bumpedRateSatVb(paid, estimate, config.fee_rate_max, percent);
    if (feeRate === null) {
      throw new Failure(
        'fee-too-high',
        `${paid.feeSats} sats for ${paid.vsize} vB cannot be raised within fee_rate_max of ${config.fee_rate_max} sat/vB`,
        { fix: 'Raise fee_rate_max of the network, or wait for cheaper blocks.' },
      );
    }
    const tipHeight = await node.height();
    return (sql, transactionId) =>
      buildReplacement(sql, transactionId, {
        id: config.id,
        before,
        paid,
        wallet,
        feeRate,
        tipHeight,
        finalConfirmations: config.final_confirmations,
      });
  };
}

function readVersion(before: UnsignedBitcoin, wallet: WalletKind): PaidVersion {
  const tx = inspectBitcoinTransaction(before.raw_tx);
  const change = before.change[0] ?? null;
  const inSats = before.prevouts.reduce((sum, { amount }) => sum + BigInt(amount), 0n);
  const outSats = tx.outputs.reduce((sum, { amountSats }) => sum + amountSats, 0n);
  invariant(inSats >= outSats, `${tx.txid} spends ${inSats} sats and pays ${outSats}`);
  return {
    outpoints: tx.inputs.map(({ txid, vout }) => `${txid}:${vout}`),
    payouts: tx.outputs.filter((_, at) => at !== change?.output),
    changeIndex: change?.index ?? null,
    feeSats: inSats - outSats,
    vsize: batchVsize(
      before.input_paths.map((path) => ({ witnessBytes: wallet.witnessBytes(path) })),
      tx.outputs.map(({ script }) => script),
    ),
  };
}

interface ReplacementInput {
  readonly id: string;
  readonly before: UnsignedBitcoin;
  readonly paid: PaidVersion;
  readonly wallet: WalletKind;
  readonly feeRate: number;
  readonly tipHeight: number;
  readonly finalConfirmations: number;
}

/** @returns null when it cannot be built now: a reorg took one of the coins, or there are not enough. */
async function buildReplacement(sql: Sql, transactionId: string, input: ReplacementInput): Promise<SweepPlan | null> {
  const { id, before, paid, wallet, feeRate, tipHeight, finalConfirmations } = input;
  const { epoch } = wallet;
  const required = await lockCoinsNamed(sql, id, paid.outpoints);
  if (required.length !== paid.outpoints.length) return null;
  const free = await lockFreeCoins(sql, id, { epoch, tipHeight, finalConfirmations, limit: inputsMax });
  const rows = [...required, ...free];
  const index = paid.changeIndex ?? (wallet.changeAddress ? 0 : await nextChangeIndex(sql, id));
  const change = wallet.changeAddress ?? wallet.derive([changeBranch, index]);
  const coin = (row: CoinRow): Coin => ({
    txid: row.txid,
    vout: row.vout,
    amountSats: row.amount,
    witnessBytes: wallet.witnessBytes(pathOf(row)),
  });
  const { payouts } = paid;
  const coins = enoughCoins({
    coins: rows.map(coin),
    requiredCoins: required.map(coin),
    payouts,
    changeScript: change.script,
    feeRateSatVb: feeRate,
    inputsMax,
  });
  if (coins === null) return null;
  const built = buildBatch({ coins, payouts, changeScript: change.script, feeRateSatVb: feeRate });
  // BIP-125, rules 3 and 4, whatever became of the change.
  invariant(
    built.feeSats >= paid.feeSats + BigInt(built.vsize),
    `a fee of ${built.feeSats} for ${built.vsize} vB does not replace ${paid.feeSats}`,
  );
  const spent = new Set(built.inputs.map(nameOf));
  invariant(
    paid.outpoints.every((outpoint) => spent.has(outpoint)),
    'a replacement spends all coins of the version before',
  );
  if (built.changeOutput !== null && paid.changeIndex === null && !wallet.changeAddress)
    await insertChangeAddress(sql, { network: id, index, epoch, address: change.address, script: change.script });
  const { refs, conflictKeys, ...inputs } = await spendCoins(sql, id, transactionId, built, rows, required);
  const unsigned: UnsignedBitcoin = {
    raw_tx: built.rawTx,
    change: built.changeOutput === null ? [] : [{ output: built.changeOutput, index }],
    ...(before.epoch !== undefined && { epoch: before.epoch }),
    ...inputs,
  };
  return { unsigned, refs, conflictKeys };
}

function enoughCoins(batch: Parameters<typeof selectCoins>[0]): Coin[] | null {
  try {
    return selectCoins(batch);
  } catch (error) {
    if (error instanceof Failure && error.code === 'insufficient-funds') return null;
    throw error;
  }
}
