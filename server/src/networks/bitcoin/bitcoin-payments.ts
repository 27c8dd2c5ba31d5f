import { parseBitcoinAddress } from '@holdfast/core/chains/bitcoin/address.ts';
import { buildBatch, dustLimitSats } from '@holdfast/core/chains/bitcoin/build.ts';
import type { BitcoinParams } from '@holdfast/core/chains/bitcoin/params.ts';
import { type Coin, selectCoins } from '@holdfast/core/chains/bitcoin/select-coins.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { parseNetworkId } from '@holdfast/core/money/network.ts';
import { firstEpoch } from '@holdfast/core/signing/key-messages.ts';
import { inputsMax } from '@holdfast/core/signing/messages.ts';
import { hexToBytes } from '@noble/hashes/utils.js';
import type { BitcoinNetwork } from '../../config.ts';
import { insertChangeAddress, nextChangeIndex } from '../../store/change-addresses.ts';
import { lockCoinsNamed, lockFreeCoins, someOfOldKeys, type CoinRow } from '../../store/coins.ts';
import type { Sql } from '../../store/database.ts';
import { earlierOutpoints } from '../../store/withdrawals.ts';
import type { BatchPlan, Network, Payout } from '../network.ts';
import type { BitcoinNode } from './bitcoin-node.ts';
import { pathOf, spendCoins } from './spend-coins.ts';
import { changeBranch, type WalletKind } from './wallet-kind.ts';

export interface UnsignedBitcoin {
  /** As in SignBitcoinRequest; left out in the first epoch. */
  readonly epoch?: number;
  readonly sweep?: number;
  readonly consolidation?: true;
  readonly skim?: true;
  readonly raw_tx: string;
  readonly input_paths: [number, number][];
  readonly change: { output: number; index: number }[];
  readonly prevouts: { script: string; amount: string }[];
}

/** Payouts from the signers' wallet. */
export function bitcoinPayments(
  config: BitcoinNetwork,
  deps: { node: BitcoinNode; params: BitcoinParams; walletOf: (epoch?: number) => Promise<WalletKind> },
): Pick<Network, 'surveyBatch' | 'sign'> {
  const { node, params, walletOf } = deps;
  const id = parseNetworkId(config.id);

  return {
    async surveyBatch(payouts) {
      const feeRate = await node.feeRate(config.fee_rate_default);
      if (feeRate > config.fee_rate_max) {
        const reason = `fees are ${feeRate} sat/vB, above the ceiling of ${config.fee_rate_max}`;
        return {
          payable: [],
          impossible: [],
          waiting: payouts.map((payout) => ({ id: payout.id, reason })),
          build: async () => null,
        };
      }
      const wallet = await walletOf();
      const tipHeight = await node.height();
      const dust = payouts.filter(
        (payout) => payout.amount < dustLimitSats(parseBitcoinAddress(payout.destination, params).script),
      );
      return {
        payable: payouts.filter((payout) => !dust.includes(payout)),
        impossible: dust.map((payout) => ({
          id: payout.id,
          reason: `below-minimum: ${payout.amount} sats to ${payout.destination} are dust`,
        })),
        waiting: [],
        build: (sql, transactionId, chosen) =>
          buildPlan(sql, transactionId, chosen, {
            id,
            feeRate,
            tipHeight,
            finalConfirmations: config.final_confirmations,
            params,
            wallet,
          }),
      };
    },

    async sign(unsigned, intents) {
      const { prevouts, ...built } = unsigned as UnsignedBitcoin;
      const wallet = await walletOf(built.epoch ?? firstEpoch);
      const final = await wallet.sign(
        { network: id, ...built, intents: [...intents] },
        prevouts.map(({ script, amount }) => ({ script, amountSats: BigInt(amount) })),
      );
      return {
        seal: async () => ({
          raw: hexToBytes(final.raw),
          txid: final.txid,
          refs: [`tx:${final.txid}`],
          relayerNonce: null,
        }),
      };
    },
  };
}

