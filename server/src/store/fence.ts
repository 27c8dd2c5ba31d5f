import { AsyncLocalStorage } from 'node:async_hooks';
import pg from 'pg';
import type { Database, Sql, TransactionOptions } from './database.ts';

/** A lane as its server was given it; see store/lanes.ts. */
export interface LaneGrant {
  readonly name: string;
  readonly token: bigint;
}

/** Another server has taken the lane over. No Failure, so that no job takes it for an answer of what it asked. */
export class LaneLost extends Error {
  readonly grant: LaneGrant;

  constructor(grant: LaneGrant) {
    super(`another server runs ${grant.name} by now`);
    this.name = 'LaneLost';
    this.grant = grant;
  }
}

const current = new AsyncLocalStorage<LaneGrant>();

/** Whatever `pass` writes through a fenced database, now or later, is written under this grant or not at all. */
export function inLane<T>(grant: LaneGrant, pass: () => Promise<T>): Promise<T> {
  return current.run(grant, pass);
}

/**
 * The same database, where each transaction that begins inside a lane first makes sure that the lane is still this
 * server's, and keeps others from taking it until it ends: a process that was paused and wakes up after its lane was taken
 * over writes nothing. A statement outside a transaction gets one, unless it begins with `select`. Nothing is added outside of
 * lanes nor to a snapshot, and nothing is written by the check.
 * @throws LaneLost
 */
export function fencedDatabase(db: Database): Database {
  const transaction = <T>(work: (sql: Sql) => Promise<T>, options: TransactionOptions = {}): Promise<T> => {
    const grant = current.getStore();
    // A snapshot writes nothing, and its isolation level is set before the first statement.
    if (grant === undefined || options.snapshot) return db.transaction(work, options);
    return db.transaction(async (sql) => {
      await checkLane(sql, grant);
      return work(sql);
    }, options);
  };
  return {
    query: (text, values) =>
      current.getStore() === undefined || /^\s*select\b/i.test(text)
        ? db.query(text, values)
        : transaction((sql) => sql.query(text, values)),
    transaction,
    connections: () => db.connections(),
    close: () => db.close(),
  };
}

/** Key of the advisory lock that a fenced transaction shares and a server that takes the lane over needs alone. */
export const laneLockKey = (name: string): string => `hashtextextended('lane:' || ${name}, 0)`;

/** In one round trip; the second statement's snapshot is from after the lock was taken. */
async function checkLane(sql: Sql, grant: LaneGrant): Promise<void> {
  const name = pg.escapeLiteral(grant.name);
  const [row] = await sql.query<{ token: bigint }>(
    `select pg_advisory_xact_lock_shared(${laneLockKey(name)}); select token from lane where name = ${name}`,
  );
  if (row?.token !== grant.token) throw new LaneLost(grant);
}
