import { comparePolicies, type PolicyChange } from '@holdfast/core/policy/compare-policies.ts';
import type { Policy } from '@holdfast/core/policy/policy.ts';
import type { Result } from './command.ts';
import { formatTable } from './format-table.ts';
import { readPolicyFile } from './policy-file.ts';

interface Difference {
  readonly effect: PolicyChange['effect'];
  /** From its arrival at a signer of the older version to its taking effect there. */
  readonly delay_s: number;
  readonly changes: readonly PolicyChange[];
}

/** `holdfast policy diff` */
export function policyDiff(oldFile: string, newFile: string): Result {
  const difference = differenceOf(readPolicyFile(oldFile).policy, readPolicyFile(newFile).policy);
  return { json: difference, text: formatDifference(difference) };
}

/** What changes, and when it would count. */
export function differenceOf(from: Policy, to: Policy): Difference {
  const changes = comparePolicies(from, to);
  const effect = changes.some((change) => change.effect === 'looser') ? 'looser' : 'tighter';
  return { effect, delay_s: effect === 'looser' ? from.delays.loosen_s : from.delays.tighten_s, changes };
}

export function formatDifference({ effect, delay_s: delayS, changes }: Difference): string {
  if (changes.length === 0) return `nothing changes; counts ${delayS} s after its arrival at a signer`;
  const table = formatTable(
    [{ title: 'EFFECT' }, { title: 'PATH' }, { title: 'FROM' }, { title: 'TO' }],
    changes.map((change) => [change.effect, change.path, JSON.stringify(change.from), JSON.stringify(change.to)]),
  );
  return `${table}\n\n${effect}: counts ${delayS} s after its arrival at a signer`;
}
