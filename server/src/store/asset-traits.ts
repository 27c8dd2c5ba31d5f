/** What the reads add to rows from the configuration. */
export interface AssetTraits {
  /** Decimals of an asset code. */
  readonly decimalsOf: (asset: string) => number;
  /** Asset code in which a network charges its fees. */
  readonly nativeAssetOf: (network: string) => string;
}
