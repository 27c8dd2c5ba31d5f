import { canonicalJson } from '../signing/intent.ts';
import { compactTarget } from './compact-target.ts';
import { neededApprovals } from './needed-approvals.ts';
import type { ApprovalTier, Policy } from './policy.ts';

export interface PolicyChange {
  /** Like `networks[eip155:1].assets[eip155:1/slip44:60].limits.per_day_max`: lists by what names their entries. */
  readonly path: string;
  /** JSON value; null where there was or is none. */
  readonly from: unknown;
  readonly to: unknown;
  readonly effect: 'tighter' | 'looser';
}

/** How a field's change is judged. A field without a rule is looser by any change. */
type Rule =
  /** A smaller number is tighter. */
  | 'lower'
  | 'higher'
  /** Compact target of a header: a smaller target is tighter. */
  | 'harder'
  /** `false` is tighter. */
  | 'off'
  | 'tiers'
  /** A list whose order says nothing, entries named by `key` or by all they hold: fewer, or more, are tighter. */
  | { readonly tighter: 'fewer' | 'more'; readonly key?: string };

/**
 * By path, lists as `[]`. What is not here may let something pass that was refused, in either direction: an engine's key
 * takes positions from customers as well as it gives them, a credential's delay also delays its removal, and deeper
 * finality finds a foreign payment later.
 */
const rules: Readonly<Record<string, Rule>> = {
  'administrators.quorum': 'higher',
  'administrators.keys': { tighter: 'fewer', key: 'key_id' },
  'delays.tighten_s': 'lower',
  'delays.loosen_s': 'higher',
  'webauthn.customers.origins': { tighter: 'fewer' },
  'webauthn.approvals.origins': { tighter: 'fewer' },
  approvers: { tighter: 'fewer', key: 'id' },
  'approvers[].offline': 'off',
  operators: { tighter: 'more', key: 'id' },
  halt_keys: { tighter: 'more', key: 'key_id' },
  'resume.approvals': 'higher',
  integrator_keys: { tighter: 'fewer', key: 'key_id' },
  'integrator_keys[].may': { tighter: 'fewer' },
  intent_s_max: 'lower',
  'destinations.delay_s': 'higher',
  'positions.approvals': 'higher',
  'builds.permitted': { tighter: 'fewer' },
  'builds.soak_s': 'higher',
  networks: { tighter: 'fewer', key: 'network' },
  'networks[].node_faults': 'higher',
  'networks[].block_age_s_max': 'lower',
  'networks[].burial_endpoints_min': 'higher',
  'networks[].deposit_confirmations': 'higher',
  'networks[].cold_addresses': { tighter: 'fewer' },
  'networks[].allowed_calls': { tighter: 'fewer' },
  'networks[].assets': { tighter: 'fewer', key: 'asset' },
  ...assetRules('networks[].'),
  ...assetRules('networks[].assets[].'),
  'networks[].fee_rate_percent_max': 'lower',
  'networks[].fee_rate_fallback_sat_vb': 'lower',
  'networks[].fee_rate_max_sat_vb': 'lower',
  'networks[].fee_max_sats': 'lower',
  'networks[].fee_per_day_max_sats': 'lower',
  'networks[].evacuation_fee_per_day_max_sats': 'lower',
  'networks[].consolidation.inputs_min': 'higher',
  'networks[].consolidation.fee_rate_max_sat_vb': 'lower',
  'networks[].min_confirmations': 'higher',
  'networks[].easiest_bits': 'harder',
};

function assetRules(prefix: string): Record<string, Rule> {
  const fields = ['per_transaction_max', 'per_hour_max', 'per_day_max'];
  const paths = ['limits', 'integrator_limits'].flatMap((limits) =>
    fields.map((field) => `${prefix}${limits}.${field}`),
  );
  return {
    ...Object.fromEntries([...paths, `${prefix}degraded_per_day_max`].map((path) => [path, 'lower' as const])),
    [`${prefix}approval_tiers`]: 'tiers',
    [`${prefix}hot.ceiling_bps`]: 'lower',
    [`${prefix}hot.skim_min`]: 'higher',
    [`${prefix}hot.skims_per_day_max`]: 'lower',
  };
}

interface Place {
  readonly path: string;
  readonly pattern: string;
}

/**
 * What changes from one version to the next, `version` and `previous` aside. Whatever is not provably tighter is looser:
 * with none looser, what the one refuses (a payment, a resumption, a change of the policy itself) the other refuses too.
 * A field whose text changes and whose meaning does not is tighter.
 */
