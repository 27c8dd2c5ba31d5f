import { type Database, openDatabase, type Sql, type SqlValue } from '@holdfast/server/store/database.ts';
import { asSimulator, Crash, currentProcess, type Process, world } from './world.ts';

interface Connection {
  readonly sql: Sql;
  readonly pid: number;
  readonly close: () => Promise<void>;
  /** A statement that waits for another connection's lock. */
  blocked: Blocked | null;
}

/** A process' hold of a connection, from its first statement on. */
interface Session {
  connection: Connection | null;
}

interface Blocked {
  readonly outcome: Promise<unknown>;
  /** Lets the program that waits for it go on. */
  readonly wake: () => void;
}

/** PostgreSQL works for so long on what is not blocked, as a rule. */
const quickMs = 20;
const probeMs = 3;
const fastestMs = 0.2;
const slowestMs = 5;

/**
 * One real PostgreSQL behind a simulated network: a statement runs when its event comes, and simulated time stands still
 * until it is done or waits for a lock. So statements come in the order of the seed, and what they find is PostgreSQL's.
 */
export class SimulatedPostgres {
  readonly #url: string;
  readonly #monitor: Database;
  readonly #idle: Connection[] = [];
  readonly #all: Connection[] = [];
  /** A server that has this chance to die around a statement. */
  crash = 0;
  /** Told of every transaction that was committed. */
  onCommit: () => void = () => undefined;

  constructor(url: string) {
    this.#url = url;
    this.#monitor = openDatabase(url, { connectionsMax: 1 });
  }

