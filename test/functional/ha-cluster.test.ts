import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CreateWithdrawalBody } from '@holdfast/core/contract/bodies.ts';
import { accountCodes } from '@holdfast/core/ledger/account-codes.ts';
import { baseUnits } from '@holdfast/core/money/base-units.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { type Cluster, prepareCluster } from '@holdfast/devnet/ha/cluster.ts';
import { startSupervisor, type Supervisor } from '@holdfast/devnet/processes.ts';
import {
  type AssetName,
  awaitDeposit,
  type Customer,
  outsideAddress,
  payDeposit,
} from '@holdfast/devnet/story/actors.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { mustPost } from '@holdfast/server/store/ledger/post-batch.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Books, fund, mineUntilAll, openBooks, received, units, withdrawalBody } from '../support/payouts.ts';
import { type System, startSystem } from '../support/system.ts';

/*
 * The whole system on three PostgreSQL servers under Patroni and etcd, on this machine (docs/how-to/run-ha.md). Patroni's ttl is the
 * least that its manual allows, 20 s; its default is 30.
 */

let folder: string;
let supervisor: Supervisor;
let cluster: Cluster;
let system: System;
let books: Books;
let customer: Customer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast ha-'));
  supervisor = await startSupervisor({ runDir: join(folder, 'run') });
  cluster = await prepareCluster({ folder, supervisor, log: () => undefined });
  const [up, started] = await Promise.allSettled([cluster.start(), startSystem({ databaseUrl: cluster.url })]);
  if (started.status === 'fulfilled') system = started.value;
  if (up.status === 'rejected') throw up.reason;
  if (started.status === 'rejected') throw started.reason;
  books = openBooks(system);
  customer = await system.newCustomer('ha');
  await fund(system, customer, { BTC: '1', ETH: '5' });
});
afterAll(async () => {
  await books?.close();
  await system?.stop();
  await cluster?.stop();
  await supervisor?.stopAll();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

/** Postings as fast as the cluster takes them, each asked for until it is acknowledged, until stopped. */
function posting(): {
  readonly acknowledged: string[];
  readonly gapMs: () => number;
  unknown(): number;
  stop(): Promise<void>;
} {
  const acknowledged: string[] = [];
  let stopped = false;
  let unknown = 0;
  let gapMs = 0;
  let lastMs = performance.now();
  const write = async (writer: number): Promise<void> => {
    for (let i = 0; !stopped; i++) {
      const idem = `ha/${writer}/${i}`;
      const one = {
        idem,
        cause: 'ha',
        debit: accountCodes.capital('USDT'),
        credit: accountCodes.suspense('eip155:31337', 'USDT'),
        amount: baseUnits(1n),
      };
      for (let done = false; !done;) {
        try {
          await books.db.transaction((sql) => mustPost(sql, [one], Date.now()));
          done = true;
        } catch (error) {
          if (!(error instanceof Failure) || error.code !== 'database-unavailable') throw error;
          unknown++;
        }
      }
      acknowledged.push(idem);
      gapMs = Math.max(gapMs, performance.now() - lastMs);
      lastMs = performance.now();
    }
  };
  const writers = Promise.all([0, 1, 2].map(write));
  return {
    acknowledged,
    gapMs: () => Math.round(gapMs),
    unknown: () => unknown,
    stop: async () => {
      stopped = true;
      await writers;
    },
  };
}

async function insist(body: CreateWithdrawalBody): Promise<string> {
  return awaitCondition(
    `withdrawal ${body.client_reference}`,
    async () => {
      try {
        return (await system.client.createWithdrawal(body, { idempotencyKey: `key-${body.client_reference}` })).id;
      } catch (error) {
        if (error instanceof Failure && (error.code === 'outcome_unknown' || error.code.endsWith('-unavailable')))
          return null;
        throw error;
      }
    },
    60_000,
    100,
  );
}

it('loses and doubles nothing that was acknowledged when the leading member is killed under load', async () => {
  const assets = ['ETH', 'BTC', 'ETH', 'BTC', 'ETH', 'BTC'] as const satisfies AssetName[];
  const destinations = await Promise.all(assets.map((asset) => outsideAddress(system, asset)));
  const bodies = assets.map((asset, i) => withdrawalBody(system, customer, asset, '0.01', destinations[i]!));
  const load = posting();
  const before = await Promise.all(bodies.slice(0, 2).map(insist));
  const deposits = [
    await payDeposit(system, customer, 'BTC', '0.25'),
    await payDeposit(system, customer, 'ETH', '0.5', 'contract'),
  ];
  await system.mineEvm();
  await system.mineBitcoin();
  await awaitCondition('postings', async () => load.acknowledged.length > 100, 30_000, 20);
  const { leader, standby } = await cluster.roles();
  const during = bodies.slice(2, 4).map(insist);
  await cluster.kill(leader);
  const count = load.acknowledged.length;
  during.push(...bodies.slice(4).map(insist));
  await awaitCondition('writes again', async () => load.acknowledged.length > count + 100, 60_000, 50);
  const ids = [...before, ...(await Promise.all(during))];
  expect((await cluster.roles()).leader).toBe(standby);
  await load.stop();
  console.log(
    `writes stopped for ${load.gapMs()} ms; ${load.acknowledged.length} postings acknowledged, ${load.unknown()} outcomes unknown`,
  );

  // Every posting, once, and none besides: each was asked for until it was acknowledged.
  const rows = await books.db.query<{ idem: string }>(`select idem from transfer where idem like 'ha/%'`);
  expect(new Set(rows.map(({ idem }) => idem))).toEqual(new Set(load.acknowledged));
  expect(rows).toHaveLength(load.acknowledged.length);
  // Every payout, once.
  expect(new Set(ids).size).toBe(ids.length);
  await mineUntilAll(system, ids, 'settled');
  for (const [i, to] of destinations.entries()) {
    expect(await received(system, assets[i]!, to)).toBe(units(assets[i]!, '0.01'));
  }
  for (const id of ids) expect(await books.postingsOf(id)).toHaveLength(3);
  // Every credit, once.
  for (const txid of deposits) {
    await awaitDeposit(system, customer, txid, 'credited');
    const [row] = await books.db.query<{ credits: number }>('select credits from deposit where txid = $1', [txid]);
    expect(row!.credits).toBe(1);
  }
  await system.followed();
  await system.mustBalance();
});
