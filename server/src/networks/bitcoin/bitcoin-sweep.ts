import { buildBatch } from '@holdfast/core/chains/bitcoin/build.ts';
import type { Coin } from '@holdfast/core/chains/bitcoin/select-coins.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import { firstEpoch } from '@holdfast/core/signing/key-messages.ts';
import type { BitcoinNetwork } from '../../config.ts';
import { insertChangeAddress, nextChangeIndex } from '../../store/change-addresses.ts';
import { lockFreeCoins, type CoinRow } from '../../store/coins.ts';
import type { Sql } from '../../store/database.ts';
import type { Network, SweepPlan } from '../network.ts';
import type { BitcoinNode } from './bitcoin-node.ts';
import type { UnsignedBitcoin } from './bitcoin-payments.ts';
import { spendCoins } from './spend-coins.ts';
import { changeBranch, type WalletKind } from './wallet-kind.ts';

/** Coins of one sweep: what does not fit goes with the next. */
const sweepInputsMax = 100;
/** Virtual bytes of one more key-path input, and of everything else of a sweep, rounded up. */
const inputVbytes = 58n;
const otherVbytes = 60n;
/** What a node relays at least. */
const dustSats = 330n;

/** Moves coins of the oldest key epoch that has some to one address of the newest. */
export function bitcoinSweep(
  config: BitcoinNetwork,
  deps: { node: BitcoinNode; wallets: () => Promise<WalletKind[]> },
): NonNullable<Network['sweepOldKeys']> {
  const { node, wallets } = deps;
  return async () => {
    const [newest, ...older] = await wallets();
    if (!newest || older.length === 0) return async () => null;
    const feeRate = (await node.feeRate()) ?? config.fee_rate_default;
    if (feeRate > config.fee_rate_max) return async () => null;
    const tipHeight = await node.height();
    return async (sql, transactionId) => {
      for (const { epoch: from } of older.toReversed()) {
        const free = await lockFreeCoins(sql, config.id, { epoch: from, tipHeight, limit: sweepInputsMax });
        const coins = worthSweeping(free, feeRate);
        if (coins.length === 0) continue;
        return buildSweep(sql, transactionId, coins, { id: config.id, feeRate, from, to: newest });
      }
      return null;
    };
  };
}

/** Coins that are worth more than their inputs cost, if together they leave an output that nodes relay. */
function worthSweeping(rows: readonly CoinRow[], feeRate: number): CoinRow[] {
  const inputSats = inputVbytes * BigInt(feeRate);
  const coins = rows.filter(({ amount }) => amount > inputSats);
  const leftSats = coins.reduce((sum, { amount }) => sum + amount - inputSats, -otherVbytes * BigInt(feeRate));
  return leftSats > dustSats ? coins : [];
}

async function buildSweep(
  sql: Sql,
  transactionId: string,
  rows: readonly CoinRow[],
  input: {
    readonly id: string;
    readonly feeRate: number;
    readonly from: number;
    readonly to: WalletKind;
  },
): Promise<SweepPlan> {
  const { id, from, to } = input;
  const { epoch } = to;
  const index = await nextChangeIndex(sql, id);
  const { address, script } = to.derive([changeBranch, index]);
  const coins = rows.map((row): Coin => ({ txid: row.txid, vout: row.vout, amountSats: row.amount }));
  const built = buildBatch({ coins, payouts: [], changeScript: script, feeRateSatVb: input.feeRate });
  invariant(built.changeOutput !== null, 'a sweep leaves its one output');
  await insertChangeAddress(sql, { network: id, index, epoch, address, script });
  const { refs, conflictKeys, ...spent } = await spendCoins(sql, id, transactionId, built, rows);
  const unsigned: UnsignedBitcoin = {
    raw_tx: built.rawTx,
    change: [{ output: built.changeOutput, index }],
    ...(from > firstEpoch && { epoch: from }),
    sweep: epoch,
    ...spent,
  };
  return { unsigned, refs, conflictKeys };
}
