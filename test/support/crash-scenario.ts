import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { errorRow } from '@holdfast/core/contract/error-codes.ts';
import { parseId } from '@holdfast/core/contract/ids.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { Policy } from '@holdfast/core/policy/policy.ts';
import type { SettlementRecord } from '@holdfast/core/signing/customer-record.ts';
import { bitcoinNetworkId, evmNetworkId } from '@holdfast/devnet/configure.ts';
import type { DevnetOptions } from '@holdfast/devnet/devnet.ts';
import { type AssetName, type Customer, outsideAddress, payDeposit } from '@holdfast/devnet/story/actors.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { type Marks, type Outcome, markBooks, outcomeOf } from './crash-outcome.ts';
import { type Books, fund, openBooks, received, units, withdrawalBody } from './payouts.ts';
import { relaxPolicy, type System, startSystem } from './system.ts';

/**
 * One scenario, a new customer each time: addresses on both networks, a passkey, three deposits, a trade, three withdrawals
 * of which one needs an approval. It is played once without a kill and then with kills; the books must end the same.
 */
const assets = ['ETH', 'USDC', 'BTC'] as const;
const deposited: Readonly<Record<(typeof assets)[number], string>> = { ETH: '3', USDC: '900', BTC: '0.4' };
const withdrawn: Readonly<Record<(typeof assets)[number], string>> = { ETH: '1.25', USDC: '333', BTC: '0.15' };

/** Many processes are started again meanwhile. */
const withinMs = 180_000;

/** When kills are prepared: at the beginning, before the withdrawals are asked for, or when they are in flight. */
export type Armed = 'beginning' | 'requests' | 'in flight';

/** What goes wrong during the scenario. */
export interface Trouble {
  arm(at: Armed): Promise<void>;
  /** What the world outside does to the nodes; not while one of them is dead, since others have nodes of their own. */
  outside<T>(act: () => Promise<T>): Promise<T>;
  /** Rejects when it does not go wrong as it should: the scenario would wait in vain. */
  readonly broken?: Promise<never>;
  /** All that was to go wrong has, and everything runs again. */
  over(): Promise<void>;
}

export interface CrashStage {
  readonly system: System;
  readonly books: Books;
  /** @returns what the scenario left behind. */
  play(trouble?: Trouble): Promise<Outcome>;
  stop(): Promise<void>;
}

/** What is left behind without a kill, of the balances. */
export const undisturbedBalances = {
  'customer:ETH': (units('ETH', '1.8') - units('ETH', '0.0004')).toString(),
  'customer:USDC': units('USDC', '466').toString(),
  'customer:BTC': (units('BTC', '0.25') - units('BTC', '0.00002')).toString(),
  'hold:ETH': '0',
  'hold:USDC': '0',
  'hold:BTC': '0',
} as const;

const calm: Trouble = {
  arm: async () => undefined,
  outside: (act) => act(),
  over: async () => undefined,
};

function oneApproval(policy: Policy): void {
  relaxPolicy(policy);
  for (const network of policy.networks) {
    for (const asset of network.family === 'evm' ? network.assets : []) {
      if (asset.code === 'ETH')
        asset.approval_tiers = [{ above: units('ETH', '1').toString(), approvals: 1, offline: 0 }];
    }
  }
}

