import { invariant } from '../invariant.ts';

/** When what no block takes is offered again at a higher fee. */
export interface BumpRule {
  /** Blocks without it, and the time, before the first bump. Both double with each, up to eight times as much. */
  readonly afterBlocks: number;
  readonly afterMs: number;
  /** Bumps of one payment at the most. */
  readonly triesMax: number;
  /** By how much a fee rises at least. */
  readonly percent: number;
}

const backOffMax = 8;

/** Whether it is time for the bump after `tries` earlier ones. */
export function isBumpDue(
  waited: {
    readonly blocks: number;
    readonly ms: number;
    /** Bumps so far, refused ones too. */
    readonly tries: number;
    /** Nodes refuse the fee as too low: no block will come of waiting, only the back-off counts. */
    readonly feeRefused: boolean;
  },
  rule: BumpRule,
): boolean {
  if (waited.tries >= rule.triesMax) return false;
  const factor = Math.min(backOffMax, 2 ** waited.tries);
  if (waited.feeRefused) return waited.tries === 0 || waited.ms >= rule.afterMs * factor;
  return waited.blocks >= rule.afterBlocks * factor && waited.ms >= rule.afterMs * factor;
}

/** BIP-125 rule 4: each virtual byte pays the node's relay fee on top; Bitcoin Core's has been 1 sat/vB or less. */
const incrementalSatVb = 1;

/**
 * The rate at which a Bitcoin payment is offered next.
 * @param paid fee in satoshis and virtual bytes of the version before.
 * @param estimateSatVb for a soon block, the node's.
 * @param rateMaxSatVb the server's ceiling.
 * @returns whole sat/vB, enough for rules 3 and 4 of BIP-125; null when the ceiling leaves no room for that.
 */
export function bumpedRateSatVb(
  paid: { readonly feeSats: bigint; readonly vsize: number },
  estimateSatVb: number,
  rateMaxSatVb: number,
  percent: number,
): number | null {
  invariant(paid.feeSats >= 0n && paid.vsize > 0, `a fee of ${paid.feeSats} for ${paid.vsize} vB`);
  const rate = Number(paid.feeSats) / paid.vsize;
  const least = Math.ceil(rate) + incrementalSatVb;
  if (least > rateMaxSatVb) return null;
  return Math.min(rateMaxSatVb, Math.max(least, estimateSatVb, Math.ceil((rate * (100 + percent)) / 100)));
}
