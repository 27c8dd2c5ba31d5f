import { randomBytes, X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { Failure } from '@holdfast/core/failure.ts';
import { kdfDefaults, type KdfParameters, type SealedFile } from '@holdfast/core/sealing/seal.ts';
import { writeFileDurably } from './durable-file.ts';
import { createJournalFile, lostJournal } from './journal/journal.ts';
import type { Pkcs11Config } from './config.ts';
import type { DigestSigner } from './keys/digest-signer.ts';
import { openKeyStore, outerLock, readHeaders, readSealed, type KeyStore } from './keys/key-store.ts';
import { createOwnerSecret, ownerKey } from './keys/owner-key.ts';
import { loadSignerHsm, type SignerHsm } from './keys/signer-hsm.ts';
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
  /** The public key of that account, compressed, 66 hex digits: what a `wsh-sortedmulti` wallet of a policy names. */
  readonly owner_key: string;
  /** Of this signer's key at the vaults' emergency desks, EIP-55. */
  readonly emergency_address: string;
  /** Ed25519, 64 hex digits. */
  readonly statement_key: string;
  /** PEM. */
  readonly certificate: string;
}
/** What of its card the ceremony compares; the owner's address stands for its key, whose hash it is. */
export type SignerCardKeys = Pick<SignerCard, 'fingerprint' | 'owner_address' | 'emergency_address' | 'statement_key'>;

/** All that the passphrase opens. */
export interface UnlockedSigner {
  readonly store: KeyStore;
  readonly identity: Identity;
  readonly owner: DigestSigner;
  /** In software also beside an HSM: a signer that runs pauses while the HSM does not answer. */
  readonly emergency: DigestSigner;
  readonly statement: StatementKey;
  readonly card: SignerCardKeys;
  /** The HSM's, loaded into this process; `sha256` is 64 hex digits. Null without one. */
  readonly module: { readonly path: string; readonly sha256: string; readonly binding: string } | null;
}

/** Below the data folder. */
export const journalName = 'journal.jsonl';
export const certificateName = 'certificate.pem';
const identityName = 'identity/1.sealed';
const ownerName = 'owner/1.sealed';
const emergencyName = 'emergency/1.sealed';
const statementName = 'statement/1.sealed';
const monotonicMs = (): number => performance.now();
const everyName = [identityName, ownerName, emergencyName, statementName];

/**
 * Makes the signer's keys, sealed, and its certificate. What exists already is kept, so running it again prints the same
 * card.
 * @param strength weaker than the default only where a test or a development chain asks for it; every sealed file says so.
 * @param pkcs11 makes the owner key in an HSM, and a key there that wraps what is sealed.
 * @throws Failure config-invalid for a file sealed with weaker parameters than asked for, or without the HSM;
 * wrong-passphrase for one that does not open; journal-broken when the signer was made before and its journal is gone; what
 * the HSM throws.
 */
export async function initSigner(
  dataDir: string,
  signer: string,
  passphrase: Uint8Array,
  strength: { readonly memory_kib: number; readonly passes: number } = kdfDefaults,
  pkcs11: Pkcs11Config | null = null,
): Promise<SignerCard> {
  for (const name of ['keys', policiesFolder]) mkdirSync(join(dataDir, name), { recursive: true, mode: 0o700 });
  const kdf = kdfOf(dataDir, strength);
  const lock = await outerLock(passphrase, kdf);
  const hsm = await loadSignerHsm(dataDir, signer, pkcs11, readHeaders(dataDir, lock, everyName), monotonicMs);
  const store = openKeyStore(dataDir, lock, hsm?.wrap);
  // Nothing is sealed beside a file that this passphrase does not open.
  for (const name of store.names()) store.open(name)?.plaintext.fill(0);
  const journal = join(dataDir, journalName);
  const isNew = readSealed(dataDir, identityName) === null;
  if (!isNew && !existsSync(journal)) throw new Failure('journal-broken', `${journal} is gone`, lostJournal);
  // First what an HSM may refuse: then nothing is left of it.
  if (!store.open(ownerName)) await (hsm ? makeOwnerInside(hsm, store) : makeOwner(store));
  createJournalFile(journal, signer, Date.now());
  if (!store.open(emergencyName)) makeEmergency(store);
  if (!store.open(statementName)) {
    const secret = createStatementSecret();
    store.seal(statementName, { wallet: 'statement', epoch: 1, statement_key: statementKey(secret).publicKey }, secret);
    secret.fill(0);
  }
  if (!store.open(identityName)) {
    const identity = await createIdentity(signer, Date.now());
    writeFileDurably(join(dataDir, certificateName), identity.certificate);
    // The sealed key comes last: with it in place, everything is.
    store.seal(identityName, { wallet: 'identity', epoch: 1, signer }, utf8ToBytes(identity.privateKey));
  }
  const { identity, owner, card } = await openSecrets(dataDir, store, hsm);
  return { signer, ...card, owner_key: bytesToHex(owner.publicKey), certificate: identity.certificate };
}