  async close(): Promise<void> {
    await Promise.all([this.#monitor, ...this.#all].map((one) => one.close()));
  }

  /** For the checks between the events: outside of simulated time. */
  query<Row extends object>(text: string, values: readonly SqlValue[] = []): Promise<Row[]> {
    return this.#monitor.query<Row>(text, values);
  }

  async #lend(): Promise<Connection> {
    const free = this.#idle.pop();
    if (free) return free;
    const made = await connect(this.#url);
    this.#all.push(made);
    return made;
  }

  /** The database as one process has it. */
  of(owner: Process): Database {
    const lent = new Set<Session>();
    // What a dead process had open is rolled back; the events of others come in between.
    owner.onDeath.push(() => void world().after(1, `PostgreSQL drops ${owner.name}`, () => this.#abandon(lent)));
    const open = (): Session => {
      const session = { connection: null };
      lent.add(session);
      return session;
    };
    const close = (session: Session): void => {
      // A dead process' connections are given back by its death.
      if (lent.delete(session) && session.connection) this.#idle.push(session.connection);
    };
    return {
      query: async (text, values) => {
        const session = open();
        try {
          return await this.#run(owner, session, text, values);
        } finally {
          close(session);
        }
      },
      connections: () => ({ total: this.#all.length, idle: this.#idle.length, waiting: 0 }),
      close: async () => undefined,
      transaction: async (work) => {
        const session = open();
        const run: Sql['query'] = (text, values) => this.#run(owner, session, text, values);
        try {
          await run('begin');
          const result = await work({ query: run });
          await run('commit');
          return result;
        } catch (error) {
          await run('rollback');
          throw error;
        } finally {
          close(session);
        }
      },
    };
  }

  async #abandon(lent: Set<Session>): Promise<void> {
    for (const { connection } of lent) {
      if (!connection) continue;
      if (connection.blocked) {
        await this.#monitor.query('select pg_cancel_backend($1)', [connection.pid]);
        await connection.blocked.outcome.catch(() => undefined);
        connection.blocked = null;
      }
      await connection.sql.query('rollback').catch(() => undefined);
      this.#idle.push(connection);
    }
    lent.clear();
    await this.#wakeBlocked();
  }

  #run<Row extends object>(
    owner: Process,
    session: Session,
    text: string,
    values: readonly SqlValue[] | undefined,
  ): Promise<Row[]> {
    return new Promise((resolve, reject) => {
      if (!owner.alive) return;
      const { random } = world();
      const execute = async (): Promise<void> => {
        if (random.chance(this.crash)) return world().kill(owner, `before ${nameOf(text)}`);
        const connection = (session.connection ??= await this.#lend());
        const outcome = connection.sql.query<Row>(atSimulatedTime(text), values);
        outcome.catch(() => undefined);
        const settle = (): void => {
          if (random.chance(this.crash)) return world().kill(owner, `after ${nameOf(text)}`);
          void outcome.then(resolve, reject);
        };
        if (!(await this.#isDone(connection, outcome))) {
          world().note(`${owner.name} waits for a lock: ${nameOf(text)}`);
          const wake = (): void => void world().after(fastestMs, `${owner.name} has its lock`, settle, owner);
          connection.blocked = { outcome, wake };
          return;
        }
        if (text === 'commit') this.onCommit();
        // First what takes real time: the program that goes on meanwhile would do so at any place in between.
        await this.#wakeBlocked();
        settle();
      };
      world().after(
        fastestMs + random.next() * slowestMs,
        `${owner.name}: ${nameOf(text)}`,
        () => asSimulator(execute),
        owner,
      );
    });
  }

  /** Whether the statement is done; false when PostgreSQL says that it waits for a lock. */
  async #isDone({ pid }: Connection, outcome: Promise<unknown>): Promise<boolean> {
    let done = false;
    const finished = outcome.then(
      () => void (done = true),
      () => void (done = true),
    );
    for (let waitMs = quickMs; ; waitMs = probeMs) {
      let timer: NodeJS.Timeout | undefined;
      const waited = new Promise((resolve) => (timer = setTimeout(resolve, waitMs)));
      await Promise.race([finished, waited]);
      clearTimeout(timer);
      if (done) return true;
      const [row] = await this.#monitor.query(
        // Granted by whoever lets it go; the one that waited may take its time to show in pg_stat_activity.
        'select 1 from pg_locks where pid = $1 and not granted limit 1',
        [pid],
      );
      if (!done && row) return false;
    }
  }

  /** After a statement: whoever waited for what it held goes on, in the order of the waiting. */
  async #wakeBlocked(): Promise<void> {
    for (const connection of this.#all) {
      const { blocked } = connection;
      if (!blocked || !(await this.#isDone(connection, blocked.outcome))) continue;
      connection.blocked = null;
      blocked.wake();
    }
  }
}

/** Held until `close`: in a pool it would be ended, and its transaction with it, after seconds of real time. */
async function connect(url: string): Promise<Connection> {
  const database = openDatabase(url, { connectionsMax: 1, statementTimeoutMs: 0 });
  const end = Promise.withResolvers<void>();
  const held = Promise.withResolvers<Sql>();
  const whole = database.transaction(async (sql) => {
    held.resolve(sql);
    await end.promise;
  });
  whole.catch(held.reject);
  const sql = await held.promise;
  // Nothing here outlives the simulation; a deadlock is found before its statement is taken for one that waits.
  const settings = `set synchronous_commit = off; set idle_in_transaction_session_timeout = 0; set deadlock_timeout = '5ms'`;
  await sql.query(`commit; ${settings}`);
  const [row] = await sql.query<{ pid: number }>('select pg_backend_pid() as pid', []);
  const close = async (): Promise<void> => {
    end.resolve();
    await whole;
    await database.close();
  };
  return { sql, pid: row!.pid, close, blocked: null };
}

/** PostgreSQL's clock stands on the simulated one: leases of lanes run out by it. */
const atSimulatedTime = (text: string): string =>
  text.replaceAll('clock_timestamp()', `to_timestamp(${world().nowMs() / 1_000})`);

/** The first words of a statement, for the trace. */
const nameOf = (text: string): string => text.replace(/\s+/g, ' ').trim().slice(0, 60);

/** Dies at a step that a flow marks. */
export function crashAt(step: string): never {
  const owner = currentProcess();
  if (owner) world().kill(owner, `at step ${step}`);
  throw new Crash(step);
}
