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
import { readGauges } from './store/gauges.ts';
import { openDatabase } from './store/database.ts';
import { fencedDatabase } from './store/fence.ts';
import { idempotencyStore } from './store/idempotency.ts';
import { migrate } from './store/migrate.ts';
import { loggerOptions } from './telemetry/logger.ts';
import { createMetrics, type Readings } from './telemetry/metrics.ts';
import { startJobs, wireAdapters, wireOperations } from './wiring.ts';

/**
 * `init <dataDir>` makes the server's keys and prints what others pin; `run <dataDir>` serves. The database is the one
 * that DATABASE_URL names.
 */
async function main(argv: readonly string[]): Promise<void> {
  const [command, folder] = argv;
  if (folder === undefined || (command !== 'init' && command !== 'run')) {
    throw new Failure('config-invalid', 'usage: init <dataDir> | run <dataDir>');
  }
  process.umask(0o077);
  const dataDir = resolve(folder);
  if (command === 'init') {
    process.stdout.write(`${JSON.stringify(await initServer(dataDir, Date.now()))}\n`);
    return;
  }
  await run(dataDir);
}

const log = (event: string, fields: Record<string, unknown> = {}): void => {
  process.stdout.write(
    `${JSON.stringify({ time: new Date().toISOString(), event, ...fields }, (_key, value: unknown) => (typeof value === 'bigint' ? value.toString() : value))}\n`,
  );
};

async function run(dataDir: string): Promise<void> {
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
    step: killSwitch(config.kill_at),
    log,
    lanes,
  };
  const adapters = wireAdapters(config, ctx.policy, keys, db, Date.now);
  const operations = wireOperations(ctx, adapters, keys);
  let differences: Readings['differences'] = [];
  const metrics = createMetrics(
    async () => ({ store: await readGauges(db, ctx.now()), differences }),
    () => ({ connections: db.connections(), lanesHeld: lanes.held().length }),
  );
  const app = await buildHttp(
    {
      ...operations,
      reconcile: async () => {
        const result = await operations.reconcile();
        differences = result.rows.map((row) => ({
          network: row.network,
          asset: row.asset,
          difference: BigInt(row.difference),
        }));
        return result;
      },
    },
    {
      keys: config.api_keys,
      idempotency: idempotencyStore(db, ctx.now),
      now: ctx.now,
      newId: ctx.newId,
      metrics,
      logger: loggerOptions(ctx.now, 'warn'),
      limits: limitsOf(config),
    },
  );
  await app.listen(config.listen);
  const loops = await startJobs(ctx, adapters, keys);
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

/** Tests only: dies as from a power cut the first time that a flow passes the configured step. */
function killSwitch(killAt: string | undefined): (step: Step) => void {
  return (step) => {
    if (step === killAt) process.kill(process.pid, 'SIGKILL');
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
