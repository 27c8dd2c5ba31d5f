import { hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { Compile } from 'typebox/compile';
import { Failure } from '../failure.ts';
import { ceremonyDigest, CeremonyTranscript } from '../policy/ceremony.ts';
import { decodeRecord, emptyHead, type JournalRecord } from '../signing/journal-record.ts';
import { applyRecord } from '../signing/journal-state.ts';
import { leafHash } from './leaf-hash.ts';
import type { AuditTools, SignerFiles } from './signer-files.ts';
import { createSignerLog, type SignerLog } from './signer-log.ts';
import { verifyRecord } from './verify-record.ts';

const Transcript = Compile(CeremonyTranscript);

/**
 * Reads one signer's journal from its first record: every link, every schema, every piece of evidence. Never throws for
 * what is in the files: what does not hold is in `problems`.
 */
export function verifyJournal(files: SignerFiles, tools: AuditTools): SignerLog {
  const log = createSignerLog(files);
  readCeremony(log);
  let head = emptyHead;
  for (const line of files.journal) {
    let record: JournalRecord;
    try {
      ({ record, head } = decodeRecord(head, line));
    } catch (error) {
      // What follows hangs on nothing.
      problem(log, head.seq + 1, error);
      break;
    }
    if (record.seq === 1) log.firstAtMs = record.at_ms;
    log.lastAtMs = record.at_ms;
    log.tree.append(leafHash(utf8ToBytes(line)));
    log.lineHashes.push(hexToBytes(head.hash));
    takeRecord(log, record, tools);
  }
  if (head.seq === 0) problem(log, 1, new Failure('audit-invalid', 'the journal has no record'));
  else if (log.state.ceremony === null)
    problem(log, null, new Failure('audit-invalid', 'the journal names no ceremony'));
  if (log.signer !== '' && log.ceremony && !log.ceremony.signers.some(({ signer }) => signer === log.signer)) {
    problem(log, 1, new Failure('audit-invalid', `${log.signer} is no signer of the ceremony`));
  }
  return log;
}

function takeRecord(log: SignerLog, record: JournalRecord, tools: AuditTools): void {
  try {
    if ((record.seq === 1) !== (record.kind === 'created')) {
      throw new Failure('audit-invalid', `a record of the kind ${record.kind} in this place`);
    }
    verifyRecord(log, record, tools);
  } catch (error) {
    problem(log, record.seq, error);
  }
  try {
    applyRecord(log.state, record);
  } catch (error) {
    problem(log, record.seq, error);
  }
}

function readCeremony(log: SignerLog): void {
  const fail = (message: string): void => {
    log.problems.push({ folder: log.files.folder, file: 'ceremony.json', record: null, message });
  };
  if (log.files.ceremony === null) return fail('it is missing');
  let value: unknown;
  try {
    value = JSON.parse(log.files.ceremony);
  } catch {
    return fail('it is not JSON');
  }
  if (!Transcript.Check(value)) return fail('it is no ceremony transcript');
  log.ceremony = value;
  log.ceremonyDigest = ceremonyDigest(value);
}

/** An invariant that a file breaks is the file's fault here. */
function problem(log: SignerLog, record: number | null, error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  log.problems.push({ folder: log.files.folder, file: 'journal.jsonl', record, message });
}
