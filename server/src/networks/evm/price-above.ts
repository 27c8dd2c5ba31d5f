import { bytesToHex } from '@noble/hashes/utils.js';
import { Transaction } from 'micro-eth-signer';

/** Wei per gas, EIP-1559. */
export interface GasPrice {
  /** The most that is paid, the tip among it. */
  readonly feePerGas: bigint;
  readonly tip: bigint;
}

/**
 * What a transaction offers in place of earlier ones with its nonce: nodes that hold one of those take it only when both
 * prices are a tenth higher (geth's txpool.pricebump), an eighth here.
 * @param wanted what it would offer without them.
 * @param earlier their bytes, EIP-2718.
 * @param ceiling of feePerGas; when it is too low, nodes refuse the transaction until they forget the earlier one.
 */
export function priceAbove(wanted: GasPrice, earlier: readonly Uint8Array[], ceiling: bigint): GasPrice {
  let { feePerGas, tip } = wanted;
  for (const bytes of earlier) {
    const { raw } = Transaction.fromHex(`0x${bytesToHex(bytes)}`);
    if (!('maxFeePerGas' in raw)) continue;
    feePerGas = larger(feePerGas, anEighthMore(raw.maxFeePerGas));
    tip = larger(tip, anEighthMore(raw.maxPriorityFeePerGas));
  }
  feePerGas = larger(feePerGas, tip);
  feePerGas = feePerGas < ceiling ? feePerGas : ceiling;
  return { feePerGas, tip: tip < feePerGas ? tip : feePerGas };
}

const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const anEighthMore = (price: bigint): bigint => price + (price + 7n) / 8n;
