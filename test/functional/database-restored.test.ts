import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseId } from '@holdfast/core/contract/ids.ts';
import { accountCodes } from '@holdfast/core/ledger/account-codes.ts';
import { bitcoinNetworkId, evmNetworkId } from '@holdfast/devnet/configure.ts';
import { type AssetName, type Customer, outsideAddress } from '@holdfast/devnet/story/actors.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import {
  allIn,
  type Books,
  fund,
  mineUntilAll,
  openBooks,
  received,
  units,
  withdrawalBody,
} from '../support/payouts.ts';
import { backUpDatabase, rebuild, rebuildUntil, restoreDatabase } from '../support/restore-database.ts';
import { relaxPolicy, type System, startSystem } from '../support/system.ts';

/**
 * A database is backed up, the system goes on with new customers, deposits, trades and withdrawals, and the backup is put
 * back. In order.
 */
let system: System;
let books: Books;
let alice: Customer;
let bob: Customer;
/** Has an address and nothing else when the database is lost. */
let carol: Customer;
/** Accepted before the backup, paid after it. */
const early = { id: '', to: '' };
/** Requested and settled after it. */
const settled = { id: '', to: '' };
/** Signed and broadcast after it, in no block yet. */
const inFlight = { id: '', to: '' };
let before: State;

/** What must be the same again, without what is of one database alone. */
interface State {
  readonly accounts: Readonly<Record<string, string>>;
  readonly rows: readonly string[];
}

beforeAll(async () => {
  system = await startSystem({
    policy(policy) {
      relaxPolicy(policy);
      for (const network of policy.networks) {
        for (const asset of network.family === 'evm' ? network.assets : [])
          if (asset.code === 'ETH')
            asset.approval_tiers = [{ above: units('ETH', '1').toString(), approvals: 1, offline: 0 }];
      }
    },
  });
  books = openBooks(system);
  alice = await system.newCustomer('alice');
  await fund(system, alice, { ETH: '10', BTC: '1' });
  early.to = await outsideAddress(system, 'ETH');
});
afterAll(async () => {
  await books?.close();
  await system?.stop();
});

async function request(customer: Customer, asset: AssetName, coins: string, kept: { id: string; to: string }) {
  kept.to ||= await outsideAddress(system, asset);
  const body = withdrawalBody(system, customer, asset, coins, kept.to);
  kept.id = (await system.client.createWithdrawal(body)).id;
  return body;
}

async function stateOf(): Promise<State> {
  const accounts = await books.db.query<{ code: string; balance: bigint }>(
    'select code, balance from account where balance <> 0 order by code',
  );
  const rows = await books.db.query<{ text: string }>(
    `select text from (
       select 'customer ' || id || ' ' || client_reference as text from customer
       union all select concat_ws(' ', 'address', network, derivation_index, address, customer_id, state, jsonb_array_length(statements)) from deposit_address
       union all select concat_ws(' ', 'deposit', network, txid, idx, asset, amount, state, credits, sweep_id is null) from deposit
       union all select concat_ws(' ', 'withdrawal', id, client_reference, customer_id, asset, amount, fee, destination, digest,
                                  case when state in ('signing', 'broadcast') then 'under way' else state end) from withdrawal
       union all select concat_ws(' ', 'record', r.digest, (select count(*) from signer_delivery d where d.record_id = r.id)) from customer_record r
       union all select concat_ws(' ', 'coin', txid, vout, amount, spent_by, reserved_by is null) from coin) t order by text`,
  );
  return {
    accounts: Object.fromEntries(accounts.map(({ code, balance }) => [code, balance.toString()])),
    rows: rows.map(({ text }) => text),
  };
}

/** Replaces the database under the stopped server. */
async function goBack(): Promise<void> {
  await system.server().stop();
  await books.close();
  await restoreDatabase(system.databaseUrl);
  books = openBooks(system);
}

const tips = async (): Promise<unknown> =>
  books.db.query(`select network, max(height) as height from block where state = 'applied' group by 1 order by 1`);
const isThere = async (text: string, values: readonly string[] = []): Promise<boolean> =>
  (await books.db.query(text, values)).length > 0;

