import { formatUnits } from '@holdfast/core/money/base-units.ts';
import { type AssetName, decimalsOf } from '@holdfast/devnet/story/actors.ts';
import type { Adversary, Amounts, Attack, DrillRow, Outcome } from './attack.ts';

/** Holds an outcome against the attack's bound. An attack of which the signers recorded nothing fails too. */
export function judge(adversary: Adversary, attack: Attack, hot: Amounts, outcome: Outcome): DrillRow {
  const bound = attack.bound ?? {};
  const over = assetsOf(outcome.left).find((asset) => outcome.left[asset]! > (bound[asset] ?? 0n));
  let broken: string | null = null;
  if (over !== undefined) broken = `${amountText({ [over]: outcome.left[over]! })} left, over ${amountText(bound)}`;
  else if (outcome.evidence.length === 0) broken = 'the signers recorded nothing';
  else if (attack.haltWithinMs !== undefined && !((outcome.haltedAfterMs ?? Infinity) <= attack.haltWithinMs))
    broken = `halted after ${outcome.haltedAfterMs ?? 'never'}, allowed ${attack.haltWithinMs} ms`;
  else broken = lateness(attack, outcome);
  const shares = assetsOf(outcome.left).map((asset) => Number(outcome.left[asset]!) / Number(hot[asset] || 1n));
  return {
    adversary: adversary.number,
    attack: attack.name,
    left: outcome.left,
    bound,
    shareOfHot: Math.max(0, ...shares),
    haltedAfterMs: outcome.haltedAfterMs,
    evidence: outcome.evidence,
    afterMs: outcome.afterMs ?? {},
    notes: outcome.notes ?? [],
    broken,
  };
}

function lateness({ withinMs = {} }: Attack, { afterMs = {} }: Outcome): string | null {
  const late = Object.entries(withinMs).find(([what, allowed]) => !((afterMs[what] ?? Infinity) <= allowed));
  return late === undefined ? null : `${late[0]} after ${afterMs[late[0]] ?? 'never'}, allowed ${late[1]} ms`;
}

/** The row of an attack that threw: a drill that did not finish proves nothing. */
export function failedRow(adversary: Adversary, attack: Attack, error: unknown): DrillRow {
  const broken = `did not finish: ${error instanceof Error ? error.message : String(error)}`;
  const left = { left: {}, bound: attack.bound ?? {}, shareOfHot: 0 };
  const seen = { haltedAfterMs: null, evidence: [], afterMs: {}, notes: [] };
  return { adversary: adversary.number, attack: attack.name, ...left, ...seen, broken };
}

/** `0.5 ETH, 20 USDC`; `0` for nothing. */
export function amountText(amounts: Amounts): string {
  const parts = assetsOf(amounts)
    .filter((asset) => amounts[asset]! > 0n)
    .map((asset) => `${formatUnits(amounts[asset]!, decimalsOf[asset])} ${asset}`);
  return parts.length === 0 ? '0' : parts.join(', ');
}

function assetsOf(amounts: Amounts): AssetName[] {
  return Object.keys(amounts) as AssetName[];
}
