import { Failure } from '@holdfast/core/failure.ts';
import type { Context } from '../context.ts';
import { describeLost, findLost, isNothing, lostFromMs } from '../rebuild/find-lost.ts';
import type { SignerPanel } from '../signers/panel.ts';
import type { SignerJournals } from '../signers/signer-journals.ts';
import {
  isLater,
  type JournalPlace,
  type Mark,
  noteLoss,
  openRebuild,
  raiseMark,
  saveJournalPlaces,
} from '../store/database-watch.ts';

/** Whether the database holds all that signers were told: while it does not, nothing is credited, promised or paid. */
export interface DatabaseWatch {
  /** @throws Failure database-behind, database-unchecked. */
  assertCurrent(): void;
  readonly isCurrent: () => boolean;
  /** One look. @returns 0: there is never more to do at once. @throws Failure as `assertCurrent`, or signers-unavailable. */
  readonly pass: () => Promise<number>;
}

/**
 * At the start, and whenever the database has gone back or PostgreSQL was started anew, the signers' journals are read. In
 * between it is enough that the database's mark rises: what was committed before an earlier rise is there then (the log is
 * replayed in its order), and with it all that the signers had heard of.
 */
export function createDatabaseWatch(
  ctx: Context,
  journals: SignerJournals,
  panel: Pick<SignerPanel, 'status'>,
): DatabaseWatch {
  /** The mark when it was found current the last time; null while it is not. */
  let mark: Mark | null = null;
  let problem = new Failure('database-unchecked', 'the signers have not been asked yet what they were told');
  /** Ends of the journals when the mark was raised the last time. */
  let seen: ReadonlyMap<string, JournalPlace> = new Map();

  const check = async (): Promise<void> => {
    const earlier = await openRebuild(ctx.db);
    if (earlier) throw new Failure('database-behind', `this database lacks ${earlier.lost}`);
    const raised = await raiseMark(ctx.db);
    const found = await findLost(ctx, journals);
    if (!isNothing(found)) {
      const lost = describeLost(found);
      await noteLoss(ctx.db, { id: ctx.newId(), lostFromMs: lostFromMs(found), lost }, ctx.now());
      throw new Failure('database-behind', `this database lacks ${lost}`);
    }
    mark = await ctx.db.transaction(async (sql) => {
      const next = await raiseMark(sql);
      if (!isLater(next, raised))
        throw new Failure('database-unchecked', 'the database went back while it was looked at');
      await saveJournalPlaces(sql, found.places);
      return next;
    });
    seen = new Map();
    ctx.log('database-current', { signers: [...found.places.keys()], away: found.away });
  };

  /** @returns false when the database may have gone back, or another server has seen that it had. */
  const follow = async (known: Mark): Promise<boolean> => {
    const heads = (await panel.status()).flatMap(({ id, status }) => (status ? [[id, status.journal] as const] : []));
    const raised = await ctx.db.transaction(async (sql) => {
      if (await openRebuild(sql)) return null;
      const next = await raiseMark(sql);
      if (!isLater(next, known)) return null;
      await saveJournalPlaces(sql, seen);
      return next;
    });
    if (raised === null) return false;
    seen = new Map(heads);
    mark = raised;
    return true;
  };

  return {
    isCurrent: () => mark !== null,
    assertCurrent() {
      if (mark === null) throw problem;
    },
    async pass() {
      if (mark !== null && (await follow(mark))) return 0;
      mark = null;
      try {
        await check();
      } catch (error) {
        if (error instanceof Failure)
          problem = error.code === 'database-behind' ? error : new Failure('database-unchecked', error.message);
        throw error;
      }
      return 0;
    },
  };
}
