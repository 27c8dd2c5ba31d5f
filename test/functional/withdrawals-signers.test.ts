import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { insertTransaction } from '@holdfast/server/store/chain-transactions.ts';
import { evmNetworkId } from '@holdfast/devnet/configure.ts';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import { type AssetName, type Customer, outsideAddress } from '@holdfast/devnet/story/actors.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { awaitAlarm, awaitNoAlarm, deploy, openAlarms } from '../support/chain-steps.ts';
import {
  allIn,
  type Books,
  fund,
  lend,
  mineUntilAll,
  openBooks,
  received,
  units,
  withdrawalBody,
  withdrawalsIn,
} from '../support/payouts.ts';
import { changePolicy } from '../support/change-policy.ts';
import { relaxPolicy, type System, startSystem } from '../support/system.ts';

const signerIds = ['signer-1', 'signer-2', 'signer-3'] as const;
let system: System;
let books: Books;
let customer: Customer;

beforeAll(async () => {
  system = await startSystem({
    batchWaitMs: 400,
    policy: (policy) => {
      relaxPolicy(policy);
      policy.delays = { tighten_s: 0, loosen_s: 1 };
    },
  });
  books = openBooks(system);
  customer = await system.newCustomer('signers');
  await fund(system, customer, { BTC: '5', ETH: '20', USDC: '2000' });
  await system.server().stop();
  await system.startServer({ nodeOptions: [`--import=${new URL('../support/shift-clock.ts', import.meta.url).href}`] });
});
afterAll(async () => {
  await books?.close();
  await system?.stop();
});

async function ask(
  asset: AssetName,
  coins: string,
  to: string,
  changes: { expires_at?: string } = {},
): Promise<string> {
  return (await system.client.createWithdrawal(withdrawalBody(system, customer, asset, coins, to, changes))).id;
}

/** The server's clock, from the start of the first test on (test/support/shift-clock.ts). */
async function shiftServer(ms: number): Promise<void> {
  writeFileSync(join(system.folder, 'server', 'clock-shift'), String(ms));
  await sleep(100);
}

/** Settled, the recipients have exactly the amount, and the books balance. */
async function paidOnce(
  payouts: readonly { id: string; asset: AssetName; coins: string; to: string }[],
): Promise<void> {
  await mineUntilAll(
    system,
    payouts.map((payout) => payout.id),
    'settled',
  );
  for (const { asset, coins, to } of payouts) expect(await received(system, asset, to)).toBe(units(asset, coins));
  await system.followed();
  await system.mustBalance();
}

const stopSigners = (...ids: string[]) => Promise.all(ids.map((id) => system.signer(id).stop()));
const startSigners = (...ids: string[]) => Promise.all(ids.map((id) => system.startSigner(id)));

