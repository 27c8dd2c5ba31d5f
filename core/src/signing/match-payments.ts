import { Failure } from '../failure.ts';

/** What a decoded transaction pays, or what an intent asks for; `target` is the family's canonical address or script. */
export interface Payment {
  readonly asset: string;
  readonly target: string;
  readonly amount: bigint;
}

/**
 * Asserts that payments and intents are the same multiset: each intent paid once, each payment asked for.
 * @throws Failure output-unaccounted (a payment too many), payment-missing (an intent unpaid), payment-mismatch (both: a
 * payment differs from its intent in destination, asset or amount).
 */
export function matchPayments(intents: readonly Payment[], payments: readonly Payment[]): void {
  const open = new Map<string, number>();
  for (const intent of intents) open.set(nameOf(intent), (open.get(nameOf(intent)) ?? 0) + 1);
  const unaccounted: string[] = [];
  for (const payment of payments) {
    const name = nameOf(payment);
    const left = open.get(name) ?? 0;
    if (left === 0) unaccounted.push(name);
    else open.set(name, left - 1);
  }
  const missing = [...open].filter(([, count]) => count > 0).map(([name]) => name);
  const [extra] = unaccounted;
  const [unpaid] = missing;
  if (extra !== undefined && unpaid !== undefined) {
    throw new Failure('payment-mismatch', `the transaction pays ${extra}, the intents ask for ${unpaid}`);
  }
  if (extra !== undefined) throw new Failure('output-unaccounted', `no intent asks for ${extra}`);
  if (unpaid !== undefined) throw new Failure('payment-missing', `nothing pays ${unpaid}`);
}

function nameOf({ asset, target, amount }: Payment): string {
  return `${amount} ${asset} to ${target}`;
}