export function comparePolicies(from: Policy, to: Policy): PolicyChange[] {
  const { version: _fromVersion, previous: _fromPrevious, ...before } = from;
  const { version: _toVersion, previous: _toPrevious, ...after } = to;
  return compare(before, after, { path: '', pattern: '' });
}

function compare(from: unknown, to: unknown, place: Place): PolicyChange[] {
  const rule = Object.hasOwn(rules, place.pattern) ? rules[place.pattern] : undefined;
  if (typeof rule === 'object' && Array.isArray(from) && Array.isArray(to)) {
    const changes = compareEntries(from, to, rule, place);
    if (changes !== undefined) return changes;
  }
  if (rule === undefined && isRecord(from) && isRecord(to)) {
    return [...new Set([...Object.keys(from), ...Object.keys(to)])].flatMap((field) =>
      compare(own(from, field), own(to, field), inside(place, field)),
    );
  }
  if (sameJson(from, to)) return [];
  const tighter = typeof rule === 'string' && from !== undefined && to !== undefined && isTighter(rule, from, to);
  return [change(place.path, from, to, tighter ? 'tighter' : 'looser')];
}

/** Undefined when entries have no name or share one: then the list is compared as a whole. */
function compareEntries(
  from: readonly unknown[],
  to: readonly unknown[],
  rule: { readonly tighter: 'fewer' | 'more'; readonly key?: string },
  place: Place,
): PolicyChange[] | undefined {
  const before = byName(from, rule.key);
  const after = byName(to, rule.key);
  if (before === undefined || after === undefined) return undefined;
  const [removed, added] =
    rule.tighter === 'fewer' ? (['tighter', 'looser'] as const) : (['looser', 'tighter'] as const);
  const changes: PolicyChange[] = [];
  for (const [name, entry] of before) {
    const path = `${place.path}[${name}]`;
    if (!after.has(name)) changes.push(change(path, entry, null, removed));
    else changes.push(...compare(entry, after.get(name), { path, pattern: `${place.pattern}[]` }));
  }
  for (const [name, entry] of after) {
    if (!before.has(name)) changes.push(change(`${place.path}[${name}]`, null, entry, added));
  }
  return changes;
}

function byName(entries: readonly unknown[], key: string | undefined): Map<string, unknown> | undefined {
  const named = new Map<string, unknown>();
  for (const entry of entries) {
    const name = key === undefined ? (typeof entry === 'string' ? entry : canonicalJson(entry)) : nameOf(entry, key);
    if (name === undefined || named.has(name)) return undefined;
    named.set(name, entry);
  }
  return named;
}

function nameOf(entry: unknown, key: string): string | undefined {
  const name = isRecord(entry) ? own(entry, key) : undefined;
  return typeof name === 'string' ? name : undefined;
}

function isTighter(rule: Extract<Rule, string>, from: unknown, to: unknown): boolean {
  switch (rule) {
    case 'lower':
      return BigInt(to as string | number) < BigInt(from as string | number);
    case 'higher':
      return BigInt(to as string | number) > BigInt(from as string | number);
    case 'harder': {
      const [before, after] = [compactTarget(from as string), compactTarget(to as string)];
      return before !== null && after !== null && after <= before;
    }
    case 'off':
      return from === true && to === false;
    case 'tiers':
      return askAtLeast(to as ApprovalTier[], from as ApprovalTier[]);
  }
}

/** What is needed changes only right above a tier's threshold, so comparing there compares it for every amount. */
function askAtLeast(tiers: readonly ApprovalTier[], before: readonly ApprovalTier[]): boolean {
  return [...tiers, ...before].every(({ above }) => {
    const amount = BigInt(above) + 1n;
    const now = neededApprovals({ approval_tiers: tiers }, amount);
    const then = neededApprovals({ approval_tiers: before }, amount);
    return now.approvals >= then.approvals && now.offline >= then.offline;
  });
}

function change(path: string, from: unknown, to: unknown, effect: PolicyChange['effect']): PolicyChange {
  return { path, from: from ?? null, to: to ?? null, effect };
}

function inside({ path, pattern }: Place, field: string): Place {
  return path === '' ? { path: field, pattern: field } : { path: `${path}.${field}`, pattern: `${pattern}.${field}` };
}

function own(record: Record<string, unknown>, field: string): unknown {
  return Object.hasOwn(record, field) ? record[field] : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function sameJson(a: unknown, b: unknown): boolean {
  if (a === undefined || b === undefined) return a === b;
  return canonicalJson(a) === canonicalJson(b);
}
