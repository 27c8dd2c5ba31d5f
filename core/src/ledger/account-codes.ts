import type { AssetCode } from '../money/asset.ts';
import type { NetworkId } from '../money/network.ts';
import { invariant } from '../invariant.ts';

/**
 * Name of a ledger account: `hot:eip155:1:USDT`, `customer:cus_0190...:BTC`, `capital:ETH`. Kind first, asset last,
 * whose it is in between. Everything else about an account follows from its code.
 */
export type AccountCode = string;

/** The side on which an account's balance grows. */
export type NormalSide = 'debit' | 'credit';

interface AccountKind {
  readonly normal: NormalSide;
  /** Chain-mirroring and clearing accounts may pass below zero; what we owe and what is owed to us may not. */
  readonly allowNegative: boolean;
  readonly scope: 'network' | 'customer' | 'none';
}

/**
 * The chart of accounts. Debit-normal: what is where on the chains, what it cost, what customers owe us.
 * Credit-normal: what we owe to whom, and our own capital.
 */
const kinds = {
  /** Coins that the hot quorum can spend. */
  hot: { normal: 'debit', allowNegative: true, scope: 'network' },
  /** At sealed cold addresses, which only custodians spend from. */
  cold: { normal: 'debit', allowNegative: true, scope: 'network' },
  /** On EVM forwarders, not yet swept. */
  uncollected: { normal: 'debit', allowNegative: true, scope: 'network' },
  /** Gas float of the relayer. */
  relayer: { normal: 'debit', allowNegative: true, scope: 'network' },
  /** Left our wallets in a transaction of ours that is not settled. */
  in_flight: { normal: 'debit', allowNegative: true, scope: 'network' },
  /** Network fees, an expense. */
  fees_paid: { normal: 'debit', allowNegative: false, scope: 'network' },
  /** Left our wallets and nothing says why: an alarm. */
  unexplained: { normal: 'debit', allowNegative: true, scope: 'network' },
  /** A customer owes it: a credited deposit was reversed after it was spent. */
  receivable: { normal: 'debit', allowNegative: false, scope: 'customer' },
  /** What a customer can spend. */
  customer: { normal: 'credit', allowNegative: false, scope: 'customer' },
  /** Set aside for a customer's withdrawals under way. */
  hold: { normal: 'credit', allowNegative: false, scope: 'customer' },
  /** Deposits seen, not yet credited. */
  unconfirmed: { normal: 'credit', allowNegative: false, scope: 'network' },
  /** Arrived at our wallets and belongs to no deposit. */
  suspense: { normal: 'credit', allowNegative: true, scope: 'network' },
  /** Deposits set aside by screening or doubt. */
  quarantine: { normal: 'credit', allowNegative: false, scope: 'network' },
  /** Withdrawal fees charged. */
  fee_revenue: { normal: 'credit', allowNegative: false, scope: 'none' },
  /** The operator's own money. */
  capital: { normal: 'credit', allowNegative: true, scope: 'none' },
} as const satisfies Record<string, AccountKind>;

export type AccountKindName = keyof typeof kinds;

function code(kind: AccountKindName, owner: string | undefined, asset: AssetCode): AccountCode {
  const text = owner === undefined ? `${kind}:${asset}` : `${kind}:${owner}:${asset}`;
  parseAccountCode(text);
  return text;
}

/** Builders of the codes; each throws InvariantError when an argument contains what would make the code ambiguous. */
export const accountCodes = {
  hot: (network: NetworkId, asset: AssetCode) => code('hot', network, asset),
  cold: (network: NetworkId, asset: AssetCode) => code('cold', network, asset),
  uncollected: (network: NetworkId, asset: AssetCode) => code('uncollected', network, asset),
  relayer: (network: NetworkId, asset: AssetCode) => code('relayer', network, asset),
  inFlight: (network: NetworkId, asset: AssetCode) => code('in_flight', network, asset),
  feesPaid: (network: NetworkId, asset: AssetCode) => code('fees_paid', network, asset),
  unexplained: (network: NetworkId, asset: AssetCode) => code('unexplained', network, asset),
  receivable: (customerId: string, asset: AssetCode) => code('receivable', customerId, asset),
  customer: (customerId: string, asset: AssetCode) => code('customer', customerId, asset),
  hold: (customerId: string, asset: AssetCode) => code('hold', customerId, asset),
  unconfirmed: (network: NetworkId, asset: AssetCode) => code('unconfirmed', network, asset),
  suspense: (network: NetworkId, asset: AssetCode) => code('suspense', network, asset),
  quarantine: (network: NetworkId, asset: AssetCode) => code('quarantine', network, asset),
  feeRevenue: (asset: AssetCode) => code('fee_revenue', undefined, asset),
  capital: (asset: AssetCode) => code('capital', undefined, asset),
} as const;

export interface AccountTraits {
  readonly kind: AccountKindName;
  /** Network, customer id, or undefined for the accounts of the whole house. */
  readonly owner: string | undefined;
  readonly asset: AssetCode;
  readonly normal: NormalSide;
  readonly allowNegative: boolean;
}

const owners = {
  network: /^[a-z0-9]{3,8}:[A-Za-z0-9_-]{1,32}$/, // CAIP-2
  customer: /^[A-Za-z0-9_-]{1,64}$/,
} as const;

/**
 * What a code says about its account.
 * @throws InvariantError for a code that no builder makes.
 */
export function parseAccountCode(text: AccountCode): AccountTraits {
  const parts = text.split(':');
  const name = parts[0] ?? '';
  const asset = parts.length > 1 ? (parts.at(-1) ?? '') : '';
  invariant(Object.hasOwn(kinds, name) && /^[A-Za-z0-9._-]{1,32}$/.test(asset), `not an account code: ${text}`);
  const kind = name as AccountKindName;
  const { scope, normal, allowNegative } = kinds[kind];
  const owner = parts.length > 2 ? parts.slice(1, -1).join(':') : undefined;
  invariant(
    scope === 'none' ? owner === undefined : owner !== undefined && owners[scope].test(owner),
    `not an account code: ${text}`,
  );
  return { kind, owner, asset, normal, allowNegative };
}
