import { argon2, randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import {
  openSealed,
  parseSealed,
  seal,
  type KdfParameters,
  type SealedFile,
  type SealedHeader,
} from '@holdfast/core/sealing/seal.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { canonicalJson } from '@holdfast/core/signing/intent.ts';
import { syncFolder, writeFileDurably } from '../durable-file.ts';
import type { KeyWrap } from './key-wrap.ts';

/**
 * Sealed secrets below `<dataDir>/keys`, named `<wallet>/<epoch>.sealed`. All files of one signer share one salt, so one
 * stretching (a second, 256 MiB) opens them all; each has its own random 24-byte nonce. With an HSM what is sealed is wrapped
 * by it before, and the header says so.
 */
export interface KeyStore {
  /**
   * Null when there is no such file. @throws Failure wrong-passphrase, also when the file is another one's; config-invalid
   * when it is wrapped and there is no HSM, or the other way round; hsm-key-differs and what the HSM throws.
   */
  readonly open: (name: string) => { header: SealedHeader; plaintext: Uint8Array } | null;
  /** Replaces the file as a whole; on return it is on the disk. */
  readonly seal: (name: string, header: SealedHeader, plaintext: Uint8Array) => void;
  readonly rename: (from: string, to: string) => void;
  /** A file that is not there is removed. */
  readonly remove: (name: string) => void;
  /** Names of the files in a wallet's folder. */
  readonly list: (wallet: string) => string[];
  /** Names of all sealed files. */
  readonly names: () => string[];
}

const argon2Async = promisify(argon2);

/** Stretches the passphrase. */
export async function outerLock(passphrase: Uint8Array, kdf: KdfParameters): Promise<OuterLock> {
  return { key: await stretch(passphrase, kdf), kdf };
}

/** Stretches the passphrase, RFC 9106. @returns 32 bytes. */
export async function stretch(passphrase: Uint8Array, kdf: KdfParameters): Promise<Uint8Array> {
  return argon2Async(kdf.name, {
    message: passphrase,
    nonce: Buffer.from(kdf.salt, 'hex'),
    memory: kdf.memory_kib,
    passes: kdf.passes,
    parallelism: kdf.parallelism,
    tagLength: 32,
  });
}

/** The passphrase, stretched: the outer lock of every file of one signer. */
export interface OuterLock {
  readonly key: Uint8Array;
  readonly kdf: KdfParameters;
}

interface Opened {
  readonly header: SealedHeader;
  readonly plaintext: Uint8Array;
}

/** Opens the outer lock only. @returns what an HSM may have wrapped. @throws Failure wrong-passphrase. */
function openOuter(dataDir: string, { key, kdf }: OuterLock, name: string): Opened | null {
  const sealed = readSealed(dataDir, name);
  if (!sealed) return null;
  if (canonicalJson(sealed.kdf) !== canonicalJson(kdf)) {
    throw new Failure('wrong-passphrase', `${name} was sealed with other parameters than this signer's`);
  }
  const opened = { header: sealed.header, plaintext: openSealed(sealed, key) };
  // A whole file under another's name opens as well: one secret would be used as the other.
  if (placeOf(sealed.header) === name.split('.')[0]) return opened;
  opened.plaintext.fill(0);
  throw new Failure('wrong-passphrase', `${name} holds the secret of ${placeOf(sealed.header)}`);
}

/**
 * Headers of the named files that are there, as the passphrase authenticates them. No HSM is asked.
 * @throws Failure wrong-passphrase.
 */
export function readHeaders(dataDir: string, lock: OuterLock, names: readonly string[]): Map<string, SealedHeader> {
  const headers = new Map<string, SealedHeader>();
  for (const name of names) {
    const opened = openOuter(dataDir, lock, name);
    opened?.plaintext.fill(0);
    if (opened) headers.set(name, opened.header);
  }
  return headers;
}

/** @param keyWrap of its HSM; null without one. */
export function openKeyStore(dataDir: string, lock: OuterLock, keyWrap: KeyWrap | null = null): KeyStore {
  const root = join(dataDir, 'keys');
  const { key, kdf } = lock;
  return {
    open: (name) => {
      const opened = openOuter(dataDir, lock, name);
      if (!opened) return null;
      const { header, plaintext } = opened;
      if ((header['wrapped'] !== undefined) === (keyWrap !== null)) {
        return keyWrap ? { header, plaintext: keyWrap.unwrap(header, plaintext) } : opened;
      }
      plaintext.fill(0);
      throw wrongLock(name, keyWrap !== null);
    },
    seal: (name, bare, secret) => {
      const path = join(root, name);
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      syncFolder(root);
      const header = keyWrap ? { ...bare, wrapped: wrappedBy } : bare;
      const plaintext = keyWrap ? keyWrap.wrap(header, secret) : secret;
      const sealed = seal({ kdf, header, key, nonce: randomBytes(24), plaintext });
      writeFileDurably(path, JSON.stringify(sealed));
    },
    rename: (from, to) => {
      renameSync(join(root, from), join(root, to));
      syncFolder(dirname(join(root, to)));
    },
    remove: (name) => rmSync(join(root, name), { force: true }),
    list: (wallet) => {
      const folder = join(root, wallet);
      return readFolder(folder).map((file) => `${wallet}/${file}`);
    },
    names: () => {
      const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
      const names = files.map((file) => relative(root, join(file.parentPath, file.name)));
      return names.filter((name) => /\.(sealed|pending)$/.test(name));
    },
  };
}

/** The file without opening it; null when it is missing. */
export function readSealed(dataDir: string, name: string): SealedFile | null {
  try {
    return parseSealed(readFileSync(join(dataDir, 'keys', name), 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** What the header of a wrapped secret says. */
const wrappedBy = 'pkcs11';

/** A secret does not move into an HSM, nor out of it. */
export function wrongLock(name: string, hasHsm: boolean): Failure {
  if (hasHsm)
    return new Failure('config-invalid', `${name} was made without an HSM, and config.json names one`, {
      fix: 'Take `pkcs11` out of config.json. Keys in an HSM need a new signer and a new ceremony.',
    });
  return new Failure('config-invalid', `${name} was made with an HSM, and config.json names none`, {
    fix: 'Put `pkcs11` back into config.json: docs/how-to/use-an-hsm.md.',
  });
}

/** Folder of a wallet's keys. */
export function walletFolder(wallet: string): string {
  return wallet.replace(':', '-');
}

/** Name, without what follows the epoch, of the file that a header belongs to. */
function placeOf(header: SealedHeader): string {
  return `${walletFolder(String(header['wallet']))}/${header['epoch']}`;
}

function readFolder(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
