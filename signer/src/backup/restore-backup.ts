import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { Failure } from '@holdfast/core/failure.ts';
import { familyOf } from '@holdfast/core/money/network.ts';
import { opensslVerifiers } from '@holdfast/transport/openssl-verifiers.ts';
import { openCeremony } from '../ceremony/open-ceremony.ts';
import { loadConfig } from '../config.ts';
import { syncFolder } from '../durable-file.ts';
import { journalName, unlockSigner, type UnlockedSigner } from '../init.ts';
import { openJournal, type Journal } from '../journal/journal.ts';
import { knownEpochs, openFrostKeyFiles } from '../keys/frost-key-files.ts';
import { openPolicyStore } from '../policy/policy-store.ts';
import { refuseForeignJournal, refuseLostTranscripts } from '../run.ts';
import { openTranscriptStore, transcriptsName } from '../transcripts/transcript-store.ts';
import { openBackup, type OpenBackup } from './backup-file.ts';
import type { BackupContents } from './make-backup.ts';
import { writeMark } from './restored-mark.ts';

/**
 * Makes a signer's data folder out of its backup. Everything is checked before the folder is there: it is built beside it and
 * renamed at the end, so whatever interrupts it leaves nothing that could run, and it can be run again.
 * @param expected what the operator was told out of band: whose backup, of which ceremony.
 * @param step is told what is done, for tests.
 * @throws Failure config-invalid for a folder that is not empty; backup-invalid for a file that is damaged, or of another
 * signer or ceremony; wrong-passphrase; and what the signer would throw at its start.
 */
export async function restoreBackup(
  path: string,
  dataDir: string,
  passphrase: Uint8Array,
  expected: { readonly signer: string; readonly ceremony: string; readonly step?: (name: string) => void },
): Promise<BackupContents> {
  refuseFull(dataDir);
  if (!existsSync(path)) throw new Failure('config-invalid', `${path} cannot be read`);
  const backup = await openBackup(path, passphrase);
  const temporary = `${dataDir}.restoring`;
  try {
    const contents = backup.header as unknown as BackupContents;
    refuseOther(contents, expected);
    // Of one that was interrupted.
    rmSync(temporary, { recursive: true, force: true });
    extract(backup, temporary, expected.step);
    await verify(temporary, passphrase, contents);
    expected.step?.('verified');
    const { journal_seq, journal_hash, made_at_ms } = contents;
    writeMark(temporary, { backup_seq: journal_seq, backup_hash: journal_hash, made_at_ms });
    expected.step?.('marked');
    renameSync(temporary, dataDir);
    syncFolder(dirname(dataDir));
    return contents;
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw error;
  } finally {
    backup.close();
  }
}

function refuseFull(dataDir: string): void {
  if (!existsSync(dirname(dataDir))) throw new Failure('config-invalid', `${dirname(dataDir)} is not there`);
  if (!existsSync(dataDir) || readdirSync(dataDir).length === 0) return;
  throw new Failure('config-invalid', `${dataDir} is not empty`, {
    fix: 'Name a new folder. What is left of the signer there may be newer than the backup: keep it.',
  });
}

function refuseOther(contents: BackupContents, { signer, ceremony }: { signer: string; ceremony: string }): void {
  if (contents.signer !== signer)
    throw new Failure('backup-invalid', `the backup is of ${contents.signer}, not of ${signer}`, {
      fix: "Take this signer's own backup: a signer never takes over another's keys.",
    });
  if (contents.ceremony !== ceremony)
    throw new Failure('backup-invalid', `the backup is of ceremony ${contents.ceremony}, not of ${ceremony}`, {
      fix: 'Take a backup that was made after the present ceremony. Keys of an earlier one do not come back.',
    });
}

/** On return every file is on the disk. */
function extract({ read }: OpenBackup, folder: string, step: ((name: string) => void) | undefined): void {
  let file: number | null = null;
  let current = '';
  const finish = (): void => {
    if (file === null) return;
    fsyncSync(file);
    closeSync(file);
    file = null;
  };
  try {
    read((name, piece) => {
      if (file === null || name !== current) {
        finish();
        mkdirSync(dirname(join(folder, name)), { recursive: true, mode: 0o700 });
        file = openSync(join(folder, name), 'wx', 0o600);
        current = name;
        step?.(name);
      }
      for (let done = 0; done < piece.length;) done += writeSync(file, piece, done);
    });
  } finally {
    finish();
  }
  for (const name of readdirSync(folder, { recursive: true, withFileTypes: true }))
    if (name.isDirectory()) syncFolder(join(name.parentPath, name.name));
  syncFolder(folder);
}

/** With such a clock a journal takes no record: here it is only read. */
const noTime = (): number => 0;

/** What the signer looks at when it starts, so that it does. */
async function verify(folder: string, passphrase: Uint8Array, contents: BackupContents): Promise<void> {
  const config = loadConfig(folder);
  if (config.signer !== contents.signer)
    throw new Failure('backup-invalid', `config.json in the backup is of ${config.signer}`);
  const secrets = await unlockSigner(folder, passphrase, config);
  const journal = await openJournal(join(folder, journalName), noTime, noTime);
  try {
    await verifyAround(folder, config, secrets, journal);
    const { seq, hash } = journal.head();
    if (seq !== contents.journal_seq || hash !== contents.journal_hash)
      throw new Failure('backup-invalid', `the journal in the backup ends at record ${seq}`);
  } finally {
    await journal.close();
  }
}

async function verifyAround(
  folder: string,
  config: ReturnType<typeof loadConfig>,
  { card, store }: UnlockedSigner,
  journal: Journal,
): Promise<void> {
  refuseForeignJournal(journal, config.signer);
  openCeremony(folder, config, journal, card);
  openPolicyStore(folder, journal, opensslVerifiers);
  for (const { network } of config.networks.filter((one) => familyOf(one.network) === 'bitcoin'))
    for (const epoch of knownEpochs(network, store, journal.state))
      openFrostKeyFiles({ network, epoch }, store, journal);
  const transcripts = await openTranscriptStore(join(folder, transcriptsName));
  await transcripts.close();
  refuseLostTranscripts(journal, transcripts);
}