describe('signers that are away', () => {
  it.each(signerIds)('pays with the other two while %s is down', async (id) => {
    await stopSigners(id);
    const payouts = [];
    for (const [asset, coins] of [
      ['BTC', '0.01'],
      ['USDC', '10'],
    ] as const) {
      const to = await outsideAddress(system, asset);
      payouts.push({ id: await ask(asset, coins, to), asset, coins, to });
    }
    await paidOnce(payouts);
    await startSigners(id);
  });

  it('waits as signing with an alarm while two are down, pays the same transaction once when one is back, and releases what expired unsigned', async () => {
    // While signers are there to hear of it.
    const { id: lent } = await lend(system, books, customer, 'USDT', units('USDT', '50'));
    await awaitCondition('every signer knowing of it', async () => {
      const { signers } = await system.client.getCustomerRecord({ id: lent });
      return signers.length === 3 && signers.every(({ state }) => state === 'accepted');
    });
    await stopSigners('signer-1', 'signer-3');
    const [ether, bitcoin, tether] = [
      await outsideAddress(system, 'ETH'),
      await outsideAddress(system, 'BTC'),
      await outsideAddress(system, 'USDT'),
    ];
    // The server takes no intent that expires within 30 seconds by its clock: it goes slow meanwhile.
    await shiftServer(-25_000);
    const soon = new Date(Date.now() + 15_000).toISOString();
    const lasting = await ask('ETH', '0.5', ether);
    const expiring = await ask('BTC', '0.02', bitcoin, { expires_at: soon });
    await allIn(system, [lasting, expiring], 'signing');
    await awaitCondition(
      'both alarms',
      async () => (await openAlarms(system, 'signers-unavailable')).length === 2,
      10_000,
      50,
    );
    // Queued behind the one that cannot be signed, and never part of a transaction.
    const queued = await ask('USDT', '20', tether, { expires_at: soon });
    const heldBefore = {
      BTC: (await system.balance(customer, 'BTC')).held,
      USDT: (await system.balance(customer, 'USDT')).held,
    };
    expect(heldBefore).toEqual({ BTC: units('BTC', '0.02002').toString(), USDT: units('USDT', '21').toString() });
    const [before] = await books.attemptsOf(lasting);
    expect(before).toMatchObject({ state: 'built', txid: null });
    await shiftServer(0);
    await awaitCondition('expiry of the intents', async () => Date.now() > Date.parse(soon), 20_000, 20);
    expect((await withdrawalsIn(system, [lasting, expiring, queued])).map((one) => one.state)).toEqual([
      'signing',
      'signing',
      'queued',
    ]);

    await startSigners('signer-1');
    // By a clock that may be behind the signers', what was tried is released ten seconds after its expiry.
    await shiftServer(10_000);
    await paidOnce([{ id: lasting, asset: 'ETH', coins: '0.5', to: ether }]);
    expect(await books.attemptsOf(lasting)).toHaveLength(1);
    // Nobody could accept the Bitcoin transaction, for no peer was there to reserve it: two that never will are enough.
    const released = await allIn(system, [expiring, queued], 'released');
    expect(released.map((one) => one.reason)).toEqual(['intent-expired', 'intent-expired']);
    await startSigners('signer-3');
    expect([(await system.balance(customer, 'BTC')).held, (await system.balance(customer, 'USDT')).held]).toEqual([
      '0',
      '0',
    ]);
    await awaitNoAlarm(system, 'signers-unavailable');
    await shiftServer(0);
    // What was given back stays unpaid, and the next one is paid as ever.
    const to = await outsideAddress(system, 'BTC');
    await paidOnce([{ id: await ask('BTC', '0.03', to), asset: 'BTC', coins: '0.03', to }]);
    expect([await received(system, 'BTC', bitcoin), await received(system, 'USDT', tether)]).toEqual([0n, 0n]);
    expect((await books.attemptsOf(expiring)).map((one) => one.txid)).toEqual([null]);
    expect((await withdrawalsIn(system, [expiring, queued])).map((one) => one.state)).toEqual(['released', 'released']);
  });
});

describe('a batch that no block takes before its deadline', () => {
  it('is never paid after it: what customers still want is paid by another, what expired is given back', async () => {
    const [wanted, expired] = [await outsideAddress(system, 'ETH'), await outsideAddress(system, 'ETH')];
    await shiftServer(-25_000);
    const soon = new Date(Date.now() + 12_000).toISOString();
    // Both below two minutes by the server's clock, or they would not share a batch.
    const later = new Date(Date.now() + 85_000).toISOString();
    // While a payment is open no other is built, so that both are queued when the next one is.
    const open = randomUUID();
    const row = {
      id: open,
      network: evmNetworkId,
      kind: 'withdrawal',
      unsigned: {},
      conflictKeys: [],
      refs: [],
    } as const;
    await insertTransaction(books.db, row, Date.now() + 3_600_000);
    const [lasting, expiring] = await Promise.all([
      ask('ETH', '0.2', wanted, { expires_at: later }),
      ask('ETH', '0.1', expired, { expires_at: soon }),
    ]);
    await books.db.query('delete from chain_transaction where id = $1', [open]);
    // Signed and in the mempool, with nobody who mines.
    await allIn(system, [expiring], 'broadcast');
    await awaitCondition('the deadline', async () => Date.now() > Date.parse(soon) + 1_000, 20_000, 20);
    // Ten seconds after its expiry, by a clock that may be behind the signers'.
    await shiftServer(10_000);
    await paidOnce([{ id: lasting, asset: 'ETH', coins: '0.2', to: wanted }]);
    const [released] = await mineUntilAll(system, [expiring], 'released');
    expect(released!.reason).toBe('intent-expired');
    expect(await received(system, 'ETH', expired)).toBe(0n);
    const attempts = await books.attemptsOf(expiring);
    expect(attempts.map(({ state }) => state)).toEqual(['replaced']);
    expect(attempts[0]!.txid).not.toBeNull();
    expect(await books.attemptsOf(lasting)).toHaveLength(2);
    await shiftServer(0);
  });
});

