/** One hash that each custodian signs, and how. */
export interface HashToSign {
  readonly scheme: 'ecdsa' | 'schnorr' | 'safe';
  /** 32 bytes. */
  readonly hash: Uint8Array;
}

/** A request as a custodian's machine has decoded it, by itself and to the last byte. */
export interface ColdReading {
  /** 64 hex digits. */
  readonly digest: string;
  /** What is shown, in this order and in full. */
  readonly lines: readonly (readonly [label: string, text: string])[];
  /** Names of the coins or of the nonce that it uses up: of two requests that share one, the chain takes one. */
  readonly spends: readonly string[];
  readonly hashes: readonly HashToSign[];
}

/** What a chain's inspector gives of it. */
export type ChainReading = Omit<ColdReading, 'digest'>;
