import type { NetworkId } from './network.ts';

/** What a balance is in. The code is our own primary key: one asset may live on many networks. */
export type AssetCode = string;

export interface Asset {
  readonly code: AssetCode;
  readonly name: string;
  readonly decimals: number;
}

/** One asset on one network: a data row. Adding a token is adding a row. */
export interface AssetOnNetwork {
  readonly asset: AssetCode;
  readonly network: NetworkId;
  /** CAIP-19: `eip155:1/slip44:60`, `eip155:1/erc20:0xdac1...`, `bip122:.../slip44:0`. */
  readonly caip19: string;
  /** Token contract, EIP-55; null for the native coin. */
  readonly contract: string | null;
}