interface PlanInput {
  readonly id: string;
  readonly feeRate: number;
  readonly tipHeight: number;
  readonly finalConfirmations: number;
  readonly params: BitcoinParams;
  readonly wallet: WalletKind;
}

/** Picks and reserves coins inside the deciding transaction; payouts that do not fit wait for the next batch. */
async function buildPlan(
  sql: Sql,
  transactionId: string,
  payouts: readonly Payout[],
  input: PlanInput,
): Promise<BatchPlan | null> {
  const { id, params, wallet, tipHeight, finalConfirmations } = input;
  const { epoch } = wallet;
  const earlier = await earlierOutpoints(
    sql,
    payouts.map((payout) => payout.id),
  );
  // The newest keys cannot spend what would exclude an earlier payment: it waits for the sweep that does.
  if (await someOfOldKeys(sql, id, earlier, epoch)) return null;
  const required = await lockCoinsNamed(sql, id, earlier);
  const free = await lockFreeCoins(sql, id, { epoch, tipHeight, finalConfirmations, limit: 2 * inputsMax });
  // A coin may be in both.
  const rows = [...new Map([...required, ...free].map((row) => [`${row.txid}:${row.vout}`, row])).values()];
  const index = wallet.changeAddress ? 0 : await nextChangeIndex(sql, id);
  const change = wallet.changeAddress ?? wallet.derive([changeBranch, index]);
  const coin = (row: CoinRow): Coin => ({
    txid: row.txid,
    vout: row.vout,
    amountSats: row.amount,
    witnessBytes: wallet.witnessBytes(pathOf(row)),
  });
  const outputs = payouts.map((payout) => ({
    script: parseBitcoinAddress(payout.destination, params).script,
    amountSats: payout.amount,
  }));
  const chosen = longestAffordable(outputs.length, (from, to) =>
    selectCoins({
      coins: rows.map(coin),
      requiredCoins: required.map(coin),
      payouts: outputs.slice(from, to),
      changeScript: change.script,
      feeRateSatVb: input.feeRate,
      inputsMax,
    }),
  );
  if (!chosen) return null;
  const { from, to } = chosen;
  const built = buildBatch({
    coins: chosen.coins,
    payouts: outputs.slice(from, to),
    changeScript: change.script,
    feeRateSatVb: input.feeRate,
  });
  if (built.changeOutput !== null && !wallet.changeAddress)
    await insertChangeAddress(sql, { network: id, index, epoch, address: change.address, script: change.script });
  const { refs, conflictKeys, ...spent } = await spendCoins(sql, id, transactionId, built, rows);
  const unsigned: UnsignedBitcoin = {
    raw_tx: built.rawTx,
    change: built.changeOutput === null ? [] : [{ output: built.changeOutput, index }],
    ...(epoch > firstEpoch && { epoch }),
    ...spent,
  };
  return { unsigned, refs, conflictKeys, pays: payouts.slice(from, to).map((payout) => payout.id) };
}

/**
 * The most payouts in a row that the coins cover, from the first that they cover at all, so that one that is too large
 * does not hold up those behind it; null when not even one fits.
 */
function longestAffordable(
  count: number,
  select: (from: number, to: number) => Coin[],
): { from: number; to: number; coins: Coin[] } | null {
  for (let from = 0; from < count; from++) {
    const found = longestFrom(from, count, select);
    if (found) return found;
  }
  return null;
}

/** By halving. */
function longestFrom(
  from: number,
  count: number,
  select: (from: number, to: number) => Coin[],
): { from: number; to: number; coins: Coin[] } | null {
  let best: { from: number; to: number; coins: Coin[] } | null = null;
  let low = from + 1;
  let high = count;
  // All of them fit as a rule, so that is tried first.
  let to = count;
  for (; low <= high; to = Math.floor((low + high) / 2)) {
    try {
      best = { from, to, coins: select(from, to) };
      low = to + 1;
    } catch (error) {
      if (!(error instanceof Failure) || error.code !== 'insufficient-funds') throw error;
      high = to - 1;
    }
  }
  return best;
}