/** Of the files that are there, else new ones. */
function kdfOf(dataDir: string, strength: { readonly memory_kib: number; readonly passes: number }): KdfParameters {
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
  return kdf;
}

function makeOwner(store: KeyStore): void {
  const secret = createOwnerSecret();
  store.seal(ownerName, { wallet: 'owner', epoch: 1, owner_address: ownerKey(secret).address }, secret);
  secret.fill(0);
}

function makeEmergency(store: KeyStore): void {
  const secret = createOwnerSecret();
  store.seal(emergencyName, { wallet: 'emergency', epoch: 1, emergency_address: ownerKey(secret).address }, secret);
  secret.fill(0);
}

/** What is sealed is the public key, so that another key on the token is found out. Nothing is left there when it fails. */
async function makeOwnerInside(hsm: SignerHsm, store: KeyStore): Promise<void> {
  // All that is wrapped needs the key that is made here.
  const [other] = store.names();
  if (other !== undefined)
    throw new Failure('config-invalid', `there is ${other} and no ${ownerName}`, {
      fix: 'Restore the keys folder from backup.',
    });
  const { publicKey, discard } = hsm.make();
  try {
    const { address } = await hsm.owner(publicKey);
    // Config.json could name another library later, and nothing would notice.
    store.seal(ownerName, { wallet: 'owner', epoch: 1, owner_address: address, module: hsm.module }, publicKey);
  } catch (error) {
    // First the file: of the two, keys without a file are what the next init can tell.
    store.remove(ownerName);
    throw discard(error);
  }
}

/**
 * Opens the keys that `init` made.
 * @param config of this signer; without it, or without its `pkcs11`, the keys are in software.
 * @throws Failure config-invalid when it was not run; wrong-passphrase; what the HSM throws.
 */
export async function unlockSigner(
  dataDir: string,
  passphrase: Uint8Array,
  config?: { readonly signer: string; readonly pkcs11?: Pkcs11Config },
): Promise<UnlockedSigner> {
  const lock = await outerLock(passphrase, readIdentity(dataDir).kdf);
  const headers = readHeaders(dataDir, lock, everyName);
  // Also so that no file is taken away whose word on the module counts.
  if (headers.size < everyName.length) throw incomplete(dataDir);
  const hsm = await loadSignerHsm(dataDir, config?.signer ?? '', config?.pkcs11 ?? null, headers, monotonicMs);
  const store = openKeyStore(dataDir, lock, hsm?.wrap);
  const module = hsm && { path: hsm.module, sha256: hsm.sha256, binding: hsm.binding };
  return { store, module, ...(await openSecrets(dataDir, store, hsm)) };
}

/** The sealed certificate key; its parameters are those of all sealed files. @throws Failure config-invalid before `init`. */
export function readIdentity(dataDir: string): SealedFile {
  const sealed = readSealed(dataDir, identityName);
  if (!sealed) throw new Failure('config-invalid', `${dataDir} has no identity; run init first`);
  return sealed;
}

function incomplete(dataDir: string): Failure {
  return new Failure('config-invalid', `${dataDir} is not complete; run init again`);
}

async function openSecrets(
  dataDir: string,
  store: KeyStore,
  hsm: SignerHsm | null,
): Promise<Omit<UnlockedSigner, 'store' | 'module'>> {
  const privateKey = store.open(identityName);
  const ownerSecret = store.open(ownerName);
  const emergencySecret = store.open(emergencyName);
  const statementSecret = store.open(statementName);
  if (!privateKey || !ownerSecret || !emergencySecret || !statementSecret) throw incomplete(dataDir);
  const certificate = readFileSync(join(dataDir, certificateName), 'utf8');
  const owner = await (hsm ? hsm.owner(ownerSecret.plaintext) : ownerKey(ownerSecret.plaintext));
  const emergency = ownerKey(emergencySecret.plaintext);
  const statement = statementKey(statementSecret.plaintext);
  statementSecret.plaintext.fill(0);
  return {
    identity: { certificate, privateKey: Buffer.from(privateKey.plaintext).toString('utf8') },
    owner,
    emergency,
    statement,
    card: {
      fingerprint: fingerprintOf(new X509Certificate(certificate)),
      owner_address: owner.address,
      emergency_address: emergency.address,
      statement_key: statement.publicKey,
    },
  };
}
