import { buildBatch } from '@holdfast/core/chains/bitcoin/build.ts';
import { batchVsize, type Coin } from '@holdfast/core/chains/bitcoin/select-coins.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import type { BitcoinNetworkPolicy } from '@holdfast/core/policy/policy.ts';
import { firstEpoch } from '@holdfast/core/signing/key-messages.ts';
import type { BitcoinNetwork } from '../../config.ts';
import { insertChangeAddress, nextChangeIndex } from '../../store/change-addresses.ts';
import { lockFreeCoins, lockSurplusCoins, type CoinRow } from '../../store/coins.ts';
import type { Sql } from '../../store/database.ts';
import type { Network, SweepPlan } from '../network.ts';
import type { BitcoinNode } from './bitcoin-node.ts';
import type { UnsignedBitcoin } from './bitcoin-payments.ts';
import { pathOf, spendCoins } from './spend-coins.ts';
import { changeBranch, depositBranch, type WalletKind } from './wallet-kind.ts';

/** Coins of one transaction: what does not fit goes with the next. */
const movedMax = 100;
/** Virtual bytes of everything but the inputs, rounded up. */
const otherVbytes = 60n;
/** What a node relays at least. */
const dustSats = 330n;

/** Between own addresses, in this order: coins of the oldest key epoch that has some to the newest; many small coins into one. */
export function ownCoinMoves(
  config: BitcoinNetwork,
  deps: {
    node: BitcoinNode;
    wallets: () => Promise<WalletKind[]>;
    /** The policy's, which the signers follow. */
    rule: BitcoinNetworkPolicy['consolidation'];
  },
): NonNullable<Network['moveOwnCoins']> {
  const { node, wallets, rule } = deps;
  const { id, consolidate_above: keep, final_confirmations: finalConfirmations } = config;
  return async () => {
    const [newest, ...older] = await wallets();
    if (!newest) return async () => null;
    const feeRate = await node.feeRate(config.fee_rate_default);
    if (feeRate > config.fee_rate_max) return async () => null;
    const tipHeight = await node.height();
    return async (sql, transactionId) => {
      for (const from of older.toReversed()) {
        const free = await lockFreeCoins(sql, id, {
          epoch: from.epoch,
          tipHeight,
          finalConfirmations,
          limit: movedMax,
        });
        const coins = worthMoving(free, from, feeRate);
        if (coins.length > 0) return buildMove(sql, transactionId, coins, { id, feeRate, from, to: newest });
      }
      if (!rule || keep === undefined || feeRate > rule.fee_rate_max_sat_vb) return null;
      const limit = Math.max(movedMax, rule.inputs_min);
      const above = inputSats(newest, feeRate);
      const surplus = await lockSurplusCoins(sql, id, {
        epoch: newest.epoch,
        tipHeight,
        finalConfirmations,
        above,
        keep,
        limit,
      });
      const coins = worthMoving(surplus, newest, feeRate);
      if (coins.length < rule.inputs_min) return null;
      return buildMove(sql, transactionId, coins, { id, feeRate, from: newest, to: newest });
    };
  };
}

/** What one more input costs. */
function inputSats(wallet: WalletKind, feeRate: number): bigint {
  const one = { witnessBytes: wallet.witnessBytes([depositBranch, 0]) };
  return (
    BigInt(
      Math.ceil(
        (batchVsize(
          Array.from({ length: 10 }, () => one),
          [],
        ) -
          batchVsize([], [])) /
          10,
      ),
    ) * BigInt(feeRate)
  );
}

/** Coins that are worth more than their inputs cost, if together they leave an output that nodes relay. */
function worthMoving(rows: readonly CoinRow[], wallet: WalletKind, feeRate: number): CoinRow[] {
  const each = inputSats(wallet, feeRate);
  const coins = rows.filter(({ amount }) => amount > each);
  const leftSats = coins.reduce((sum, { amount }) => sum + amount - each, -otherVbytes * BigInt(feeRate));
  return leftSats > dustSats ? coins : [];
}

async function buildMove(
  sql: Sql,
  transactionId: string,
  rows: readonly CoinRow[],
  input: {
    readonly id: string;
    readonly feeRate: number;
    readonly from: WalletKind;
    readonly to: WalletKind;
  },
): Promise<SweepPlan> {
  const { id, from, to } = input;
  const { epoch } = to;
  const index = to.changeAddress ? 0 : await nextChangeIndex(sql, id);
  const { address, script } = to.changeAddress ?? to.derive([changeBranch, index]);
  const coins = rows.map((row): Coin => ({
    txid: row.txid,
    vout: row.vout,
    amountSats: row.amount,
    witnessBytes: from.witnessBytes(pathOf(row)),
  }));
  const built = buildBatch({ coins, payouts: [], changeScript: script, feeRateSatVb: input.feeRate });
  invariant(built.changeOutput !== null, 'what is moved leaves its one output');
  if (!to.changeAddress) await insertChangeAddress(sql, { network: id, index, epoch, address, script });
  const { refs, conflictKeys, ...spent } = await spendCoins(sql, id, transactionId, built, rows);
  const unsigned: UnsignedBitcoin = {
    raw_tx: built.rawTx,
    change: [{ output: built.changeOutput, index }],
    ...(from.epoch > firstEpoch && { epoch: from.epoch }),
    ...(from.epoch === epoch ? { consolidation: true as const } : { sweep: epoch }),
    ...spent,
  };
  return { unsigned, refs, conflictKeys };
}
