import { constants, existsSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { Failure } from '@holdfast/core/failure.ts';
import { emptyHead, encodeRecord, type JournalEntry, type JournalHead } from '@holdfast/core/signing/journal-record.ts';
import { applyRecord, emptyState, type JournalState } from '@holdfast/core/signing/journal-state.ts';
import { writeFileDurably, writeTailAgain } from '../durable-file.ts';
import { log } from '../log.ts';
import { createJournalAudit, type AuditLog, type JournalAudit } from './journal-audit.ts';
import { cannotWrite, systemCode } from './cannot-write.ts';
import { replayJournal } from './replay-journal.ts';

export interface Journal {
  /** What all records so far add up to. Read it, decide and append without an await in between: nothing can race then. */
  readonly state: JournalState;
  readonly head: () => JournalHead;
  /** Hash of a record's line, 64 hex digits, also of one that is not on the disk yet; null when there is no such record. */
  readonly hashAt: (seq: number) => string | null;
  /** The Merkle tree over the records that are on the disk. */
  readonly audit: AuditLog;
  /** The time that a record appended now carries, UTC milliseconds: never before the last one's. */
  readonly nowMs: () => number;
  /**
   * @throws Failure clock-behind when the clock is before the last record or has jumped since the start; journal-broken
   * after a failed write.
   */
  readonly assertUsable: () => void;
  /**
   * Applies the entry to `state` at once and resolves when it is on the disk. Nothing that the entry permits may leave
   * before that. Entries that come while a flush runs share the next one.
   * @param atMs what `nowMs` gave, for an entry that was decided at that time.
   * @throws Failure clock-behind, journal-broken.
   */
  readonly append: (entry: JournalEntry, atMs?: number) => Promise<void>;
  /** Resolves when everything in `state` is on the disk: for an answer that rests on an entry of another request. @throws Failure journal-broken. */
  readonly flushed: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** A clock may be set back by this much (NTP) before the signer refuses. */
const clockToleranceMs = 2_000;
/** A clock that gained or lost this much against monotonic time was set: it would open the rolling limits early. */
const clockJumpMs = 60_000;
/** The way out when a journal is gone. */
export const lostJournal = {
  fix: 'Restore journal.jsonl from the newest backup. An empty one would sign again what was signed. If it is lost for good, this signer is too: replace it by a new one.',
};
/** Writes the first record of a new signer's journal; a journal that is there already stays. */
export function createJournalFile(path: string, signer: string, nowMs: number): void {
  if (existsSync(path)) return;
  const { line } = encodeRecord(emptyHead, { kind: 'created', body: { signer } }, nowMs);
  writeFileDurably(path, `${line}\n`);
}

/**
 * Opens `journal.jsonl`, verifies every link and rebuilds the state. A last line without its newline never was flushed
 * as a whole, so nothing left on its strength: it is cut off. Anything else that is wrong refuses, a missing or empty
 * journal too, and a disk that does not take the end of it once more.
 * @param clock UTC milliseconds.
 * @param monotonicMs a clock that is never set.
 * @throws Failure journal-broken.
 */
export async function openJournal(path: string, clock: () => number, monotonicMs: () => number): Promise<Journal> {
  const file = await open(path, constants.O_RDWR | constants.O_APPEND).catch((cause: unknown) => {
    throw cannotOpen(path, cause);
  });
  const state = emptyState();
  const audit = createJournalAudit();
  const replayed = await replayJournal(file, path, state, audit).catch(async (error: unknown) => {
    await file.close();
    throw error;
  });
  if (replayed.head.seq === 0) {
    await file.close();
    throw new Failure('journal-broken', `${path} has no record`, lostJournal);
  }
  const size = (await file.stat()).size;
  if (size > replayed.bytes) {
    log('journal-tail-cut', { bytes: size - replayed.bytes, seq: replayed.head.seq });
    await file.truncate(replayed.bytes);
    await file.sync();
  }
  // What stands here may be relied on from now on without being written again.
  await writeTailAgain(path).catch(async (cause: unknown) => {
    await file.close();
    throw cannotWrite(path, cause);
  });
  return createJournal({ file, path, state, audit, start: replayed, clock, monotonicMs });
}

function createJournal(input: {
  readonly file: FileHandle;
  readonly path: string;
  readonly state: JournalState;
  readonly audit: JournalAudit;
  readonly start: { readonly head: JournalHead; readonly bytes: number };
  readonly clock: () => number;
  readonly monotonicMs: () => number;
}): Journal {
  const { file, state, audit, clock, monotonicMs } = input;
  let { head, bytes } = input.start;
  /** Stays the same while the clock is not set. */
  const offsetMs = (): number => clock() - monotonicMs();
  const startOffsetMs = offsetMs();
  let waiting: { line: string; resolve: () => void; reject: (error: unknown) => void }[] = [];
  let flushing: Promise<void> | null = null;
  let broken: Failure | null = null;

  const assertUsable = (): void => {
    if (broken) throw broken;
    checkClock(clock(), head, offsetMs() - startOffsetMs);
  };

  const flush = async (): Promise<void> => {
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      try {
        const written = Buffer.from(batch.map(({ line }) => `${line}\n`).join(''));
        await file.appendFile(written);
        await file.datasync();
        bytes += written.length;
        // Whoever else writes this file has accepted what this process does not know.
        const { size } = await file.stat();
        if (size !== bytes) throw new Error(`the journal has ${size} bytes instead of ${bytes}`);
        audit.flushed(batch.length);
        for (const { resolve } of batch) resolve();
      } catch (cause) {
        broken = cannotWrite(input.path, cause);
        log('alarm', { alarm: broken.code, message: broken.message });
        for (const { reject } of [...batch, ...waiting]) reject(broken);
        waiting = [];
      }
    }
    flushing = null;
  };

  const nowMs = (): number => Math.max(clock(), head.atMs);

  const append: Journal['append'] = async (entry, atMs = nowMs()) => {
    assertUsable();
    const encoded = encodeRecord(head, entry, atMs);
    head = encoded.head;
    applyRecord(state, encoded.record);
    audit.add(encoded.line, encoded.head.hash);
    const done = new Promise<void>((resolve, reject) => waiting.push({ line: encoded.line, resolve, reject }));
    flushing ??= flush();
    await done;
  };

  const flushed = async (): Promise<void> => {
    await flushing;
    if (broken) throw broken;
  };

  const close = async (): Promise<void> => {
    await flushing;
    await file.close();
  };
  return {
    state,
    head: () => head,
    hashAt: audit.hashAt,
    audit: audit.log,
    nowMs,
    assertUsable,
    append,
    flushed,
    close,
  };
}

/** @throws Failure clock-behind. */
function checkClock(nowMs: number, head: JournalHead, jumpMs: number): void {
  if (nowMs < head.atMs - clockToleranceMs) {
    const [now, last] = [new Date(nowMs).toISOString(), new Date(head.atMs).toISOString()];
    throw new Failure(
      'clock-behind',
      `the clock says ${now}, ${head.atMs - nowMs} ms before record ${head.seq} of ${last}`,
      {
        fix: 'Limits and expiry follow the clock, so nothing is signed. Set the clock right (NTP); the signer goes on by itself.',
      },
    );
  }
  if (Math.abs(jumpMs) > clockJumpMs) {
    throw new Failure('clock-behind', `the clock jumped by ${Math.round(jumpMs)} ms since the start`, {
      fix: 'Repair the clock, or restart the signer if the clock is right now.',
    });
  }
}

function cannotOpen(path: string, cause: unknown): Failure {
  const code = systemCode(cause);
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new Failure('journal-broken', `${path} cannot be opened for writing (${code})`, {
      fix: "Give the file back to the signer's user, on a disk that it may write.",
      cause,
    });
  }
  return new Failure('journal-broken', `${path} cannot be opened`, { ...lostJournal, cause });
}
