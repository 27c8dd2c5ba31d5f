import { Failure } from '@holdfast/core/failure.ts';
import type { Context } from '../context.ts';
import { closeAlarms, raiseAlarm } from '../store/alarms.ts';
import { inLane, type LaneGrant, LaneLost } from '../store/fence.ts';

/** Longest pause of a loop that keeps failing. */
const pauseMaxMs = 10_000;
/** The same while the database is away: it serves again within seconds, and nobody else is spared by a longer one. */
const databasePauseMaxMs = 1_000;

export interface Loop {
  /** Lets the next pass start at once. */
  wake(): void;
  /** Ends after the pass under way. */
  stop(): Promise<void>;
}

export interface LoopOptions {
  /** Runs on every server at once, for what each needs itself or what several share row by row. */
  readonly everywhere?: boolean;
}

export type StartLoop = typeof startLoop;

/**
 * Runs `pass` for ever, a pause apart; a pass that reports work is followed at once. What fails raises an alarm on
 * `subject` that closes when a pass succeeds, and the pause grows. State is in the database, so a failed pass leaves
 * nothing half done. Of several servers on one database the one that holds the loop's lane runs it (keep-lanes.ts).
 */
export function startLoop(
  ctx: Context,
  name: string,
  subject: string,
  pauseMs: number,
  pass: () => Promise<number>,
  options: LoopOptions = {},
): Loop {
  const lanes = options.everywhere === true ? undefined : ctx.lanes;
  let stopping = false;
  let failures = 0;
  let failedPauseMaxMs = pauseMaxMs;
  let logged: string | undefined;
  // One of an earlier run of the process may be open.
  let alarmed = true;
  let wake: () => void = () => undefined;

  async function note(error: unknown): Promise<void> {
    const code = error instanceof Failure ? error.code : 'job-failed';
    const message = error instanceof Error ? error.message : String(error);
    failures++;
    failedPauseMaxMs = code === 'database-unavailable' ? databasePauseMaxMs : pauseMaxMs;
    if (logged !== code)
      ctx.log('job-failed', {
        job: name,
        code,
        message,
        ...(code === 'job-failed' && error instanceof Error ? { stack: error.stack } : {}),
      });
    logged = code;
    const alarm = { id: ctx.newId(), code, subject: `${subject} ${name}`, message };
    alarmed = true;
    // The database may be what failed; the log has it.
    await raiseAlarm(ctx.db, alarm, ctx.now()).catch(() => undefined);
  }

  /** One pass. @returns whether the next may follow at once. */
  async function once(grant: LaneGrant | undefined): Promise<boolean> {
    try {
      const worked = await pass();
      if (alarmed) await closeAlarms(ctx.db, `${subject} ${name}`, ctx.now());
      alarmed = false;
      logged = undefined;
      failures = 0;
      return worked > 0;
    } catch (error) {
      if (error instanceof LaneLost && grant !== undefined) {
        lanes?.lost(grant);
        return true;
      }
      await note(error);
      return false;
    }
  }

  async function run(): Promise<void> {
    let last: bigint | undefined;
    while (!stopping) {
      const grant = await lanes?.hold(`${name} ${subject}`);
      if (grant === null) return;
      // What the server before left open is this one's to close.
      if (grant?.token !== last) alarmed = true;
      last = grant?.token;
      const goesOn = await (grant === undefined ? once(grant) : inLane(grant, () => once(grant)));
      if (stopping || goesOn) continue;
      const ms = Math.min(failedPauseMaxMs, pauseMs * 2 ** Math.min(failures, 10));
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, failures === 0 ? pauseMs : ms);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  const running = run();
  return {
    wake: () => wake(),
    stop: async () => {
      stopping = true;
      wake();
      await running;
    },
  };
}
