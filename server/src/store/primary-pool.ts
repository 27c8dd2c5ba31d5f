import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { invariant } from '@holdfast/core/invariant.ts';
import { isExhausted, isGone } from './database-failure.ts';

/** Where connections come from. */
export interface Connections {
  /** @throws what the last try met, when there was no connection in time. */
  connect(): Promise<pg.PoolClient>;
  /** Told of each lost session, so that a host which is no primary any more is left. */
  note(error: unknown): void;
  /** Connections now: all, unused, and callers that wait for one. */
  counts(): { readonly total: number; readonly idle: number; readonly waiting: number };
  end(): Promise<void>;
}

const retryMs = 200;
/** A host that lost its power answers nothing at all. */
const probeMs = 2_000;

/** Connections to one host. */
export function hostPool(config: pg.PoolConfig): Connections {
  const pool = openPool(config);
  return { connect: () => pool.connect(), note: () => undefined, counts: () => countsOf(pool), end: () => pool.end() };
}

/**
 * Connections to whichever of several hosts takes writes; libpq's target_session_attrs=read-write. All are asked at once, again until
 * one does. A pool belongs to one primary: when a connection to it fails, or it turns out to be a standby, it is given up.
 */
export function primaryPool(configs: readonly pg.PoolConfig[], timeoutMs: number): Connections {
  let current: pg.Pool | undefined;
  let finding: Promise<pg.Pool> | undefined;
  let ended = false;

  function leave(pool: pg.Pool): void {
    if (current !== pool) return;
    current = undefined;
    // Ends by itself when what runs on it has failed or ended.
    void pool.end().catch(() => undefined);
  }

  const checked = new WeakSet<pg.PoolClient>();
  async function connectTo(pool: pg.Pool): Promise<pg.PoolClient> {
    const client = await pool.connect();
    if (checked.has(client)) return client;
    try {
      await mustTakeWrites(client);
      checked.add(client);
      return client;
    } catch (error) {
      client.release(true);
      throw error;
    }
  }

  const find = async (): Promise<pg.Pool> => {
    const inTime = AbortSignal.timeout(timeoutMs);
    for (;;) {
      try {
        const config = await Promise.any(configs.map(probe));
        invariant(!ended, 'the database was closed');
        current = openPool(config);
        return current;
      } catch (error) {
        if (ended || inTime.aborted) throw firstOf(error);
        await sleep(retryMs);
      }
    }
  };

  return {
    async connect() {
      const inTime = AbortSignal.timeout(timeoutMs);
      for (;;) {
        finding ??= current === undefined ? find().finally(() => (finding = undefined)) : undefined;
        const pool = current ?? (await finding)!;
        try {
          return await connectTo(pool);
        } catch (error) {
          if (isExhausted(error)) throw error;
          leave(pool);
          if (ended || inTime.aborted) throw error;
        }
      }
    },
    note(error) {
      const { code } = (error as { cause?: { code?: unknown } }).cause ?? {};
      if (current !== undefined && code === standby) leave(current);
    },
    counts: () => (current === undefined ? { total: 0, idle: 0, waiting: 0 } : countsOf(current)),
    async end() {
      ended = true;
      await finding?.catch(() => undefined);
      await current?.end();
    },
  };
}

/** SQLSTATE read_only_sql_transaction. */
const standby = '25006';

/** @throws unless the host answers and takes writes. */
async function probe(config: pg.PoolConfig): Promise<pg.PoolConfig> {
  const client = new pg.Client({ ...config, connectionTimeoutMillis: probeMs, query_timeout: probeMs });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await mustTakeWrites(client);
    return config;
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function mustTakeWrites(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ off: boolean }>(
    `select current_setting('transaction_read_only') = 'off' as off`,
  );
  if (rows[0]?.off !== true) throw Object.assign(new Error('the host takes no writes'), { code: standby });
}

/** Of what all hosts said, what tells most: refusals of the password come before hosts that are away. */
function firstOf(error: unknown): unknown {
  if (!(error instanceof AggregateError)) return error;
  return (error.errors as unknown[]).find((one) => !isGone(one)) ?? error.errors[0];
}

function openPool(config: pg.PoolConfig): pg.Pool {
  const pool = new pg.Pool(config);
  // An idle connection that the server closes is only news for the next statement, which opens another.
  pool.on('error', () => undefined);
  // Without a listener of its own a connection that dies in use, or in the packet that makes it, would end the process.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}

const countsOf = (pool: pg.Pool): ReturnType<Connections['counts']> => ({
  total: pool.totalCount,
  idle: pool.idleCount,
  waiting: pool.waitingCount,
});
