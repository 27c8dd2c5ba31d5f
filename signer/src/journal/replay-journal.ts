import type { FileHandle } from 'node:fs/promises';
import { Failure } from '@holdfast/core/failure.ts';
import { decodeRecord, emptyHead, type JournalHead } from '@holdfast/core/signing/journal-record.ts';
import { applyRecord, type JournalState } from '@holdfast/core/signing/journal-state.ts';
import type { JournalAudit } from './journal-audit.ts';

const newline = 0x0a;
const blockBytes = 1 << 20;
/** A record of 200 withdrawals has about 60 kB. */
const lineBytesMax = 4 << 20;

/** The way out when a record is not what was written. */
const changedJournal = {
  fix: 'Somebody or something changed the file. Keep a copy, restore journal.jsonl from the newest backup, check the disk, and run it again; the peers say when the backup is too old.',
};

/**
 * Feeds every whole line of the journal to the state and the audit log.
 * @returns where the last whole line ends.
 * @throws Failure journal-broken naming the record.
 */
export async function replayJournal(
  file: FileHandle,
  path: string,
  state: JournalState,
  audit: JournalAudit,
): Promise<{ head: JournalHead; bytes: number }> {
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
      head = replayLine(rest.toString('utf8', from, end), { head, path, state, audit });
      bytes += end + 1 - from;
      from = end + 1;
    }
    rest = rest.subarray(from);
    if (rest.length > lineBytesMax) {
      throw new Failure('journal-broken', `${path}: the record after ${head.seq} has no end`, changedJournal);
    }
  }
}

function replayLine(
  line: string,
  input: {
    readonly head: JournalHead;
    readonly path: string;
    readonly state: JournalState;
    readonly audit: JournalAudit;
  },
): JournalHead {
  const { path, state, audit } = input;
  const seq = input.head.seq + 1;
  try {
    const { record, head } = decodeRecord(input.head, line);
    if ((seq === 1) !== (record.kind === 'created')) {
      throw new Failure(
        'journal-broken',
        `record ${seq} is of the kind ${record.kind}; only the first one is 'created'`,
      );
    }
    applyRecord(state, record);
    audit.add(line, head.hash);
    audit.flushed(1);
    return head;
  } catch (cause) {
    // An invariant that a record breaks is the file's fault here, not the code's.
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Failure('journal-broken', `${path}, line ${seq}: ${why}`, { ...changedJournal, cause });
  }
}
