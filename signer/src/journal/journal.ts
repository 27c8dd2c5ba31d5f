import { open, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Failure } from '@holdfast/core/failure.ts';
import {
  decodeRecord,
  emptyHead,
  encodeRecord,
  type JournalEntry,
  type JournalHead,
} from '@holdfast/core/signing/journal-record.ts';
import { applyRecord, emptyState, type JournalState } from '@holdfast/core/signing/journal-state.ts';
import { syncFolder } from '../durable-file.ts';
import { log } from '../log.ts';

export interface Journal {
  /** What all records so far add up to. Read it, decide and append without an await in between: nothing can race then. */
  readonly state: JournalState;
  readonly head: () => JournalHead;
  /** @throws Failure clock-behind when the clock is before the last record; journal-broken after a failed write. */
  readonly assertUsable: () => void;
  /**
   * Applies the entry to `state` at once and resolves when it is on the disk. Nothing that the entry permits may leave
   * before that. Entries that come while a flush runs share the next one.
   * @throws Failure clock-behind, journal-broken.
   */
  readonly append: (entry: JournalEntry) => Promise<void>;
  /** Resolves when everything in `state` is on the disk: for an answer that rests on an entry of another request. @throws Failure journal-broken. */
  readonly flushed: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** A clock may be set back by this much (NTP) before the signer refuses. */
const clockToleranceMs = 2_000;
const newline = 0x0a;
const blockBytes = 1 << 20;
/** A record of 200 withdrawals has about 60 kB. */
const lineBytesMax = 4 << 20;

/**
 * Opens `journal.jsonl`, verifies every link and rebuilds the state. A last line without its newline never was flushed
 * as a whole, so nothing left on its strength: it is cut off. Anything else that is wrong refuses.
 * @throws Failure journal-broken.
 */
export async function openJournal(path: string, clock: () => number): Promise<Journal> {
  const file = await open(path, 'a+', 0o600);
  syncFolder(dirname(path));
  const state = emptyState();
  const replayed = await replay(file, state);
  const size = (await file.stat()).size;
  if (size > replayed.bytes) {
    log('journal-tail-cut', { bytes: size - replayed.bytes, seq: replayed.head.seq });
    await file.truncate(replayed.bytes);
    await file.sync();
  }
  return createJournal(file, state, replayed.head, clock);
}

function createJournal(file: FileHandle, state: JournalState, start: JournalHead, clock: () => number): Journal {
  let head = start;
  let waiting: { line: string; resolve: () => void; reject: (error: unknown) => void }[] = [];
  let flushing: Promise<void> | null = null;
  let broken: Failure | null = null;

  const assertUsable = (): void => {
    if (broken) throw broken;
    const nowMs = clock();
    if (nowMs < head.atMs - clockToleranceMs) {
      throw new Failure('clock-behind', `the clock is ${head.atMs - nowMs} ms behind record ${head.seq}`);
    }
  };

  const flush = async (): Promise<void> => {
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      try {
        await file.appendFile(batch.map(({ line }) => `${line}\n`).join(''));
        await file.datasync();
        for (const { resolve } of batch) resolve();
      } catch (cause) {
        // How much was written is unknown; only a restart, which reads the file again, can tell.
        broken = new Failure('journal-broken', 'the journal could not be written', { cause });
        for (const { reject } of [...batch, ...waiting]) reject(broken);
        waiting = [];
      }
    }
    flushing = null;
  };

  const append = (entry: JournalEntry): Promise<void> => {
    assertUsable();
    const encoded = encodeRecord(head, entry, clock());
    head = encoded.head;
    applyRecord(state, encoded.record);
    const done = new Promise<void>((resolve, reject) => waiting.push({ line: encoded.line, resolve, reject }));
    flushing ??= flush();
    return done;
  };

  const flushed = async (): Promise<void> => {
    await flushing;
    if (broken) throw broken;
  };

  const close = async (): Promise<void> => {
    await flushing;
    await file.close();
  };
  return { state, head: () => head, assertUsable, append: async (entry) => append(entry), flushed, close };
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