/** A system that one scenario after the other is played on, with somebody whom all customers trade with. */
export async function startCrashStage(options: Partial<DevnetOptions> = {}): Promise<CrashStage> {
  const system = await startSystem({ policy: oneApproval, ...options });
  const books = openBooks(system);
  const stop = async (): Promise<void> => {
    await books.close();
    await system.stop();
  };
  try {
    const treasury = await system.newCustomer('treasury');
    // One coin larger than all others, so that every Bitcoin payment has one input.
    await fund(system, treasury, { BTC: '20', ETH: '50', USDC: '50000' });
    let trades = 0;
    return {
      system,
      books,
      play: (trouble = calm) => {
        const played = play({ system, books, treasury, trade: (trades += 1), trouble });
        return trouble.broken === undefined ? played : Promise.race([played, trouble.broken]);
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Play {
  readonly system: System;
  readonly books: Books;
  readonly treasury: Customer;
  /** Number of the engine's batch. */
  readonly trade: number;
  readonly trouble: Trouble;
}

async function play(of: Play): Promise<Outcome> {
  const { system, books, trouble } = of;
  const marks = await markBooks(books);
  await trouble.arm('beginning');
  const customer = await deposit(of, randomBytes(6).toString('hex'));
  const trade = system.settlement(of.trade, tradeOf(customer, of.treasury));
  await insist(() => system.client.createSettlement(trade, { idempotencyKey: `t-${customer.name}` }));
  await trouble.arm('requests');
  const destinations = await withdraw(of, customer);
  await trouble.over();
  await system.followed();
  await system.mustBalance();
  for (const asset of assets)
    expect(await received(system, asset, destinations.get(asset)!)).toBe(units(asset, withdrawn[asset]));
  return outcome(books, customer, marks);
}

async function outcome(books: Books, customer: Customer, marks: Marks): Promise<Outcome> {
  await untilRow(
    books,
    'no alarm open any more',
    'select 1 where not exists (select from alarm where closed_at_ms is null)',
    [],
  );
  return outcomeOf(books, customer, marks);
}

/** A new customer deposits, until it is credited and collected. */
async function deposit(of: Play, tag: string): Promise<Customer> {
  const { system, trouble } = of;
  const customer = await join(system, tag);
  const enrolment = system.enrolment(customer.id);
  await insist(() => system.client.createCustomerRecord(enrolment, { idempotencyKey: `e-${tag}` }));
  await trouble.outside(async () => {
    for (const asset of assets) await payDeposit(system, customer, asset, deposited[asset]);
    // What a node of a devnet has in its pool only, nobody else would offer again.
    await system.mineEvm();
  });
  await mineUntilRow(
    of,
    'three deposits credited and collected',
    `select 1 where
    (select count(*) from deposit where customer_id = $1 and state = 'credited' and (network not like 'eip155:%' or sweep_id is not null)) = 3
    and not exists (select from chain_transaction where state in ('built', 'signed', 'broadcast', 'uncertain', 'included'))`,
    [parseId('cus', customer.id)],
  );
  return customer;
}

/** Withdraws until all is settled. @returns where to, by asset. */
async function withdraw(of: Play, customer: Customer): Promise<Map<AssetName, string>> {
  const { system, books, trouble } = of;
  const destinations = new Map<AssetName, string>();
  for (const asset of assets) destinations.set(asset, await trouble.outside(() => outsideAddress(system, asset)));
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
  const idempotencyKey = `ap-${customer.name}`;
  await insist(() => system.client.approveWithdrawal({ id, assertion: assertion! }, { idempotencyKey }));
  // Ether that is approved after the batch with the dollars has left waits for the next block.
  await untilRow(
    books,
    'withdrawals in flight on both networks',
    `select 1 from withdrawal w join chain_transaction t on t.id = w.transaction_id
      where w.customer_id = $1 and t.state in ('broadcast', 'uncertain') having count(distinct t.network) = 2`,
    [parseId('cus', customer.id)],
  );
  await trouble.arm('in flight');
  await mineUntilRow(
    of,
    'three withdrawals settled',
    `select 1 from withdrawal where customer_id = $1 and state = 'settled' having count(*) = 3`,
    [parseId('cus', customer.id)],
  );
  return destinations;
}

/** A request that a death interrupts, or that is refused for what is away, is sent again, the very same. */
async function insist<T>(call: () => Promise<T>): Promise<T> {
  const deadlineMs = performance.now() + withinMs;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof Failure) || !errorRow(error.code).retryable || performance.now() > deadlineMs) throw error;
      await sleep(50);
    }
  }
}

async function join(system: System, tag: string): Promise<Customer> {
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
function tradeOf({ id }: Customer, treasury: Customer): SettlementRecord['entries'] {
  const [ether, dollars] = [units('ETH', '0.05'), units('USDC', '100')];
  return [
    { customer: id, asset: 'USDC', amount: `-${dollars}` },
    { customer: treasury.id, asset: 'USDC', amount: `${dollars}` },
    { customer: treasury.id, asset: 'ETH', amount: `-${ether}` },
    { customer: id, asset: 'ETH', amount: `${ether}` },
  ];
}

// The database is asked and not the API, which is away while the server is dead.
async function untilRow(books: Books, what: string, text: string, values: readonly string[]): Promise<void> {
  await awaitCondition(what, async () => (await books.db.query(text, values)).length > 0, withinMs, 30);
}

async function mineUntilRow(
  { system, books, trouble }: Play,
  what: string,
  text: string,
  values: readonly string[],
): Promise<void> {
  let mined = 0;
  await awaitCondition(
    what,
    async () => {
      if ((await books.db.query(text, values)).length > 0) return true;
      // Slower than the server polls, so that it acts on a block before the next one comes.
      if (mined++ > 0) await sleep(150);
      await trouble.outside(async () => {
        await system.mineEvm();
        await system.mineBitcoin();
      });
      return false;
    },
    withinMs,
    50,
  );
}
