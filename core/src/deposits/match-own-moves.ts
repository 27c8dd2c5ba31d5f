import type { ScannedTransfer } from '../chains/chain.ts';
import type { Family } from '../money/network.ts';
import type { WatchedKind } from './chain-account.ts';

/** Part of a transfer that left one of our wallets, and where it arrived; `to` null: at none of them. */
interface OwnMove {
  readonly transfer: ScannedTransfer;
  readonly from: WatchedKind;
  readonly to: WatchedKind | null;
  readonly amount: bigint;
}

/**
 * Where coins that leave a wallet may arrive without the signers: a forwarder pays the vault, an evacuation and a recovery
 * go to cold, a refill comes from there. On Bitcoin the vault's own coins come back as change only in what signers signed.
 */
function reach(from: WatchedKind, family: Family): readonly WatchedKind[] {
  if (from === 'deposit') return family === 'evm' ? ['hot', 'cold'] : ['cold'];
  if (from === 'hot') return ['cold'];
  return from === 'cold' ? ['cold', 'hot', 'relayer'] : [];
}

/** What each wallet that is no deposit address got of each asset, until it is taken. */
export interface Arrivals {
  /** Takes up to `amount` of what arrived. @returns how much there was. */
  readonly take: (kind: WatchedKind, asset: string, amount: bigint) => bigint;
}

/**
 * Pairs what left our wallets in a transaction with what arrived at them, asset by asset and in chain order.
 * @returns each part that left, and what arrived by none of them.
 */
export function matchOwnMoves(
  transfers: readonly ScannedTransfer[],
  kindOf: (transfer: ScannedTransfer) => WatchedKind | undefined,
  family: Family,
): { moves: OwnMove[]; unmatched: Arrivals } {
  const left = new Map<string, bigint>();
  const take: Arrivals['take'] = (kind, asset, amount) => {
    const has = left.get(`${kind} ${asset}`) ?? 0n;
    const taken = amount < has ? amount : has;
    left.set(`${kind} ${asset}`, has - taken);
    return taken;
  };
  for (const transfer of transfers) {
    const kind = kindOf(transfer);
    if (transfer.direction !== 'in' || kind === undefined || kind === 'deposit') continue;
    const key = `${kind} ${transfer.asset}`;
    left.set(key, (left.get(key) ?? 0n) + transfer.amount);
  }
  const moves: OwnMove[] = [];
  for (const transfer of transfers) {
    const from = kindOf(transfer);
    if (transfer.direction !== 'out' || from === undefined) continue;
    let rest: bigint = transfer.amount;
    for (const to of transfer.index === 'fee' ? [] : reach(from, family)) {
      const amount = take(to, transfer.asset, rest);
      if (amount > 0n) moves.push({ transfer, from, to, amount });
      rest -= amount;
    }
    if (rest > 0n) moves.push({ transfer, from, to: null, amount: rest });
  }
  return { moves, unmatched: { take } };
}
