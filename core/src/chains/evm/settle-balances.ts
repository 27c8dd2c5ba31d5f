import { invariant } from '../../invariant.ts';
import type { Movement } from './movements.ts';
import type { EvmBalanceDelta } from './node-block.ts';

/** What the balances of a block say about the movements that its logs and traces claim. */
export interface Settled {
  /** What arrived at its `to` by a movement: as much as it claims, or less. */
  readonly arrivedBy: (movement: Movement) => bigint;
  /** What left its `from`. */
  readonly leftBy: (movement: Movement) => bigint;
  /** Whether no balance says what the pair gained or lost: its movements are claims. */
  readonly isUnread: (contract: string | null, address: string) => boolean;
  /** What balances changed beyond all movements: more came (positive) or left (negative) than anything says. */
  readonly rest: readonly { readonly contract: string | null; readonly address: string; readonly amount: bigint }[];
}

export const pairKey = (contract: string | null, address: string): string =>
  `${contract ?? 'native'}:${address}`.toLowerCase();

/**
 * Compares, per token and watched address, what a block's movements claim with how the balance changed: a log can lie,
 * and a token can take a fee, follow an index or burn. What arrived is the change plus what left; it is shared out in
 * chain order, and what no movement explains is left as a rest. Movements and rests together equal the change exactly.
 * Where a token's balance is above its logs, a logged outflow is disbelieved before an arrival without a log is believed;
 * call frames are the node's own account of native coins, and are believed.
 * @param movements of the whole block, in chain order, none of an address to itself.
 * @param isJudged whether a pair's balance was read: asked with the lower-case address.
 */
export function settleBalances(
  movements: readonly Movement[],
  deltas: readonly EvmBalanceDelta[],
  isJudged: (contract: string | null, address: string) => boolean,
): Settled {
  const pairs = new Map<string, Pair>();
  const pairOf = (contract: string | null, address: string): Pair => {
    const key = pairKey(contract, address);
    const known = pairs.get(key) ?? { contract, address, ins: [], outs: [] };
    pairs.set(key, known);
    return known;
  };
  for (const { contract, address } of deltas) pairOf(contract?.toLowerCase() ?? null, address.toLowerCase());
  for (const movement of movements) {
    const { contract, from, to } = movement;
    if (isJudged(contract, from)) pairOf(contract, from).outs.push(movement);
    if (isJudged(contract, to)) pairOf(contract, to).ins.push(movement);
  }
  const changes = new Map(deltas.map(({ contract, address, delta }) => [pairKey(contract, address), delta]));
  const arrived = new Map<Movement, bigint>();
  const left = new Map<Movement, bigint>();
  const rest: { contract: string | null; address: string; amount: bigint }[] = [];
  for (const [key, { contract, address, ins, outs }] of pairs) {
    const change = changes.get(key);
    invariant(change !== undefined, `the caller read no balance change for ${key}`);
    if (change === null) continue;
    let surplus = take(ins, change + sum(outs), arrived);
    if (contract !== null && surplus > 0n) {
      const wentOut = sum(outs) - surplus;
      surplus = wentOut < 0n ? -wentOut : 0n;
      take(outs, wentOut, left);
    }
    if (surplus !== 0n) rest.push({ contract, address, amount: surplus });
  }
  return {
    arrivedBy: (movement) => arrived.get(movement) ?? movement.amount,
    leftBy: (movement) => left.get(movement) ?? movement.amount,
    isUnread: (contract, address) => changes.get(pairKey(contract, address)) === null,
    rest,
  };
}

interface Pair {
  readonly contract: string | null;
  readonly address: string;
  readonly ins: Movement[];
  readonly outs: Movement[];
}

const sum = (movements: readonly Movement[]): bigint => movements.reduce((total, { amount }) => total + amount, 0n);

/** Shares `total` out to movements in their order, each at most its claim. @returns what is left of it, or negative. */
function take(movements: readonly Movement[], total: bigint, into: Map<Movement, bigint>): bigint {
  let left = total;
  for (const movement of movements) {
    const part = left <= 0n ? 0n : left < movement.amount ? left : movement.amount;
    into.set(movement, part);
    left -= part;
  }
  return left;
}