describe('a signer killed between its commitment and its share', () => {
  const lag = (id: string, delayMs: number): void => {
    for (const proxy of system.views.get(id)!.bitcoin)
      proxy.setFault(delayMs === 0 ? { kind: 'none' } : { kind: 'lag', delayMs });
  };
  // Of its own accord, not for a peer that asks for its reservation.
  const accepted = (id: string): number =>
    readFileSync(join(system.folder, id, 'journal.jsonl'), 'utf8')
      .split('\n')
      .filter((line) => line.includes('"kind":"accepted"') && line.includes(`"by":"${id}"`)).length;

  it.each([true, false])('pays once (a third signer is up: %s)', async (thirdUp) => {
    if (!thirdUp) await stopSigners('signer-3');
    // Signer 1 commits at once and is killed before the slow one lets the round go on.
    lag('signer-2', 1_000);
    lag('signer-3', 1_000);
    const before = accepted('signer-1');
    const to = await outsideAddress(system, 'BTC');
    // Who is asked first changes from round to round; signer 1 is in two rounds of three.
    let id = '';
    for (let round = 0; round < 3 && accepted('signer-1') === before; round++) {
      id = await ask('BTC', '0.01', to);
      await awaitCondition(
        'a commitment of signer 1 or a broadcast',
        async () => {
          if (accepted('signer-1') > before) return true;
          return (await withdrawalsIn(system, [id]))[0]!.state === 'broadcast';
        },
        20_000,
        5,
      );
      if (accepted('signer-1') === before) await mineUntilAll(system, [id], 'settled');
    }
    system.signer('signer-1').kill('SIGKILL');
    expect(await system.signer('signer-1').exited).toMatchObject({ signal: 'SIGKILL' });
    const paidBefore = await received(system, 'BTC', to);
    if (thirdUp) {
      // The other two begin again without it.
      await mineUntilAll(system, [id], 'settled');
      await startSigners('signer-1');
    } else {
      await awaitAlarm(system, 'signers-unavailable');
      expect((await withdrawalsIn(system, [id]))[0]).toMatchObject({ state: 'signing' });
      await startSigners('signer-1');
      await mineUntilAll(system, [id], 'settled');
      await startSigners('signer-3');
    }
    lag('signer-2', 0);
    lag('signer-3', 0);
    expect((await received(system, 'BTC', to)) - paidBefore).toBe(units('BTC', '0.01'));
    expect(await books.attemptsOf(id)).toHaveLength(1);
    await system.followed();
    await system.mustBalance();
  });
});

