import { Failure } from '../failure.ts';
import type { AssetCode } from '../money/asset.ts';

/** One asset in two books, base units. */
export interface BookDifference {
  readonly asset: AssetCode;
  /** What the engine says that it owes customers. */
  readonly engine: bigint;
  /** What our ledger owes them at the same entry. */
  readonly ledger: bigint;
  /** Engine less ledger. */
  readonly difference: bigint;
}

/**
 * Compares what the engine owes with what the ledger owes, asset by asset; an asset that one of them lacks is 0 there.
 * Trades do not show: they move within an asset's sum.
 * @throws Failure statement-invalid for an asset that is named twice.
 */
export function compareBooks(
  engine: readonly { readonly asset: AssetCode; readonly liability: string }[],
  ledger: ReadonlyMap<AssetCode, bigint>,
): BookDifference[] {
  const said = new Map(engine.map(({ asset, liability }) => [asset, BigInt(liability)]));
  if (said.size !== engine.length) throw new Failure('statement-invalid', 'the statement names an asset twice');
  return [...new Set([...said.keys(), ...ledger.keys()])].sort().map((asset) => {
    const [theirs, ours] = [said.get(asset) ?? 0n, ledger.get(asset) ?? 0n];
    return { asset, engine: theirs, ledger: ours, difference: theirs - ours };
  });
}
