import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseId } from '@holdfast/core/contract/ids.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { Policy } from '@holdfast/core/policy/policy.ts';
import type { SettlementRecord } from '@holdfast/core/signing/customer-record.ts';
import { bitcoinNetworkId, evmNetworkId } from '@holdfast/devnet/configure.ts';
import type { ChildExit } from '@holdfast/devnet/processes.ts';
import { type AssetName, type Customer, outsideAddress, payDeposit } from '@holdfast/devnet/story/actors.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { type Step, steps } from '@holdfast/server/context.ts';
import { type Books, fund, openBooks, received, units, withdrawalBody } from '../support/payouts.ts';
import { relaxPolicy, type System, startSystem } from '../support/system.ts';

/**
 * One scenario, a new customer each time: addresses on both networks, a passkey, three deposits, a trade, three withdrawals
 * of which one needs an approval. It is run once without a kill and then with a server that kills itself at one place, is
 * started again, and kills itself at the next of its places; the books must end the same.
 */
const assets = ['ETH', 'USDC', 'BTC'] as const;
const deposited: Readonly<Record<(typeof assets)[number], string>> = { ETH: '3', USDC: '900', BTC: '0.4' };
const withdrawn: Readonly<Record<(typeof assets)[number], string>> = { ETH: '1.25', USDC: '333', BTC: '0.15' };

/** When the kill switch is set: at the beginning, before the withdrawals are asked for, or when they are in flight. */
type Armed = 'beginning' | 'requests' | 'in flight';
/** As the scenario passes them. */
const inOrder: readonly Step[] = [
  'address-before-insert',
  'address-before-activate',
  'record-before-commit',
  'record-after-commit',
  'tell-before-commit',
  'tell-after-commit',
  'block-before-apply',
  'block-before-commit',
  'block-after-commit',
  'credit-before-commit',
  'credit-after-commit',
  'sweep-before-commit',
  'sweep-after-commit',
  'broadcast-after-send',
  'broadcast-after-commit',
  'settle-before-commit',
  'settle-after-commit',
  'settlement-before-commit',
  'settlement-after-commit',
  'withdrawal-before-commit',
  'withdrawal-after-commit',
  'approval-before-commit',
  'approval-after-commit',
  'batch-before-commit',
  'batch-after-commit',
  'sign-before-request',
  'sign-after-quorum',
  'sign-before-commit',
  'sign-after-commit',
];
/** Steps that follow each other closely are in different runs, so that most deaths hit a server that has recovered. */
const chains = 4;
interface Run {
  readonly armed: Armed;
  readonly deaths: readonly Step[];
}
const runs: readonly Run[] = [
  ...Array.from({ length: chains }, (_, chain) => ({
    armed: 'beginning' as const,
    deaths: inOrder.filter((_step, at) => at % chains === chain),
  })),
  // Flows that a deposit passes first (its sweep is broadcast and settled too) are killed in a withdrawal as well.
  { armed: 'requests', deaths: ['broadcast-after-send', 'broadcast-after-commit'] },
  {
    armed: 'in flight',
    deaths: [
      'block-before-apply',
      'block-before-commit',
      'block-after-commit',
      'settle-before-commit',
      'settle-after-commit',
    ],
  },
];

let system: System;
let books: Books;
let undisturbed: Outcome;
/** Whom all customers trade with. */
let treasury: Customer;
/** Batches of the engine so far. */
let trades = 0;

function oneApproval(policy: Policy): void {
  relaxPolicy(policy);
  for (const network of policy.networks) {
    for (const asset of network.family === 'evm' ? network.assets : []) {
      if (asset.code === 'ETH')
        asset.approval_tiers = [{ above: units('ETH', '1').toString(), approvals: 1, offline: 0 }];
    }
  }
}

beforeAll(async () => {
  system = await startSystem({ policy: oneApproval });
  books = openBooks(system);
  // One coin larger than all others, so that every Bitcoin payment has one input.
  treasury = await system.newCustomer('treasury');
  await fund(system, treasury, { BTC: '20', ETH: '50', USDC: '50000' });
  undisturbed = (await play(null)).outcome;
});
afterAll(async () => {
  await books?.close();
  await system?.stop();
});

