import pg from 'pg';
import { asDatabaseFailure, isLost } from './database-failure.ts';
import { databaseHosts } from './database-hosts.ts';
import { type Connections, hostPool, primaryPool } from './primary-pool.ts';

/** What the text of a value may be built from; bigint for every int8 and numeric. */
export type SqlValue = string | number | bigint | boolean | null | Uint8Array | readonly SqlValue[];

/**
 * Where SQL runs: the pool (each statement its own transaction) or one open transaction. Functions of the store take
 * it as their first argument, so that the caller decides what is atomic.
 */
export interface Sql {
  /**
   * Runs one statement and returns its rows. int8 and numeric arrive as bigint, bytea as Buffer, int4 as number.
   * Without `values` the text may hold several statements; the rows are those of the last one.
   * @throws pg.DatabaseError with its SQLSTATE in `code`.
   */
  query<Row extends object = Record<string, unknown>>(text: string, values?: readonly SqlValue[]): Promise<Row[]>;
}

export interface TransactionOptions {
  /** Reads everything at one moment (REPEATABLE READ) and writes nothing. */
  readonly snapshot?: true;
  /** Its statements may take any time. */
  readonly slow?: true;
}

export interface Database extends Sql {
  /**
   * Runs `work` in one transaction, READ COMMITTED unless told otherwise: commits when it returns, rolls back and rethrows when it throws.
   * A lost connection leaves the outcome unknown, also at commit: what `work` writes must be idempotent by key.
   * @throws Failure database-unavailable then, else what `work` or a statement throws.
   */
  transaction<T>(work: (sql: Sql) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /** Connections now: all, unused, and callers that wait for one. */
  connections(): ReturnType<Connections['counts']>;
  /** Waits for running statements and closes every connection. */
  close(): Promise<void>;
}

const int8 = 20;
const numeric = 1700;
const int8Array = 1016;
const numericArray = 1231;

/** `{1,NULL,3}` of int8[] and numeric(_,0)[]; our arrays have one dimension. */
function parseBigintArray(text: string): (bigint | null)[] {
  const body = text.slice(1, -1);
  return body === '' ? [] : body.split(',').map((item) => (item === 'NULL' ? null : BigInt(item)));
}

const parsers = new Map<number, (text: string) => unknown>([
  [int8, BigInt],
  [numeric, BigInt],
  [int8Array, parseBigintArray],
  [numericArray, parseBigintArray],
]);

const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    parsers.get(oid) ?? pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
};

export interface DatabaseOptions {
  /** Connections at most. */
  readonly connectionsMax?: number;
  /** 0 for none. */
  readonly statementTimeoutMs?: number;
}

const connectTimeoutMs = 15_000;
/** From then on the host is taken for dead: PostgreSQL itself would have ended the statement before. */
const silenceMarginMs = 5_000;

/**
 * Opens a pool on `url` (postgresql://user:password@host:port/name; several hosts, of which one takes writes, are separated by
 * commas). Connects at the first statement.
 * @throws Failure config-invalid.
 */
export function openDatabase(url: string, options: DatabaseOptions = {}): Database {
  const statementTimeoutMs = options.statementTimeoutMs ?? 30_000;
  const configs = databaseHosts(url).map((host): pg.PoolConfig => ({
    connectionString: host,
    max: options.connectionsMax ?? 16,
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
    application_name: 'holdfast',
    types,
    ...(statementTimeoutMs > 0 && { query_timeout: statementTimeoutMs + silenceMarginMs }),
    // A generic plan made for small arrays is wrong by orders of magnitude for a batch of a thousand.
    options: [
      '-c plan_cache_mode=force_custom_plan',
      `-c statement_timeout=${statementTimeoutMs}`,
      // A server that was stopped in the middle of a transaction holds its locks for so long.
      '-c idle_in_transaction_session_timeout=10000',
      '-c timezone=UTC',
    ].join(' '),
  }));
  const connections = configs.length === 1 ? hostPool(configs[0]!) : primaryPool(configs, connectTimeoutMs);
  return {
    query: async (text, values) => onConnection(connections, (client) => run(client, text, values)),
    transaction: (work, of) => onConnection(connections, (client) => transaction(client, work, of)),
    connections: () => connections.counts(),
    close: () => connections.end(),
  };
}

/** A connection for `work`, closed afterwards when it is of no more use. */
async function onConnection<T>(connections: Connections, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await connections.connect().catch((error: unknown) => {
    throw asDatabaseFailure(error);
  });
  let broken = false;
  try {
    return await work(client);
  } catch (error) {
    broken = isLost(error);
    if (broken) connections.note(error);
    throw error;
  } finally {
    client.release(broken);
  }
}

async function run<Row extends object>(
  on: pg.PoolClient,
  text: string,
  values: readonly SqlValue[] | undefined,
  silence: { readonly query_timeout?: number } = {},
): Promise<Row[]> {
  try {
    // Several statements answer with several results, which pg's types leave out.
    const result: pg.QueryResult<Row> | pg.QueryResult<Row>[] = await on.query<Row>({
      text,
      ...(values !== undefined && { values: values as unknown[] }),
      ...silence,
    });
    if (Array.isArray(result)) return result.at(-1)?.rows ?? [];
    return result.rows;
  } catch (error) {
    throw asDatabaseFailure(error);
  }
}

/** The driver's own limit of a statement, milliseconds; it takes 0 for the pool's. */
const slowStatementMs = 24 * 3_600_000;

async function transaction<T>(
  client: pg.PoolClient,
  work: (sql: Sql) => Promise<T>,
  { snapshot, slow }: TransactionOptions = {},
): Promise<T> {
  const silence = slow ? { query_timeout: slowStatementMs } : {};
  let open = true;
  const sql: Sql = {
    query: async (text, values) => {
      if (!open) throw new Error('statement after the end of its transaction: await it inside the transaction');
      return run(client, text, values, silence);
    },
  };
  try {
    await run(client, snapshot ? 'begin isolation level repeatable read read only' : 'begin', undefined);
    if (slow) await run(client, 'set local statement_timeout = 0', undefined);
    const result = await work(sql);
    open = false;
    await run(client, 'commit', undefined);
    return result;
  } catch (error) {
    open = false;
    // On a connection that is lost it would wait for as long again; the session's end rolls back too.
    if (!isLost(error)) await run(client, 'rollback', undefined);
    throw error;
  }
}
