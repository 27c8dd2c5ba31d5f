import type { AssetCode } from '../../money/asset.ts';
import { baseUnits, type BaseUnits } from '../../money/base-units.ts';
import type { ScannedBlock, ScannedTransaction, ScannedTransfer } from '../chain.ts';
import type { ParsedBlock } from './parse-block.ts';
import type { ParsedTransaction } from './parse-transaction.ts';

/** Consensus: a coinbase output is spent 100 blocks later at the earliest. */
const coinbaseMaturity = 100;

/** The part of the watch set and of our coins that a block can touch, loaded before the scan. */
export interface BitcoinWatch {
  addressOfScript(script: string): { readonly address: string; readonly kind: string } | undefined;
  /** Our unspent output under the name `txid:vout`. */
  coinAt(outpoint: string): OwnCoin | undefined;
}

interface OwnCoin {
  readonly address: string;
  readonly amount: BaseUnits;
}

/** What to look up before a scan: every output script (hex) and every spent `txid:vout` of a block, each once. */
export function candidates(block: ParsedBlock): { scripts: string[]; outpoints: string[] } {
  const scripts = new Set<string>();
  const outpoints: string[] = [];
  for (const tx of block.txs) {
    for (const output of tx.outputs) scripts.add(output.script);
    for (const input of tx.inputs) outpoints.push(`${input.txid}:${input.vout}`);
  }
  return { scripts: [...scripts], outpoints };
}

/**
 * The transfers of our addresses in one block. A coin made and spent in the block needs no `coinAt`; a coinbase output
 * to us carries its maturity.
 */
export function scanBitcoinBlock(
  block: ParsedBlock,
  { height, watch, asset }: { height: number; watch: BitcoinWatch; asset: AssetCode },
): ScannedBlock {
  const madeHere = new Map<string, OwnCoin>();
  const coinAt = (outpoint: string): OwnCoin | undefined => madeHere.get(outpoint) ?? watch.coinAt(outpoint);
  const transactions: ScannedTransaction[] = [];
  // Consensus orders a block so that a coin is made before it is spent: one pass suffices.
  for (const tx of block.txs) {
    const spent = spentBy(tx, asset, coinAt);
    const transfers = [...spent, ...receivedBy(tx, asset, watch, madeHere)];
    if (transfers.length === 0) continue;
    transactions.push({ txid: tx.txid, refs: [`tx:${tx.txid}`], transfers, ...minerFee(tx, spent) });
  }
  return { height, hash: block.hash, parentHash: block.prev, timeMs: block.timeMs, transactions };
}

/** Of a transaction that spends nobody else's coins. */
function minerFee(tx: ParsedTransaction, spent: readonly ScannedTransfer[]): { minerFee?: BaseUnits } {
  if (spent.length === 0 || spent.length < tx.inputs.length) return {};
  const inSats = spent.reduce((sum, { amount }) => sum + amount, 0n);
  return { minerFee: baseUnits(tx.outputs.reduce((left, { amountSats }) => left - amountSats, inSats)) };
}

function spentBy(tx: ParsedTransaction, asset: AssetCode, coinAt: BitcoinWatch['coinAt']): ScannedTransfer[] {
  return tx.inputs.flatMap((input, n) => {
    const coin = coinAt(`${input.txid}:${input.vout}`);
    return coin
      ? [{ index: `vin:${n}`, asset, direction: 'out' as const, address: coin.address, amount: coin.amount }]
      : [];
  });
}

function receivedBy(
  tx: ParsedTransaction,
  asset: AssetCode,
  watch: BitcoinWatch,
  madeHere: Map<string, OwnCoin>,
): ScannedTransfer[] {
  return tx.outputs.flatMap((output, n) => {
    const address = watch.addressOfScript(output.script)?.address;
    if (address === undefined) return [];
    const amount = baseUnits(output.amountSats);
    madeHere.set(`${tx.txid}:${n}`, { address, amount });
    const transfer = { index: `vout:${n}`, asset, direction: 'in' as const, address, amount };
    return [tx.isCoinbase ? { ...transfer, maturity: coinbaseMaturity } : transfer];
  });
}