describe('a server killed with SIGKILL', () => {
  it('has something to compare with', () => {
    expect(undisturbed).toMatchObject({
      customer: {
        'customer:ETH': (units('ETH', '1.8') - units('ETH', '0.0004')).toString(),
        'customer:USDC': units('USDC', '466').toString(),
        'customer:BTC': (units('BTC', '0.25') - units('BTC', '0.00002')).toString(),
        'hold:ETH': '0',
        'hold:USDC': '0',
        'hold:BTC': '0',
      },
      withdrawals: ['BTC settled', 'ETH settled', 'USDC settled'],
      deposits: ['BTC credited 1', 'ETH credited 1', 'USDC credited 1'],
    });
  });

  it('has every step in one of the runs', () => {
    expect(inOrder.toSorted()).toEqual(steps.toSorted());
  });

  it.each(runs)('armed at the $armed, at $deaths, ends as without a kill', async (run) => {
    const { outcome, exits } = await play(run);
    expect(exits).toEqual(run.deaths.map(() => ({ code: null, signal: 'SIGKILL' })));
    expect(outcome).toEqual(undisturbed);
  });
});

/** What a scenario leaves behind, without ids, network fees and heights. */
interface Outcome {
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

async function play(run: Run | null): Promise<{ outcome: Outcome; exits: ChildExit[] }> {
  const life = run === null ? null : mortal(run.deaths);
  const arm = async (at: Armed): Promise<void> => {
    if (run?.armed === at) await life?.arm();
  };
  const insist = <T>(call: () => Promise<T>): Promise<T> => (life === null ? call() : life.insist(call));
  const since = await lastIds();
  const before = await houseBalances();
  const tag = randomBytes(6).toString('hex');

  await arm('beginning');
  const customer = await join(tag, insist);
  const enrolment = system.enrolment(customer.id);
  await insist(() => system.client.createCustomerRecord(enrolment, { idempotencyKey: `e-${tag}` }));
  for (const asset of assets) await payDeposit(system, customer, asset, deposited[asset]);
  await mineUntilRow(
    `three deposits credited and collected`,
    `select 1 where
    (select count(*) from deposit where customer_id = $1 and state = 'credited' and (network not like 'eip155:%' or sweep_id is not null)) = 3
    and not exists (select from chain_transaction where state in ('built', 'signed', 'broadcast', 'included'))`,
    [parseId('cus', customer.id)],
  );

  const trade = system.settlement((trades += 1), tradeOf(customer));
  await insist(() => system.client.createSettlement(trade, { idempotencyKey: `t-${tag}` }));

  await arm('requests');
  const destinations = new Map<AssetName, string>();
  for (const asset of assets) destinations.set(asset, await outsideAddress(system, asset));
  const bodies = assets.map((asset) =>
    withdrawalBody(system, customer, asset, withdrawn[asset], destinations.get(asset)!),
  );
  const requested = await Promise.all(
    bodies.map((body) =>
      insist(() => system.client.createWithdrawal(body, { idempotencyKey: `wd-${body.client_reference}` })),
    ),
  );
  const { id } = requested[assets.indexOf('ETH')]!;
  const [assertion] = system.approve(bodies[assets.indexOf('ETH')]!.intent);
  await insist(() => system.client.approveWithdrawal({ id, assertion: assertion! }, { idempotencyKey: `ap-${tag}` }));
  if (run?.armed === 'in flight') {
    // Ether that is approved after the batch with the dollars has left waits for the next block.
    await untilRow(
      'withdrawals in flight on both networks',
      `select 1 from withdrawal w join chain_transaction t on t.id = w.transaction_id
      where w.customer_id = $1 and t.state = 'broadcast' having count(distinct t.network) = 2`,
      [parseId('cus', customer.id)],
    );
    await arm('in flight');
  }
  await mineUntilRow(
    'three withdrawals settled',
    `select 1 from withdrawal where customer_id = $1 and state = 'settled' having count(*) = 3`,
    [parseId('cus', customer.id)],
  );
  await life?.over();
  await system.followed();
  await system.mustBalance();
  for (const asset of assets) {
    expect(await received(system, asset, destinations.get(asset)!)).toBe(units(asset, withdrawn[asset]));
  }
  return { outcome: await outcomeOf(customer, before, since), exits: life?.exits ?? [] };
}

/** The server under test: dies at each of the steps once, in their order, and is started again whenever that happens. */
function mortal(deaths: readonly Step[]) {
  const exits: ChildExit[] = [];
  const [first, ...others] = deaths;
  const left = [...others];
  let revived: Promise<unknown> = Promise.resolve();
  const start = async (killAt: Step | undefined): Promise<void> => {
    const child = await system.startServer(killAt === undefined ? {} : { killAt });
    if (killAt === undefined) return;
    revived = child.exited.then(async (exit) => {
      exits.push(exit);
      await start(left.shift());
    });
    // Awaited by whoever calls the server next; this keeps a failure from ending the test run before.
    revived.catch(() => undefined);
  };
  return {
    exits,
    async arm(): Promise<void> {
      await system.followed();
      await system.server().stop();
      await start(first);
    },
    /** A request that the death interrupts is sent again, the very same. */
    async insist<T>(call: () => Promise<T>): Promise<T> {
      for (let attempt = 0; attempt < 10; attempt++) {
        try {
          return await call();
        } catch (error) {
          if (!(error instanceof Failure) || !['outcome_unknown', 'server-unavailable'].includes(error.code))
            throw error;
          await revived;
        }
      }
      throw new Error('the server does not come back');
    },
    async over(): Promise<void> {
      await awaitCondition(`death at ${deaths.join(', ')}`, async () => exits.length === deaths.length, 5_000, 20);
      await revived;
    },
  };
}

async function join(tag: string, insist: <T>(call: () => Promise<T>) => Promise<T>): Promise<Customer> {
  const { id } = await insist(() =>
    system.client.createCustomer({ client_reference: `kill-${tag}` }, { idempotencyKey: `c-${tag}` }),
  );
  const addresses = new Map<string, string>();
  for (const network of [evmNetworkId, bitcoinNetworkId]) {
    const issued = await insist(() =>
      system.client.issueDepositAddress({ customer: id, network }, { idempotencyKey: `a-${tag}-${network}` }),
    );
    addresses.set(network, issued.address);
  }
  return { name: tag, id, addresses };
}

/** The treasury buys 100 USDC for 0.05 ETH. */
function tradeOf({ id }: Customer): SettlementRecord['entries'] {
  const [ether, dollars] = [units('ETH', '0.05'), units('USDC', '100')];
  return [
    { customer: id, asset: 'USDC', amount: `-${dollars}` },
    { customer: treasury.id, asset: 'USDC', amount: `${dollars}` },
    { customer: treasury.id, asset: 'ETH', amount: `-${ether}` },
    { customer: id, asset: 'ETH', amount: `${ether}` },
  ];
}

// The database is asked and not the API, which is away while the server is dead.
async function untilRow(what: string, text: string, values: readonly string[]): Promise<void> {
  await awaitCondition(what, async () => (await books.db.query(text, values)).length > 0, 30_000, 30);
}

async function mineUntilRow(what: string, text: string, values: readonly string[]): Promise<void> {
  await system.mineUntil(what, async () => (await books.db.query(text, values)).length > 0);
}

async function lastIds(): Promise<{ transfer: bigint; event: string }> {
  const [row] = await books.db.query<{ transfer: bigint; event: string }>(
    `select (select coalesce(max(id), 0) from transfer) as transfer, (select coalesce(max(id::text), '') from event) as event`,
  );
  return row!;
}

async function houseBalances(): Promise<Map<string, bigint>> {
  const rows = await books.db.query<{ code: string; balance: bigint }>(
    `select code, balance from account where code not like 'customer:%' and code not like 'hold:%' and code not like 'receivable:%'`,
  );
  return new Map(rows.map((row) => [row.code, row.balance]));
}

async function outcomeOf(
  customer: Customer,
  before: ReadonlyMap<string, bigint>,
  since: { transfer: bigint; event: string },
): Promise<Outcome> {
  const own = await books.db.query<{ code: string; balance: bigint }>(
    `select code, balance from account where split_part(code, ':', 2) = $1 order by code`,
    [customer.id],
  );
  const house = new Map<string, bigint>();
  for (const [code, balance] of await houseBalances()) {
    // Who pays a fee and how much depends on the batches; only their sum must be right.
    const feePayer = code.startsWith(`fees_paid:${bitcoinNetworkId}`)
      ? `hot:${bitcoinNetworkId}:BTC`
      : `relayer:${evmNetworkId}:ETH`;
    const name = code.startsWith('fees_paid:') ? feePayer : code;
    house.set(name, (house.get(name) ?? 0n) + balance - (before.get(code) ?? 0n));
  }
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
    [since.transfer],
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
    house: Object.fromEntries(
      [...house]
        .filter(([, delta]) => delta !== 0n)
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([code, delta]) => [code, delta.toString()]),
    ),
    deposits: deposits.map((row) => row.text),
    withdrawals: withdrawals.map((row) => row.text),
    postings: Object.fromEntries(postings.map((row) => [row.text, row.count])),
    events: Object.fromEntries(events.map((row) => [row.type, row.count])),
  };
}
