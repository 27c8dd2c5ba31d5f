import { constants, existsSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { Failure } from '@holdfast/core/failure.ts';
import {
  decodeRecord,
  emptyHead,
  encodeRecord,
  type JournalEntry,
  type JournalHead,
} from '@holdfast/core/signing/journal-record.ts';
import { applyRecord, emptyState, type JournalState } from '@holdfast/core/signing/journal-state.ts';
import { writeFileDurably } from '../durable-file.ts';
import { log } from '../log.ts';

export interface Journal {
  /** What all records so far add up to. Read it, decide and append without an await in between: nothing can race then. */
  readonly state: JournalState;
  readonly head: () => JournalHead;
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
const newline = 0x0a;
const blockBytes = 1 << 20;
/** A record of 200 withdrawals has about 60 kB. */
const lineBytesMax = 4 << 20;

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
 * journal too.
 * @param clock UTC milliseconds.
 * @param monotonicMs a clock that is never set.
 * @throws Failure journal-broken.
 */
export async function openJournal(path: string, clock: () => number, monotonicMs: () => number): Promise<Journal> {
  const file = await open(path, constants.O_RDWR | constants.O_APPEND).catch((cause: unknown) => {
    throw new Failure('journal-broken', `${path} cannot be opened`, { ...lostJournal, cause });
  });
  const state = emptyState();
  const replayed = await replay(file, state);
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
  return createJournal({ file, state, start: replayed, clock, monotonicMs });
}

function createJournal(input: {
  readonly file: FileHandle;
  readonly state: JournalState;
  readonly start: { readonly head: JournalHead; readonly bytes: number };
  readonly clock: () => number;
  readonly monotonicMs: () => number;
}): Journal {
  const { file, state, clock, monotonicMs } = input;
  let { head, bytes } = input.start;
  /** Stays the same while the clock is not set. */
  const offsetMs = (): number => clock() - monotonicMs();
  const startOffsetMs = offsetMs();
  let waiting: { line: string; resolve: () => void; reject: (error: unknown) => void }[] = [];
  let flushing: Promise<void> | null = null;
  let broken: Failure | null = null;

  const assertUsable = (): void => {
    if (broken) throw broken;
    const nowMs = clock();
    if (nowMs < head.atMs - clockToleranceMs) {
      throw new Failure('clock-behind', `the clock is ${head.atMs - nowMs} ms behind record ${head.seq}`);
    }
    const jumpMs = Math.round(offsetMs() - startOffsetMs);
    if (Math.abs(jumpMs) > clockJumpMs) {
      throw new Failure('clock-behind', `the clock jumped by ${jumpMs} ms since the start`, {
        fix: 'Repair the clock, or restart the signer if the clock is right now.',
      });
    }
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
        for (const { resolve } of batch) resolve();
      } catch (cause) {
        // How much was written is unknown; only a restart, which reads the file again, can tell.
        broken = new Failure('journal-broken', 'the journal could not be written, or another process writes it too', {
          cause,
        });
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
  return { state, head: () => head, nowMs, assertUsable, append, flushed, close };
}

/** Feeds every whole line to the state. @returns where the last whole line ends. */
async function replay(file: FileHandle, state: JournalState): Promise<{ head: JournalHead; bytes: number }> {
  let head = emptyHead;
  let bytes = 0;
  let rest: Buffer = Buffer.alloc(0);
  const block = Buffer.alloc(blockBytes);
  for (let at = 0; ;) {
    const { bytesRead } = await file.read(block, 0, block.length, at);
    if (bytesRead === 0) return { head, bytes };
    at += bytesRead;
    rest = Buffer.concat([rest, block.subarray(0, bytesRead)]);
    let from = 0;
    for (let end = rest.indexOf(newline); end !== -1; end = rest.indexOf(newline, from)) {
      const decoded = decodeRecord(head, rest.toString('utf8', from, end));
      applyRecord(state, decoded.record);
      head = decoded.head;
      bytes += end + 1 - from;
      from = end + 1;
    }
    rest = rest.subarray(from);
    if (rest.length > lineBytesMax) throw new Failure('journal-broken', `the record after ${head.seq} has no end`);
  }
}