describe('signers that refuse', () => {
  const limitAlarms = async () =>
    (await openAlarms(system, 'signing-refused')).filter((alarm) => alarm.message.startsWith('limit-exceeded: '));

  it('abandons what is over the limit of a day, keeps the holds, tries in smaller batches, and pays each once when the policy allows more', async () => {
    // Of each payment below there may be so much, but not on top of these.
    const [bitcoin, ether] = [await outsideAddress(system, 'BTC'), await outsideAddress(system, 'ETH')];
    await paidOnce([
      { id: await ask('BTC', '0.04', bitcoin), asset: 'BTC', coins: '0.04', to: bitcoin },
      { id: await ask('ETH', '0.4', ether), asset: 'ETH', coins: '0.4', to: ether },
    ]);
    await limitOfADay({ BTC: '0.05', ETH: '0.5' });
    const payouts: { id: string; asset: AssetName; coins: string; to: string }[] = [];
    for (const [asset, coins] of [
      ['BTC', '0.011'],
      ['BTC', '0.012'],
      ['ETH', '0.2'],
      ['ETH', '0.3'],
      ['ETH', '0.4'],
    ] as const) {
      const to = await outsideAddress(system, asset);
      payouts.push({ id: await ask(asset, coins, to), asset, coins, to });
    }
    const ids = payouts.map((payout) => payout.id);
    await awaitCondition('an alarm of the refusal', async () => (await limitAlarms()).length > 0, 20_000, 30);
    expect((await limitAlarms()).length).toBeLessThanOrEqual(2);
    await awaitCondition(
      'a second attempt of each, in smaller company',
      async () => {
        for (const id of ids) if ((await books.attemptsOf(id)).length < 2) return false;
        return true;
      },
      30_000,
      50,
    );
    for (const one of await withdrawalsIn(system, ids)) {
      expect(['queued', 'signing']).toContain(one.state);
      if (one.state === 'queued') expect(one.reason).toMatch(/^limit-exceeded: /);
    }
    expect(await system.balance(customer, 'BTC')).toMatchObject({ held: units('BTC', '0.02304').toString() });
    expect(await system.balance(customer, 'ETH')).toMatchObject({ held: units('ETH', '0.9012').toString() });
    await system.followed();
    await system.mustBalance();

    await limitOfADay({});
    await paidOnce(payouts);
    for (const id of ids) {
      const attempts = await books.attemptsOf(id);
      expect(attempts.filter((one) => one.txid !== null)).toHaveLength(1);
      expect(attempts.filter((one) => !['final', 'replaced', 'abandoned'].includes(one.state))).toEqual([]);
    }
    expect(await system.balance(customer, 'ETH')).toMatchObject({ held: '0' });
    // One a network, however many transactions were refused; nothing waits for that reason any more.
    await awaitCondition('the end of its alarms', async () => (await limitAlarms()).length === 0, 10_000, 50);
  });

  it('does not let a withdrawal that is refused hold up the others', async () => {
    // Accepts the call that is simulated, refuses the one that the relayer sends: a quorum signs in vain.
    const relayer = await relayerAddress();
    const trap = await deploy(system, trapFor(relayer));
    const good = [
      await outsideAddress(system, 'ETH'),
      await outsideAddress(system, 'ETH'),
      await outsideAddress(system, 'ETH'),
    ];
    const bad = await ask('ETH', '0.25', trap);
    const before = [];
    for (const to of good.slice(0, 2))
      before.push({ id: await ask('ETH', '0.1', to), asset: 'ETH' as const, coins: '0.1', to });
    await paidOnce(before);
    const later = await ask('ETH', '0.1', good[2]!);
    await paidOnce([{ id: later, asset: 'ETH', coins: '0.1', to: good[2]! }]);
    expect((await withdrawalsIn(system, [bad]))[0]!.state).toBe('released');
    expect(await received(system, 'ETH', trap)).toBe(0n);
  });
});

/** Another version of the policy: at most this much in a day, in coins, or again what version 1 says. */
async function limitOfADay(coins: Partial<Record<string, string>>): Promise<void> {
  await changePolicy(system, (policy) => {
    policy.networks = structuredClone(system.first.policy.networks);
    for (const network of policy.networks) {
      for (const asset of network.family === 'evm' ? network.assets : [network]) {
        const whole = coins[asset.code];
        if (whole === undefined) continue;
        const max = units(asset.code as AssetName, whole).toString();
        asset.limits = { per_transaction_max: max, per_hour_max: max, per_day_max: max };
        asset.integrator_limits = { ...asset.limits };
        asset.degraded_per_day_max = max;
      }
    }
  });
}

async function relayerAddress(): Promise<string> {
  const { data } = await system.client.listTransactions({ network: evmNetworkId, limit: 50 });
  const { txid } = data.find((one) => one.state === 'final' && one.txid !== null)!;
  return (await rpcCall<{ from: string }>(system.chains.anvil.url, 'eth_getTransactionByHash', [txid])).from;
}

/** Init code of: ORIGIN PUSH20 <relayer> EQ PUSH1 revert JUMPI STOP JUMPDEST PUSH0 PUSH0 REVERT. */
function trapFor(relayer: string): string {
  const runtime = `3273${relayer.slice(2).toLowerCase()}14601b57005b5f5ffd`;
  const size = (runtime.length / 2).toString(16).padStart(2, '0');
  // PUSH1 size PUSH1 offset PUSH0 CODECOPY PUSH1 size PUSH0 RETURN
  return `0x60${size}600a5f3960${size}5ff3${runtime}`;
}
