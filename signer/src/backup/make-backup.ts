import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '@holdfast/core/failure.ts';
import type { SealedHeader } from '@holdfast/core/sealing/seal.ts';
import type { JournalState } from '@holdfast/core/signing/journal-state.ts';
import { checkpointsName } from '../audit/checkpoint-file.ts';
import { ceremonyName } from '../ceremony/open-ceremony.ts';
import { configName, loadConfig } from '../config.ts';
import { certificateName, journalName, readIdentity } from '../init.ts';
import { emergencyName } from '../emergency/emergency-file.ts';
import { readJournal } from '../journal/read-journal.ts';
import { openKeyStore, outerLock, readHeaders, walletFolder } from '../keys/key-store.ts';
import { policiesFolder } from '../policy/policy-files.ts';
import { refuseForeignJournal, refuseLostTranscripts } from '../run.ts';
import { readTranscriptHashes, transcriptsName } from '../transcripts/transcript-store.ts';
import { writeBackup, type BackupPart } from './backup-file.ts';
import { readMark } from './restored-mark.ts';

/** What is in a backup, as its first line says it; nothing here is secret. */
export interface BackupContents {
  readonly signer: string;
  /** Digest of the ceremony's transcript, 64 hex digits. */
  readonly ceremony: string;
  /** Where the journal ends. */
  readonly journal_seq: number;
  readonly journal_hash: string;
  /** The build that made the backup. */
  readonly build: string;
  readonly made_at_ms: number;
  /** 1: the owner key and the key that wraps all others are in an HSM, and not in here. */
  readonly hsm: number;
}

/**
 * Writes all that the signer needs into one sealed file. The signer may run meanwhile: files that only grow are taken up to
 * a whole line, each after what names it, so the journal names nothing that is not in the backup. The keys stay sealed as
 * they are, inside.
 * @param step is told what is done, for tests.
 * @throws Failure config-invalid for a file that exists, or a signer without a ceremony; wrong-passphrase; journal-broken;
 * journal-behind for a restored signer that has not been told yet what it lacks; key-missing when a key was made meanwhile.
 */
export async function makeBackup(
  dataDir: string,
  path: string,
  passphrase: Uint8Array,
  now: { readonly build: string; readonly nowMs: number; readonly step?: (name: string) => void },
): Promise<BackupContents> {
  if (existsSync(path)) throw new Failure('config-invalid', `${path} exists`, { fix: 'Name a new file.' });
  if (readMark(dataDir))
    throw new Failure('journal-behind', 'a restored signer is backed up when its peers have told it what it lacks');
  const config = loadConfig(dataDir);
  const { kdf } = readIdentity(dataDir);
  const lock = await outerLock(passphrase, kdf);
  // Every key opens with this passphrase, so the backup will too.
  const names = openKeyStore(dataDir, lock).names();
  const headers = readHeaders(dataDir, lock, names);
  lock.key.fill(0);
  const keys = [...headers.keys()].map((name) => whole(dataDir, `keys/${name}`));
  // Lines of the emergency key's file begin with their newline, so a torn one is taken as it is.
  const beside = [...optional(dataDir, checkpointsName).map(upToLastLine), ...optional(dataDir, emergencyName)];
  const { state, head, bytes } = await readJournal(join(dataDir, journalName));
  refuseForeignJournal({ state }, config.signer);
  refuseMissingKeys(state, headers);
  const transcripts = await readTranscripts(join(dataDir, transcriptsName));
  refuseLostTranscripts({ state }, transcripts.hashes);
  const { ceremony } = state;
  if (ceremony === null) throw new Failure('config-invalid', 'this signer has accepted no key ceremony');
  now.step?.('read');
  const hsm = [...headers.values()].some(({ wrapped }) => wrapped !== undefined) ? 1 : 0;
  const contents: BackupContents = {
    signer: config.signer,
    ceremony,
    journal_seq: head.seq,
    journal_hash: head.hash,
    build: now.build,
    made_at_ms: now.nowMs,
    hsm,
  };
  const own = { ...kdf, salt: randomBytes(16).toString('hex') };
  const parts: BackupPart[] = [
    ...keys,
    ...[configName, certificateName, ceremonyName].map((name) => whole(dataDir, name)),
    ...[...state.policies.keys()].map((version) => whole(dataDir, `${policiesFolder}/${version}.json`)),
    ...beside,
    { name: journalName, bytes, from: join(dataDir, journalName) },
    { name: transcriptsName, bytes: transcripts.bytes, from: transcripts.from },
  ];
  const header: SealedHeader = { ...contents };
  writeBackup(path, await outerLock(passphrase, own), header, parts, now.step);
  return contents;
}

/** A signer that never ran has none. */
async function readTranscripts(
  path: string,
): Promise<{ hashes: Set<string>; bytes: number; from: string | Uint8Array }> {
  if (!existsSync(path)) return { hashes: new Set(), bytes: 0, from: new Uint8Array(0) };
  return { ...(await readTranscriptHashes(path)), from: path };
}

/** The keys were read before the journal. */
function refuseMissingKeys({ keys }: JournalState, headers: ReadonlyMap<string, SealedHeader>): void {
  for (const { network, epoch } of keys.values()) {
    const held = [...headers.keys()].some((name) => name.startsWith(`${walletFolder(network)}/${epoch}.`));
    if (held) continue;
    throw new Failure('key-missing', `the share of ${network} that the journal names was not there yet`, {
      fix: 'If its key was made just now, run backup again; else restore the keys folder.',
    });
  }
}

function whole(dataDir: string, name: string): BackupPart {
  const from = readFileSync(join(dataDir, name));
  return { name, bytes: from.length, from };
}

function optional(dataDir: string, name: string): BackupPart[] {
  return existsSync(join(dataDir, name)) ? [whole(dataDir, name)] : [];
}

function upToLastLine({ name, from }: BackupPart): BackupPart {
  const text = Buffer.from(from);
  const bytes = text.lastIndexOf(0x0a) + 1;
  return { name, bytes, from: text.subarray(0, bytes) };
}
