import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { errorRow } from '@holdfast/core/contract/error-codes.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { loadConfig, type ServerConfig } from './config.ts';
import { loadPolicy } from './load-policy.ts';
import type { Context, Step } from './context.ts';
import { buildHttp } from './http/build-http.ts';
import { overloadDefaults, type OverloadLimits } from './http/overload.ts';
import { initServer, readServerKeys } from './init.ts';
import { keepLanes } from './jobs/keep-lanes.ts';
import { uuidV7 } from './new-id.ts';
import { seedFeeSchedules } from './operations/create-fee-schedule.ts';
import { readGauges } from './store/gauges.ts';
import { keepEngineEntries, refuseForgottenEngine } from './store/engine-entries.ts';
import { openDatabase } from './store/database.ts';
import { fencedDatabase } from './store/fence.ts';
import { idempotencyStore } from './store/idempotency.ts';
import { migrate } from './store/migrate.ts';
import { lastReconciliations } from './store/reconciliations.ts';
import { loggerOptions } from './telemetry/logger.ts';
import { createMetrics } from './telemetry/metrics.ts';
import { endpointReadings } from './operations/list-resources.ts';
import { rebuildDatabase } from './rebuild/rebuild-database.ts';
import { startJobs, wireAdapters, wireDatabaseWatch, wireOperations } from './wiring.ts';

const commands = {
  init: async (dataDir: string) =>
    void process.stdout.write(`${JSON.stringify(await initServer(dataDir, Date.now()))}\n`),
  run,
  rebuild,
} as const;

/**
 * `init <dataDir>` makes the server's keys and prints what others pin; `run <dataDir>` serves; `rebuild <dataDir>` puts back
 * what a restored database lacks and prints a report. The database is the one that DATABASE_URL names.
 */
async function main(argv: readonly string[]): Promise<void> {
  const [command, folder] = argv;
  if (folder === undefined || command === undefined || !Object.hasOwn(commands, command)) {
    throw new Failure('config-invalid', 'usage: init <dataDir> | run <dataDir> | rebuild <dataDir>');
  }
  process.umask(0o077);
  await commands[command as keyof typeof commands](resolve(folder));
}

const log = (event: string, fields: Record<string, unknown> = {}): void => {
  process.stdout.write(
    `${JSON.stringify({ time: new Date().toISOString(), event, ...fields }, (_key, value: unknown) => (typeof value === 'bigint' ? value.toString() : value))}\n`,
  );
};

/** Everything that `run` and `rebuild` work with. */
async function open(dataDir: string) {
  const config = loadConfig(dataDir);
  const url = process.env['DATABASE_URL'];
  if (url === undefined) throw new Failure('config-invalid', 'DATABASE_URL is not set');
  const database = openDatabase(url);
  const db = fencedDatabase(database);
  await bringUpToDate(url);
  const keys = readServerKeys(dataDir);
  // Two processes of one machine cannot listen on one port.
  const server = config.name ?? `${hostname()}:${config.listen.port}`;
  const lanes = keepLanes({ db: database, log }, { server });
  const ctx: Context = {
    db,
    config,
    policy: loadPolicy(dataDir, config.policy),
    now: Date.now,
    newId: () => uuidV7(Date.now()),
    step: deathTrap(config),
    log,
    lanes,
  };
  return { ctx, keys, lanes, adapters: wireAdapters(config, ctx.policy, keys, db, Date.now, log) };
}

async function rebuild(dataDir: string): Promise<void> {
  const { ctx, lanes, adapters } = await open(dataDir);
  try {
    const report = await rebuildDatabase(ctx, adapters);
    process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  } finally {
    await lanes.stop();
    adapters.close();
    await ctx.db.close();
  }
}

async function run(dataDir: string): Promise<void> {
  const { ctx, keys, lanes, adapters } = await open(dataDir);
  const { config, db } = ctx;
  await seedFeeSchedules(ctx);
  if (config.mode === 'custodian') await keepEngineEntries(db);
  else await refuseForgottenEngine(db);
  const database = wireDatabaseWatch(ctx, adapters);
  const operations = wireOperations(ctx, adapters, keys, database);
  const metrics = createMetrics(
    async () => ({
      store: await readGauges(db, ctx.now()),
      differences: (await lastReconciliations(db)).map(({ ledger, chain, ...of }) => ({
        ...of,
        difference: ledger - chain,
      })),
      endpoints: endpointReadings(adapters.networks.values()),
    }),
    () => ({ connections: db.connections(), lanesHeld: lanes.held().length }),
  );
  const app = await buildHttp(operations, {
    keys: config.api_keys,
    idempotency: idempotencyStore(db, ctx.now),
    now: ctx.now,
    newId: ctx.newId,
    metrics,
    logger: loggerOptions(ctx.now, 'warn'),
    limits: limitsOf(config),
  });
  // The first look, so that a server that has nothing against its database answers from the start; the loop goes on.
  await database.pass().catch((error: unknown) => log('database-not-current', { problem: String(error) }));
  await app.listen(config.listen);
  const loops = await startJobs(ctx, adapters, keys, database);
  log('listening', { address: app.listeningOrigin });

  let stopping = false;
  const stop = async (signal: string): Promise<void> => {
    if (stopping) return;
    stopping = true;
    log('stopping', { signal });
    await app.close();
    lanes.endWaiting();
    await Promise.all(loops.map((loop) => loop.stop()));
    await lanes.stop();
    adapters.close();
    await db.close();
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void stop(signal));
}

function limitsOf({ limits = {} }: ServerConfig): OverloadLimits {
  return {
    inFlightMax: limits.in_flight_max ?? overloadDefaults.inFlightMax,
    perSecond: limits.per_key_per_s ?? overloadDefaults.perSecond,
    burst: limits.per_key_burst ?? overloadDefaults.burst,
  };
}

/** By connections of their own: a migration may take longer than a statement. */
async function bringUpToDate(url: string): Promise<void> {
  const db = openDatabase(url, { connectionsMax: 1, statementTimeoutMs: 0 });
  try {
    for (const name of await migrate(db)) log('migrated', { name });
  } finally {
    await db.close();
  }
}

/**
 * Tests only: dies as from a power cut the first time that a flow passes the configured step; stands still at others, so that
 * a test may kill another process at exactly that moment.
 */
function deathTrap({ kill_at: killAt, pause_at: pauses = [] }: ServerConfig): (step: Step) => void {
  const left: string[] = [...pauses];
  return (step) => {
    if (step === killAt) process.kill(process.pid, 'SIGKILL');
    const at = left.indexOf(step);
    if (at === -1) return;
    left.splice(at, 1);
    log('paused', { step });
    process.kill(process.pid, 'SIGSTOP');
  };
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  const failure =
    error instanceof Failure
      ? error
      : new Failure('internal', error instanceof Error ? error.message : String(error), { cause: error });
  const row = errorRow(failure.code);
  log('fatal', { code: failure.code, message: failure.message, fix: failure.fix ?? row.fix });
  process.exit(row.exit);
}
