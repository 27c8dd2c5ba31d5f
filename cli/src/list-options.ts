import { Failure } from '@holdfast/core/failure.ts';
import { pageLimitMax } from '@holdfast/core/contract/page.ts';
import type { OptionValues } from './command.ts';

/** Options of the subcommands that list. */
export const listOptions = {
  customer: { type: 'string' },
  network: { type: 'string' },
  asset: { type: 'string' },
  state: { type: 'string' },
  limit: { type: 'string' },
  cursor: { type: 'string' },
} as const;

/** @throws Failure invalid-request. */
export function pageOf(values: OptionValues): { limit: number } {
  const text = values['limit'] ?? '20';
  const limit = typeof text === 'string' && /^[0-9]{1,3}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > pageLimitMax) {
    throw new Failure('invalid-request', `--limit must be 1 to ${pageLimitMax}`);
  }
  return { limit };
}

/** Last line of a list that has more. */
export function more(list: { next_cursor: string | null }): string {
  return list.next_cursor === null ? '' : `\n\nmore with --cursor ${list.next_cursor}`;
}
