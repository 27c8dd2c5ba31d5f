import { createDatabase, dropDatabase } from './databases.ts';
import { bitcoin, type Blueprint, nodeNames } from './blueprint.ts';
import { Outside } from './chain/outside.ts';
import { rpcOver } from './chain/serve-rpc.ts';
import { Exchange } from './exchange.ts';
import { BrokenInvariant, Invariants } from './invariants.ts';
import { Mischief } from './mischief.ts';
import { type Profile, profileOf } from './profile.ts';
import { System } from './system.ts';
import { SimulatedPostgres } from './world/database.ts';
import { replaceGlobals } from './world/globals.ts';
import { setNetwork } from './world/machines.ts';
import { Network } from './world/network.ts';
import { setWorld, World } from './world/world.ts';

export interface SeedResult {
  readonly seed: string;
  /** null: every invariant held. */
  readonly broken: string | null;
  /** 64 hex digits. */
  readonly trace: string;
  readonly steps: number;
  readonly simulatedMs: number;
  /** What came of it. */
  readonly summary: string;
  /** The end of the trace. */
  readonly recent: readonly string[];
}

/** So long faults go on at the most, and so long the system may take to come to rest after them; simulated. */
const faultsMs = 600_000;
const restMs = 1_800_000;
const restLookMs = 5_000;

let outsideNow: Outside | undefined;
replaceGlobals(rpcOver(() => outsideNow!));

/** Simulates the system under what the seed says, and checks its invariants after every event. */
export async function runSeed(
  blueprint: Blueprint,
  server: string,
  seed: string,
  traceKept?: number,
): Promise<SeedResult> {
  const url = await createDatabase(server);
  const postgres = new SimulatedPostgres(url);
  const world = new World(`world ${seed}`, blueprint.madeAtMs + 60_000, traceKept);
  try {
    const { problem, summary } = await simulate(blueprint, postgres, world, profileOf(seed));
    return {
      seed,
      broken: problem,
      trace: world.traceHash(),
      steps: world.steps(),
      simulatedMs: world.nowMs() - blueprint.madeAtMs - 60_000,
      summary,
      recent: world.recent,
    };
  } finally {
    setWorld(undefined);
    await postgres.close();
    await dropDatabase(server, url);
  }
}

async function simulate(
  blueprint: Blueprint,
  postgres: SimulatedPostgres,
  world: World,
  profile: Profile,
): Promise<{ problem: string | null; summary: string }> {
  setWorld(world);
  const network = new Network();
  setNetwork(network);
  const wallet = blueprint.policy.policy.networks.find((one) => one.family === 'bitcoin')?.wallet;
  const system = new System(world, blueprint, postgres, { ...profile.machines });
  const invariants: Invariants = new Invariants({
    postgres,
    outside: () => outside,
    exchange: () => exchange,
    disks: system.disks,
    ownKeys: wallet!.keys,
  });
  const outside = new Outside(world, bitcoin, nodeNames, (transaction, node) => invariants.accepted(transaction, node));
  outsideNow = outside;
  const exchange: Exchange = new Exchange(world, system, outside, profile.workload);
  world.checks.push(() => invariants.check());
  let unexpected: unknown;
  const onRejection = (error: unknown): void => void (unexpected ??= error);
  process.on('unhandledRejection', onRejection);
  world.checks.push(() => {
    const [bug] = system.bugs;
    if (bug !== undefined) throw new BrokenInvariant(`a job of the server fails: ${bug}`);
    if (unexpected !== undefined && !isCrash(unexpected)) throw unexpected as Error;
    unexpected = undefined;
  });
  try {
    const mischief = new Mischief({ world, network, outside, system, postgres }, profile);
    world.start('exchange', () => exchange.run(), { offsetMs: 0, slowness: 1 });
    const untilMs = world.nowMs() + faultsMs;
    await world.run(untilMs, () => exchange.isDone);
    mischief.stop();
    await comeToRest(world, invariants, exchange);
    return { problem: null, summary: await summaryOf(invariants, system) };
  } catch (error) {
    const problem = error instanceof BrokenInvariant ? error.message : String((error as Error).stack ?? error);
    return { problem, summary: await summaryOf(invariants, system) };
  } finally {
    process.off('unhandledRejection', onRejection);
  }
}

/** Whether a run did anything at all. */
async function summaryOf(invariants: Invariants, { logged }: System): Promise<string> {
  const counts = (['block-rolled-back', 'sign-refused', 'fee-bump-built'] as const).map(
    (event) => `${logged.get(event) ?? 0} ${event}`,
  );
  return `${await invariants.summary()}, ${counts.join(', ')}`;
}

const isCrash = (error: unknown): boolean => error instanceof Error && error.name === 'Crash';

async function comeToRest(world: World, invariants: Invariants, exchange: Exchange): Promise<void> {
  const endMs = world.nowMs() + restMs;
  let unrest: string | null = 'the exchange still asks';
  while (unrest !== null && world.nowMs() < endMs) {
    // Time passes even when nothing happens.
    world.after(restLookMs, 'somebody looks', () => undefined);
    await world.run(world.nowMs() + restLookMs);
    unrest = exchange.isDone ? await invariants.unrest() : 'the exchange still asks';
  }
  if (unrest !== null)
    throw new BrokenInvariant(`not at rest after ${restMs / 60_000} minutes without faults: ${unrest}`);
  await invariants.final();
}
