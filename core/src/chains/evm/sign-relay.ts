import { Transaction } from 'micro-eth-signer';

/** A call that any funded account may send; quantities in wei. */
export interface RelayCall {
  readonly chainId: bigint;
  readonly nonce: bigint;
  readonly to: string;
  /** 0x hex. */
  readonly data: string;
  readonly gasLimit: bigint;
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
}

/**
 * The EIP-1559 transaction of a call, signed (RFC 6979).
 * @param key 32 bytes, of the account that pays the gas.
 * @returns its bytes and its hash, both 0x hex.
 */
export function signRelay(call: RelayCall, key: Uint8Array): { readonly raw: string; readonly txid: string } {
  const signed = Transaction.prepare({ type: 'eip1559', value: 0n, ...call }).signBy(key, false);
  const hex = (text: string): string => `0x${text.replace(/^0x/, '')}`.toLowerCase();
  return { raw: hex(signed.toHex()), txid: hex(signed.hash) };
}