describe('a database that is restored from an older backup', () => {
  it('is backed up, and the system goes on', async () => {
    const body = await request(alice, 'ETH', '2', early);
    await system.server().stop();
    await books.close();
    await backUpDatabase(system.databaseUrl);
    books = openBooks(system);
    await system.startServer();

    bob = await system.newCustomer('bob');
    carol = await system.newCustomer('carol');
    await system.client.createCustomerRecord(system.enrolment(bob.id));
    await fund(system, bob, { ETH: '5', BTC: '0.5', USDC: '700' });
    const trade = [
      { customer: bob.id, asset: 'ETH', amount: `-${units('ETH', '1')}` },
      { customer: alice.id, asset: 'ETH', amount: `${units('ETH', '1')}` },
      { customer: alice.id, asset: 'BTC', amount: `-${units('BTC', '0.25')}` },
      { customer: bob.id, asset: 'BTC', amount: `${units('BTC', '0.25')}` },
    ];
    await system.client.createSettlement(system.settlement(1, trade));
    const [assertion] = system.approve(body.intent);
    await system.client.approveWithdrawal({ id: early.id, assertion: assertion! });
    await request(bob, 'ETH', '0.75', settled);
    await mineUntilAll(system, [early.id, settled.id], 'settled');
    // More than bob deposited: he bought it.
    await request(bob, 'BTC', '0.6', inFlight);
    await allIn(system, [inFlight.id], 'broadcast');
    await system.followed();
    // What signers were told last is in their journals.
    await awaitCondition(
      'the signers having heard of everything',
      async () => !(await isThere(`select 1 from signer_delivery where state = 'pending'`)),
    );
    await system.mustBalance();
    before = await stateOf();
  });

  it('is noticed: nothing is promised, credited or paid', async () => {
    await goBack();
    const applied = await tips();
    await system.startServer();
    await expect(system.client.createCustomer({ client_reference: 'too-early' })).rejects.toMatchObject({
      code: 'database-behind',
    });
    await awaitCondition('an alarm', async () =>
      (await system.client.listAlarms({})).data.some(({ code }) => code === 'database-behind'),
    );
    expect(await tips()).toEqual(applied);
    await system.server().stop();
  });

  it('is rebuilt by one command, which may be killed anywhere, to what it was', async () => {
    const [customer, withdrawal] = [parseId('cus', bob.id), parseId('wd', settled.id)];
    const deaths: readonly [string, readonly string[]][] = [
      [`select 1 from deposit_address where customer_id = $1 and state = 'pending'`, [customer]],
      ['select 1 from deposit where customer_id = $1', [customer]],
      [`select 1 from transfer where idem = 'withdrawal/' || $1 || '/hold'`, [withdrawal]],
    ];
    for (const [text, values] of deaths)
      expect(await rebuildUntil(system, async () => isThere(text, values)), text).toBe(true);
    const report = await rebuild(system);
    expect(report).toMatchObject({ left: [], notes: [], signers_away: [] });
    expect(await stateOf()).toEqual(before);
    expect(await rebuild(system)).toBeNull();
  });

  it('pays nothing twice, and what was under way once', async () => {
    await system.startServer();
    await mineUntilAll(system, [inFlight.id], 'settled');
    await system.mustBalance();
    expect(await received(system, 'ETH', early.to)).toBe(units('ETH', '2'));
    expect(await received(system, 'ETH', settled.to)).toBe(units('ETH', '0.75'));
    expect(await received(system, 'BTC', inFlight.to)).toBe(units('BTC', '0.6'));
  });

  it('goes on: addresses told before are watched, new ones are new, and it pays', async () => {
    await fund(system, carol, { ETH: '3' });
    const dave = await system.newCustomer('dave');
    for (const network of [evmNetworkId, bitcoinNetworkId])
      expect(dave.addresses.get(network)).not.toBe(carol.addresses.get(network));
    const again = { id: '', to: '' };
    await request(carol, 'ETH', '0.5', again);
    await mineUntilAll(system, [again.id], 'settled');
    expect(await books.balance(accountCodes.hold(carol.id, 'ETH'))).toBe(0n);
    await system.mustBalance();
  });
});
