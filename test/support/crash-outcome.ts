import { parseId } from '@holdfast/core/contract/ids.ts';
import { bitcoinNetworkId, evmNetworkId } from '@holdfast/devnet/configure.ts';
import type { Customer } from '@holdfast/devnet/story/actors.ts';
import type { Books } from './payouts.ts';

/** What a scenario leaves behind, without ids, network fees and heights. */
export interface Outcome {
  /** Balances by account kind and asset. */
  readonly customer: Readonly<Record<string, string>>;
  /** By how much the accounts of the house changed; network fees are added back to the account that paid them. */
  readonly house: Readonly<Record<string, string>>;
  readonly deposits: readonly string[];
  readonly withdrawals: readonly string[];
  /** Postings by what moved from where to where. */
  readonly postings: Readonly<Record<string, number>>;
  /** How often each kind of event was told of the customer's deposits and withdrawals. */
  readonly events: Readonly<Record<string, number>>;
}

/** Where the books are before a scenario. */
export interface Marks {
  readonly transfer: bigint;
  readonly house: ReadonlyMap<string, bigint>;
}

export async function markBooks(books: Books): Promise<Marks> {
  const [row] = await books.db.query<{ transfer: bigint }>('select coalesce(max(id), 0) as transfer from transfer');
  return { transfer: row!.transfer, house: await houseBalances(books) };
}

async function houseBalances(books: Books): Promise<Map<string, bigint>> {
  const rows = await books.db.query<{ code: string; balance: bigint }>(
    `select code, balance from account where code not like 'customer:%' and code not like 'hold:%' and code not like 'receivable:%'`,
  );
  return new Map(rows.map((row) => [row.code, row.balance]));
}

async function houseChanges(books: Books, before: ReadonlyMap<string, bigint>): Promise<Record<string, string>> {
  const house = new Map<string, bigint>();
  for (const [code, balance] of await houseBalances(books)) {
    // Who pays a fee and how much depends on the batches; only their sum must be right.
    const feePayer = code.startsWith(`fees_paid:${bitcoinNetworkId}`)
      ? `hot:${bitcoinNetworkId}:BTC`
      : `relayer:${evmNetworkId}:ETH`;
    const name = code.startsWith('fees_paid:') ? feePayer : code;
    house.set(name, (house.get(name) ?? 0n) + balance - (before.get(code) ?? 0n));
  }
  return Object.fromEntries(
    [...house]
      .filter(([, delta]) => delta !== 0n)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([code, delta]) => [code, delta.toString()]),
  );
}

export async function outcomeOf(books: Books, customer: Customer, marks: Marks): Promise<Outcome> {
  const own = await books.db.query<{ code: string; balance: bigint }>(
    `select code, balance from account where split_part(code, ':', 2) = $1 order by code`,
    [customer.id],
  );
  const id = parseId('cus', customer.id);
  const deposits = await books.db.query<{ text: string }>(
    `select asset || ' ' || state || ' ' || credits as text from deposit where customer_id = $1 order by asset`,
    [id],
  );
  const withdrawals = await books.db.query<{ text: string }>(
    `select asset || ' ' || state as text from withdrawal where customer_id = $1 order by asset`,
    [id],
  );
  const postings = await books.db.query<{ text: string; count: number }>(
    `select split_part(d.code, ':', 1) || ' > ' || split_part(c.code, ':', 1) || ' ' || d.asset as text, count(*)::int as count
       from transfer t join account d on d.id = t.debit join account c on c.id = t.credit
      where t.id > $1 and d.code not like 'fees_paid:%' group by 1 order by 1`,
    [marks.transfer],
  );
  const events = await books.db.query<{ type: string; count: number }>(
    // A server that died between sending and noting does not know whether a node took it: it is uncertain then, first or for good.
    `select type, count(*)::int as count from (
       select case when e.type = 'withdrawal.uncertain' then 'withdrawal.broadcast' else e.type end as type,
              case when e.type in ('withdrawal.broadcast', 'withdrawal.uncertain') then e.resource_id else e.id::text end as told
         from event e
        where e.resource_id in (select id::text from deposit where customer_id = $1 union select id::text from withdrawal where customer_id = $1
                                union select id::text from deposit_address where customer_id = $1
                                union select id::text from customer_record where customer_id = $1) group by 1, 2) as events group by 1 order by 1`,
    [id],
  );
  return {
    customer: Object.fromEntries(own.map((row) => [row.code.replace(`${customer.id}:`, ''), row.balance.toString()])),
    house: await houseChanges(books, marks.house),
    deposits: deposits.map((row) => row.text),
    withdrawals: withdrawals.map((row) => row.text),
    postings: Object.fromEntries(postings.map((row) => [row.text, row.count])),
    events: Object.fromEntries(events.map((row) => [row.type, row.count])),
  };
}
