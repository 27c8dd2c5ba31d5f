import type { AssetCode } from '../money/asset.ts';
import type { BaseUnits } from '../money/base-units.ts';

/**
 * What a scan finds, the same for every family: the transfers of one block that touch watched addresses.
 * Everything else about a chain stays in its folder.
 */
export interface ScannedTransfer {
  /**
   * Place inside its transaction, stable across reorgs (never the block-wide log index):
   * `vout:0`, `vin:2`, `log:1` (ordinal of the log inside the transaction), `trace:0.2` (call path), `fee`;
   * `balance:<contract or native>:<address>` for what only the balance shows.
   */
  readonly index: string;
  readonly asset: AssetCode;
  readonly direction: 'in' | 'out';
  /** The watched address, in the family's canonical text. */
  readonly address: string;
  readonly amount: BaseUnits;
  /**
   * Set when it is no deposit to be credited. `nothing-arrived`: the amount is only claimed, the balance did not follow.
   * `unlogged-arrival`: it came, and nothing says from whom or why; it is quarantined. `balance-unread`: the token answers no
   * balance, so nothing says whether it came; it is quarantined and in no account.
   */
  readonly doubt?: 'nothing-arrived' | 'unlogged-arrival' | 'balance-unread';
  /** Confirmations before which consensus lets nobody spend it (a coinbase output). */
  readonly maturity?: number;
}

export interface ScannedTransaction {
  /** The block's own hash for what came or went in a block without a transaction. */
  readonly txid: string;
  /**
   * Names under which the transaction can be one of ours, besides its txid: `tx:<txid>`, `safe:<safeTxHash>` (a Safe
   * transaction keeps its hash whoever relays it).
   */
  readonly refs: readonly string[];
  /** Outs first, then ins, in chain order. The relayer's gas is an `out` of the relayer with index `fee`. */
  readonly transfers: readonly ScannedTransfer[];
  /** Bitcoin only, when every input is ours: what the outputs leave of them. */
  readonly minerFee?: BaseUnits;
}

export interface ScannedBlock {
  readonly height: number;
  readonly hash: string;
  readonly parentHash: string;
  readonly timeMs: number;
  /** Only transactions that touch a watched address or carry a `safe:` ref of ours, in chain order. */
  readonly transactions: readonly ScannedTransaction[];
}
