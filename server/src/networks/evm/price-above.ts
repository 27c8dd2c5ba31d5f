import { invariant } from '@holdfast/core/invariant.ts';
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
 * @param ceiling of feePerGas, null for none; when it is too low, nodes refuse the transaction until they forget the earlier one.
 */
export function priceAbove(wanted: GasPrice, earlier: readonly Uint8Array[], ceiling: bigint | null): GasPrice {
  let { feePerGas, tip } = wanted;
  for (const bytes of earlier) {
    const { raw } = Transaction.fromHex(`0x${bytesToHex(bytes)}`);
    if (!('maxFeePerGas' in raw)) continue;
    feePerGas = larger(feePerGas, anEighthMore(raw.maxFeePerGas));
    tip = larger(tip, anEighthMore(raw.maxPriorityFeePerGas));
  }
  feePerGas = larger(feePerGas, tip);
  feePerGas = ceiling === null || feePerGas < ceiling ? feePerGas : ceiling;
  return { feePerGas, tip: tip < feePerGas ? tip : feePerGas };
}

/** The call that bytes (EIP-2718) of the relayer carry, with its nonce and price. */
export function callOf(bytes: Uint8Array) {
  const { raw } = Transaction.fromHex(`0x${bytesToHex(bytes)}`);
  invariant('maxFeePerGas' in raw, 'the relayer signs EIP-1559 transactions only');
  return {
    nonce: raw.nonce,
    to: raw.to,
    data: raw.data,
    gasLimit: raw.gasLimit,
    price: { feePerGas: raw.maxFeePerGas, tip: raw.maxPriorityFeePerGas },
  };
}

const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const anEighthMore = (price: bigint): bigint => price + (price + 7n) / 8n;
