import { Failure } from '../failure.ts';
import type { JournalState } from './journal-state.ts';

/**
 * Refuses what a halt covers: everything, a network, or an asset.
 * @param network CAIP-2. @param assets CAIP-19 of what would be paid. @throws Failure halted, naming the halts.
 */
export function refuseHalted(state: JournalState, network: string, assets: readonly string[]): void {
  // The case of an address is its checksum: whoever halts a token in another spelling has halted it.
  const names = new Set(assets.map((asset) => asset.toLowerCase()));
  const covering = [...state.halts.values()].filter(({ statement: { scope } }) => {
    const coversNetwork = scope.network === null || scope.network.toLowerCase() === network.toLowerCase();
    const coversAsset = scope.asset === null || names.has(scope.asset.toLowerCase());
    return coversNetwork && coversAsset;
  });
  if (covering.length === 0) return;
  const reasons = covering.map(({ by, statement }) => `by ${by}: ${statement.reason}`);
  throw new Failure('halted', `halted ${reasons.slice(0, 5).join('; ')}`);
}
