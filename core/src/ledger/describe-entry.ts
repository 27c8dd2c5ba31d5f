import { type AccountCode, parseAccountCode } from './account-codes.ts';

/** A transfer as an engine that owns the balances is told of it. */
export interface DescribedEntry {
  readonly kind: 'credit' | 'uncredit' | 'reserve' | 'commit' | 'uncommit' | 'release' | 'settlement' | 'other';
  /** UUIDs. */
  readonly deposit: string | null;
  readonly withdrawal: string | null;
  readonly changes: readonly {
    readonly customer: string;
    readonly part: 'available' | 'held' | 'owed';
    /** Base units, signed. */
    readonly amount: bigint;
  }[];
}

const parts = { customer: 'available', hold: 'held', receivable: 'owed' } as const;

/** By the transfer's key and accounts: what kind of change it is, whose deposit or withdrawal it belongs to, and what it does to customers. */
export function describeEntry(transfer: {
  readonly idem: string;
  readonly debit: AccountCode;
  readonly credit: AccountCode;
  readonly amount: bigint;
}): DescribedEntry {
  const { idem, debit, credit, amount } = transfer;
  const words = idem.split('/');
  const [first, second, third] = words;
  const described = kindOf(words);
  const isDeposit = described === 'credit' || described === 'uncredit';
  const ofWithdrawal = { reserve: second, release: second, commit: second, uncommit: third } as const;
  return {
    kind: described,
    deposit: isDeposit && first !== undefined ? (second ?? null) : null,
    withdrawal: (described in ofWithdrawal ? ofWithdrawal[described as keyof typeof ofWithdrawal] : undefined) ?? null,
    changes: [...changeOf(debit, -amount), ...changeOf(credit, amount)],
  };
}

function kindOf([first, , third]: readonly string[]): DescribedEntry['kind'] {
  if (first === 'credit' || first === 'uncredit' || first === 'settlement') return first;
  if (first === 'settle') return 'commit';
  if (first === 'unsettle') return 'uncommit';
  if (first === 'withdrawal') return third === 'hold' ? 'reserve' : 'release';
  return 'other';
}

function changeOf(code: AccountCode, toCreditSide: bigint): DescribedEntry['changes'] {
  const { kind, owner, normal } = parseAccountCode(code);
  if (kind !== 'customer' && kind !== 'hold' && kind !== 'receivable') return [];
  return [{ customer: owner ?? '', part: parts[kind], amount: normal === 'credit' ? toCreditSide : -toCreditSide }];
}
