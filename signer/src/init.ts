import { randomBytes, X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { Failure } from '@holdfast/core/failure.ts';
import { kdfDefaults, type KdfParameters } from '@holdfast/core/sealing/seal.ts';
import { writeFileDurably } from './durable-file.ts';
import { createJournalFile, lostJournal } from './journal/journal.ts';
import { openKeyStore, readSealed, type KeyStore } from './keys/key-store.ts';
import { createOwnerSecret, ownerKey, type OwnerKey } from './keys/owner-key.ts';
import { createStatementSecret, statementKey, type StatementKey } from './keys/statement-key.ts';
import { policiesFolder } from './policy/policy-files.ts';
import { createIdentity, fingerprintOf, type Identity } from '@holdfast/transport/certificate.ts';

/** What the ceremony hands to the other parties; nothing here is secret. */
export interface SignerCard {
  readonly signer: string;
  /** SHA-256 of the certificate, 64 hex digits. */
  readonly fingerprint: string;
  /** EIP-55. */
  readonly owner_address: string;
  /** Ed25519, 64 hex digits. */
  readonly statement_key: string;
  /** PEM. */
  readonly certificate: string;
}
/** What of its card the ceremony compares. */
export type SignerCardKeys = Pick<SignerCard, 'fingerprint' | 'owner_address' | 'statement_key'>;

/** All that the passphrase opens. */
export interface UnlockedSigner {
  readonly store: KeyStore;
  readonly identity: Identity;
  readonly owner: OwnerKey;
  readonly statement: StatementKey;
  readonly card: SignerCardKeys;
}

/** Below the data folder. */
export const journalName = 'journal.jsonl';
const identityName = 'identity/1.sealed';
const ownerName = 'owner/1.sealed';
const statementName = 'statement/1.sealed';

/**
 * Makes the signer's keys, sealed, and its certificate. What exists already is kept, so running it again prints the same
 * card.
 * @param strength weaker than the default only where a test or a development chain asks for it; every sealed file says so.
 * @throws Failure config-invalid for a file sealed with weaker parameters than asked for; wrong-passphrase for one that
 * does not open; journal-broken when the signer was made before and its journal is gone.
 */
export async function initSigner(
  dataDir: string,
  signer: string,
  passphrase: Uint8Array,
  strength: { readonly memory_kib: number; readonly passes: number } = kdfDefaults,
): Promise<SignerCard> {
  for (const name of ['keys', policiesFolder]) mkdirSync(join(dataDir, name), { recursive: true, mode: 0o700 });
  const kdf: KdfParameters = readSealed(dataDir, identityName)?.kdf ??
    readSealed(dataDir, ownerName)?.kdf ??
    readSealed(dataDir, statementName)?.kdf ?? {
      ...kdfDefaults,
      memory_kib: strength.memory_kib,
      passes: strength.passes,
      salt: randomBytes(16).toString('hex'),
    };
  // Whoever can write to the disk could have put a file there, so that the keys are sealed as weakly as it says.
  if (kdf.memory_kib < strength.memory_kib || kdf.passes < strength.passes) {
    throw new Failure(
      'config-invalid',
      `${dataDir} has files sealed with ${kdf.memory_kib} KiB, ${kdf.passes} passes`,
      {
        fix: 'Give the same --kdf-memory-kib and --kdf-passes as before if these files are yours; else remove them.',
      },
    );
  }
  const store = await openKeyStore(dataDir, passphrase, kdf);
  // Nothing is sealed beside a file that this passphrase does not open.
  for (const name of store.names()) store.open(name)?.plaintext.fill(0);
  const journal = join(dataDir, journalName);
  const isNew = readSealed(dataDir, identityName) === null;
  if (!isNew && !existsSync(journal)) throw new Failure('journal-broken', `${journal} is gone`, lostJournal);
  createJournalFile(journal, signer, Date.now());
  if (!store.open(ownerName)) {
    const secret = createOwnerSecret();
    store.seal(ownerName, { wallet: 'owner', epoch: 1, owner_address: ownerKey(secret).address }, secret);
    secret.fill(0);
  }
  if (!store.open(statementName)) {
    const secret = createStatementSecret();
    store.seal(statementName, { wallet: 'statement', epoch: 1, statement_key: statementKey(secret).publicKey }, secret);
    secret.fill(0);
  }
  if (!store.open(identityName)) {
    const identity = await createIdentity(signer, Date.now());
    writeFileDurably(join(dataDir, 'certificate.pem'), identity.certificate);
    // The sealed key comes last: with it in place, everything is.
    store.seal(identityName, { wallet: 'identity', epoch: 1, signer }, utf8ToBytes(identity.privateKey));
  }
  const { identity, card } = openSecrets(dataDir, store);
  return { signer, ...card, certificate: identity.certificate };
}

/** Opens the keys that `init` made. @throws Failure config-invalid when it was not run; wrong-passphrase. */
export async function unlockSigner(dataDir: string, passphrase: Uint8Array): Promise<UnlockedSigner> {
  const sealed = readSealed(dataDir, identityName);
  if (!sealed) throw new Failure('config-invalid', `${dataDir} has no identity; run init first`);
  const store = await openKeyStore(dataDir, passphrase, sealed.kdf);
  return { store, ...openSecrets(dataDir, store) };
}

function openSecrets(dataDir: string, store: KeyStore): Omit<UnlockedSigner, 'store'> {
  const privateKey = store.open(identityName);
  const ownerSecret = store.open(ownerName);
  const statementSecret = store.open(statementName);
  if (!privateKey || !ownerSecret || !statementSecret)
    throw new Failure('config-invalid', `${dataDir} is not complete; run init again`);
  const certificate = readFileSync(join(dataDir, 'certificate.pem'), 'utf8');
  const owner = ownerKey(ownerSecret.plaintext);
  const statement = statementKey(statementSecret.plaintext);
  statementSecret.plaintext.fill(0);
  return {
    identity: { certificate, privateKey: Buffer.from(privateKey.plaintext).toString('utf8') },
    owner,
    statement,
    card: {
      fingerprint: fingerprintOf(new X509Certificate(certificate)),
      owner_address: owner.address,
      statement_key: statement.publicKey,
    },
  };
}
