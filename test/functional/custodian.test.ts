import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signEngineRecord } from '@holdfast/client/sign-record.ts';
import { type Customer, outsideAddress, payDeposit } from '@holdfast/devnet/story/actors.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { awaitAlarm, openAlarms } from '../support/chain-steps.ts';
import { fund, mineUntilAll, received, units, withdrawalBody } from '../support/payouts.ts';
import { type System, startSystem } from '../support/system.ts';
import { Crash, crashPoints, ToyEngine } from '../support/toy-engine.ts';

/* The exchange's engine owns the balances, and dies between any two of its steps. */

let system: System;
let engine: ToyEngine;
let seller: Customer;
let buyer: Customer;

beforeAll(async () => {
  system = await startSystem({ custodian: { silent_s: 1, reconcile_s: 1 } });
  engine = new ToyEngine(system, crashPoints);
  [seller, buyer] = [await system.newCustomer('seller'), await system.newCustomer('buyer')];
  await fund(system, seller, { ETH: '10' });
  await payDeposit(system, buyer, 'USDC', '500');
  await fund(system, buyer, { USDC: '500' });
});
afterAll(() => system?.stop());

/** Starts the engine again after each crash, until what was under way has come to its end. */
async function surviving(work: () => Promise<unknown>): Promise<void> {
  for (let next = work; ; next = () => engine.recover()) {
    try {
      await next();
      return;
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
    }
  }
}

/** Until the engine has every entry; each crash is followed by reading on. */
async function caughtUp(): Promise<void> {
  await awaitCondition('the engine knows every entry', async () => {
    for (let crashed = true; crashed;) {
      crashed = false;
      await engine.follow().catch((error: unknown) => {
        if (!(error instanceof Crash)) throw error;
        crashed = true;
      });
    }
    const { latest, sequence } = await engine.state();
    return latest === sequence;
  });
}

const request = async (asset: 'ETH' | 'USDC', coins: string, who = seller) =>
  withdrawalBody(system, who, asset, coins, await outsideAddress(system, asset));

describe('an engine that owns the balances', () => {
  it('is told of every deposit once, in order, and its word agrees with ledger and chain to the base unit', async () => {
    await caughtUp();
    expect(engine.available(seller.id, 'ETH')).toBe(units('ETH', '10'));
    expect(engine.available(buyer.id, 'USDC')).toBe(units('USDC', '1000'));
    await system.followed();
    const books = await system.client.reconcileEngine();
    expect(books).toMatchObject({ balanced: true });
    expect(books.rows.find(({ asset }) => asset === 'ETH')).toMatchObject({
      engine_owes: units('ETH', '10').toString(),
      ledger_owes: units('ETH', '10').toString(),
      chain_difference: '0',
    });
  });

  it('sets aside, asks, and commits or releases, whatever step it dies at', async () => {
    const body = await request('ETH', '3');
    await surviving(() => engine.withdraw('r-1', 'ETH', units('ETH', '3.1'), body));
    // Refused for good: below the minimum. Only after the release does the customer have it back.
    const small = await request('ETH', '0.0001');
    await surviving(() => engine.withdraw('r-2', 'ETH', units('ETH', '1'), small));
    expect(engine.reservation('r-2')).toMatchObject({ state: 'released' });
    const { data } = await system.client.listWithdrawals({ customer: seller.id });
    expect(data).toMatchObject([{ reservation: 'r-1', client_reference: body.client_reference }]);
    await mineUntilAll(system, [data[0]!.id], 'settled');
    await caughtUp();
    expect(await received(system, 'ETH', body.intent.destination)).toBe(units('ETH', '3'));
    // The fee is 0.0004; what was set aside above it is back.
    expect(engine.available(seller.id, 'ETH')).toBe(units('ETH', '6.9996'));
    expect(engine.crashed.toSorted()).toEqual([...crashPoints].toSorted());
    expect((await engine.state()).rows.every((row) => row.engine_difference === '0')).toBe(true);
  });

  it('that gave a reservation up hears of no withdrawal for it, and one that a withdrawal has is not given up', async () => {
    const late = await request('ETH', '1');
    const quiet = new ToyEngine(system, ['after-reserve']);
    await quiet.withdraw('r-3', 'ETH', units('ETH', '1.1'), late).catch(() => undefined);
    expect(await quiet.giveUp('r-3')).toBe('released');
    expect(await quiet.giveUp('r-3')).toBe('released');
    await expect(system.client.createWithdrawal(quiet.reservation('r-3')!.body)).rejects.toMatchObject({
      code: 'reservation-released',
    });
    expect(await engine.giveUp('r-1')).toBe('taken');
  });

  it('finds its withdrawal once when the server dies with the answer', async () => {
    await system.server().stop();
    const child = await system.startServer({ killAt: 'withdrawal-after-commit' });
    const body = await request('USDC', '100', buyer);
    await engine.withdraw('r-4', 'USDC', units('USDC', '101'), body).catch((error: unknown) => {
      expect(error).toMatchObject({ code: expect.stringMatching(/outcome_unknown|server-unavailable/) });
    });
    await child.exited;
    await system.startServer();
    await engine.recover();
    await caughtUp();
    expect((await system.client.listWithdrawals({ customer: buyer.id })).data).toHaveLength(1);
    expect(engine.available(buyer.id, 'USDC')).toBe(units('USDC', '899'));
    expect((await engine.state()).rows.every((row) => row.engine_difference === '0')).toBe(true);
  });
});

describe('what is refused', () => {
  it('is a withdrawal without a reservation, with one too small, of another intent or signed by somebody else', async () => {
    const body = await request('ETH', '1');
    const { keyId, seed } = system.parties.engine;
    await expect(system.client.createWithdrawal(body)).rejects.toMatchObject({ code: 'reservation-missing' });
    const tooSmall = new ToyEngine(system);
    await tooSmall.withdraw('r-5', 'ETH', units('ETH', '1'), body);
    expect(tooSmall.reservation('r-5')).toMatchObject({ state: 'released' });
    const { reservation } = tooSmall.reservation('r-5')!.body;
    await expect(
      system.client.createWithdrawal({ ...(await request('ETH', '1')), reservation: reservation! }),
    ).rejects.toMatchObject({ code: 'reservation-differs' });
    const forged = signEngineRecord(
      { ...reservation!.record, reservation: 'r-6' },
      { keyId, privateKey: '11'.repeat(32) },
    );
    await expect(system.client.createWithdrawal({ ...body, reservation: forged })).rejects.toMatchObject({
      code: 'authorization-invalid',
    });
    const ahead = { version: 1, kind: 'engine-statement', engine: keyId, sequence: 1_000_000, totals: [] } as const;
    await expect(
      system.client.createEngineStatement(signEngineRecord({ ...ahead, totals: [] }, { keyId, privateKey: seed })),
    ).rejects.toMatchObject({ code: 'statement-invalid' });
  });
});

describe('alarms', () => {
  it('one base unit opens one and the corrected word closes it; so does silence, until the engine speaks', async () => {
    await caughtUp();
    expect(await engine.state({ USDC: 1n })).toMatchObject({ balanced: false });
    expect(await awaitAlarm(system, 'engine-differs')).toMatchObject({ subject: 'engine USDC' });
    await engine.state();
    expect(await openAlarms(system, 'engine-differs')).toEqual([]);

    await fund(system, seller, { ETH: '1' });
    await awaitAlarm(system, 'engine-silent');
    await caughtUp();
    await awaitCondition('no silence', async () => (await openAlarms(system, 'engine-silent')).length === 0);
    await system.followed();
    await system.mustBalance();
  });
});
