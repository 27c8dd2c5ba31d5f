import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import type { Customer } from '@holdfast/devnet/story/actors.ts';
import { type Database, openDatabase } from '@holdfast/server/store/database.ts';
import { type System, startSystem } from '../../test/support/system.ts';
import { type BenchResult, quantile } from './result.ts';

/** Of one run; fewer seconds are for a look, the targets are of 60. */
const runMs = Number(process.env['HOLDFAST_BENCH_SECONDS'] ?? 60) * 1_000;
const blockMs = 1_000;
const sliceMs = 100;
/** The most that the configuration takes: one transaction a block pays all that came while a block was late. */
const payoutsPerBatch = 200;
/** Growth of the server's resident memory from the first third of a run to the last. */
const growthMax = 1.25;
/** Linux counts a process's time in these. */
const tickMs = 10;

/** The whole system on this machine (anvil, three signers, PostgreSQL, server), its tables and a block a second. */
export interface Stage {
  readonly system: System;
  readonly db: Database;
  /** When each block was there, by height. */
  readonly minedAtMs: ReadonlyMap<number, number>;
  newCustomers(count: number, name: string): Promise<Customer[]>;
  countOf(text: string, ...values: number[]): Promise<number>;
  /** Calls `task` so many times a second for the run, whether earlier calls have ended or not. */
  offer(perSecond: number, task: (count: number) => Promise<void>): Promise<Offered>;
}

/** What a run took besides time. */
interface Offered {
  /** Resident bytes of the server, one a second. */
  readonly memory: readonly number[];
  /** Processor time by process until now, milliseconds. */
  readonly spentMs: () => Promise<ReadonlyMap<string, number>>;
}

export async function onStage(measure: (stage: Stage) => Promise<BenchResult[]>): Promise<BenchResult[]> {
  const system = await startSystem({ pollMs: 100, batchWaitMs: 200, batchSizeMax: payoutsPerBatch });
  const db = openDatabase(system.databaseUrl, { connectionsMax: 2 });
  const minedAtMs = new Map<number, number>();
  let mining = true;
  const mine = async (): Promise<void> => {
    for (let next = Date.now(); mining; next = Math.max(next + blockMs, Date.now())) {
      await sleep(Math.max(0, next - Date.now()));
      await system.mineEvm();
      minedAtMs.set(Number(await rpcCall<string>(system.chains.anvil.url, 'eth_blockNumber')), Date.now());
    }
  };
  const running = mine();
  try {
    return await measure({
      system,
      db,
      minedAtMs,
      newCustomers: (count, name) => newCustomers(system, count, name),
      countOf: async (text, ...values) => (await db.query<{ count: number }>(text, values))[0]!.count,
      offer: (perSecond, task) => offer(system, db, perSecond, task),
    });
  } finally {
    mining = false;
    await running.catch(() => undefined);
    await db.close();
    await system.stop();
  }
}

async function newCustomers(system: System, count: number, name: string): Promise<Customer[]> {
  const made: Customer[] = [];
  let asked = 0;
  const worker = async (): Promise<void> => {
    while (asked++ < count) made.push(await system.newCustomer(name));
  };
  await Promise.all(Array.from({ length: 4 }, worker));
  return made;
}

async function offer(
  system: System,
  db: Database,
  perSecond: number,
  task: (count: number) => Promise<void>,
): Promise<Offered> {
  const memory: number[] = [];
  const under: Promise<void>[] = [];
  const before = await processorMs(system, db);
  const startMs = Date.now();
  for (let slice = 0, offered = 0; slice * sliceMs < runMs; slice++) {
    await sleep(Math.max(0, startMs + slice * sliceMs - Date.now()));
    const due = Math.round(((slice + 1) * sliceMs * perSecond) / 1_000);
    under.push(task(due - offered));
    offered = due;
    if (slice % 10 === 0) memory.push(system.server().rssBytes() ?? 0);
  }
  await Promise.all(under);
  const spentMs = async (): Promise<ReadonlyMap<string, number>> =>
    new Map([...(await processorMs(system, db))].map(([name, ms]) => [name, ms - (before.get(name) ?? 0)]));
  return { memory, spentMs };
}

/** Processor time that each process has taken since its start. */
async function processorMs(system: System, db: Database): Promise<Map<string, number>> {
  const [row] = await db.query<{ pid: number }>('select pg_backend_pid() as pid');
  const postmaster = statOf(row!.pid)[1];
  const backends = readdirSync('/proc').filter((pid) => /^[0-9]+$/.test(pid) && statOf(Number(pid))[1] === postmaster);
  const children = system.supervisor.children().filter(({ name }) => /^(server|signer-.)$/.test(name));
  return new Map([
    ...children.map(({ name, pid }) => [name, ticksOf(pid) * tickMs] as const),
    ['anvil', ticksOf(system.chains.anvil.pid) * tickMs],
    ['PostgreSQL', backends.reduce((sum, pid) => sum + ticksOf(Number(pid)), 0) * tickMs],
    ['the load', process.cpuUsage().user / 1_000 + process.cpuUsage().system / 1_000],
  ]);
}

/** proc(5), from the state on; nothing of a process that is gone. */
function statOf(pid: number): string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return [];
  }
}

/** User and system time, in ticks. */
const ticksOf = (pid: number): number => Number(statOf(pid)[11] ?? 0) + Number(statOf(pid)[12] ?? 0);

/** The results of a run. @param waitsMs of each item. */
export async function report(
  what: string,
  run: { perSecondMin: number; waitsMs: readonly number[]; totalMs: number; offered: Offered },
): Promise<BenchResult[]> {
  const { waitsMs, totalMs } = run;
  const { memory, spentMs } = run.offered;
  const third = Math.max(1, Math.floor(memory.length / 3));
  const mean = (list: readonly number[]): number => list.reduce((sum, one) => sum + one, 0) / list.length;
  const at = (share: number): string => `${Math.round(quantile(waitsMs, share))} ms`;
  const spent = [...(await spentMs())];
  const spentTotal = spent.reduce((sum, [, ms]) => sum + ms, 0);
  return [
    {
      name: what,
      value: (waitsMs.length / totalMs) * 1_000,
      unit: '/s',
      target: { min: run.perSecondMin },
      note: `${waitsMs.length} in ${Math.round(totalMs / 1_000)} s; p50 ${at(0.5)}, p95 ${at(0.95)}, p99 ${at(0.99)}`,
    },
    {
      name: '  memory of the server, last third beside the first',
      value: mean(memory.slice(-third)) / mean(memory.slice(0, third)),
      unit: 'x',
      target: { max: growthMax },
      note: `${Math.round((memory.at(-1) ?? 0) / 2 ** 20)} MiB at the end`,
    },
    {
      name: '  processor time of each, all processes',
      value: spentTotal / waitsMs.length,
      unit: 'ms',
      note: spent.map(([name, ms]) => `${name} ${(ms / waitsMs.length).toFixed(2)}`).join(', '),
    },
    {
      name: '  share of two cores that the run had',
      value: spentTotal / (2 * totalMs),
      unit: 'x',
      note: 'about 1 where it was what set the rate',
    },
  ];
}
