import pg from 'pg';

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

export interface Database extends Sql {
  /**
   * Runs `work` in one READ COMMITTED transaction: commits when it returns, rolls back and rethrows when it throws.
   * A lost connection at commit leaves the outcome unknown: what `work` writes must be idempotent by key.
   */
  transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
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
  readonly statementTimeoutMs?: number;
}

/**
 * Opens a pool on `url` (postgresql://user:password@host:port/name). Connects at the first statement.
 */
export function openDatabase(url: string, options: DatabaseOptions = {}): Database {
  const statementTimeoutMs = options.statementTimeoutMs ?? 30_000;
  const pool = new pg.Pool({
    connectionString: url,
    max: options.connectionsMax ?? 16,
    connectionTimeoutMillis: 15_000,
    application_name: 'holdfast',
    types,
    // A generic plan made for small arrays is wrong by orders of magnitude for a batch of a thousand.
    options: [
      '-c plan_cache_mode=force_custom_plan',
      `-c statement_timeout=${statementTimeoutMs}`,
      // A server that was stopped in the middle of a transaction holds its locks for so long.
      '-c idle_in_transaction_session_timeout=10000',
      '-c timezone=UTC',
    ].join(' '),
  });
  // An idle connection that the server closes is only news for the next statement, which opens another.
  pool.on('error', () => undefined);

  return {
    query: (text, values) => run(pool, text, values),
    transaction: (work) => transaction(pool, work),
    close: () => pool.end(),
  };
}

async function run<Row extends object>(
  on: pg.Pool | pg.PoolClient,
  text: string,
  values: readonly SqlValue[] | undefined,
): Promise<Row[]> {
  // Several statements answer with several results, which pg's types leave out.
  const result: pg.QueryResult<Row> | pg.QueryResult<Row>[] =
    values === undefined ? await on.query<Row>(text) : await on.query<Row>(text, values as unknown[]);
  if (Array.isArray(result)) return result.at(-1)?.rows ?? [];
  return result.rows;
}

async function transaction<T>(pool: pg.Pool, work: (sql: Sql) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  // Without a listener a connection that dies between two statements would end the process.
  const ignore = (): void => undefined;
  client.on('error', ignore);
  let broken = false;
  let open = true;
  const sql: Sql = {
    query: async (text, values) => {
      if (!open) throw new Error('statement after the end of its transaction: await it inside the transaction');
      return run(client, text, values);
    },
  };
  try {
    await client.query('begin');
    const result = await work(sql);
    open = false;
    await client.query('commit');
    return result;
  } catch (error) {
    open = false;
    await client.query('rollback').catch(() => {
      broken = true;
    });
    throw error;
  } finally {
    client.off('error', ignore);
    client.release(broken);
  }
}
