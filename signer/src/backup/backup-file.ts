import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { Failure } from '@holdfast/core/failure.ts';
import { openSealed, parseSealed, seal, type SealedFile, type SealedHeader } from '@holdfast/core/sealing/seal.ts';
import { syncFolder } from '../durable-file.ts';
import { stretch, type OuterLock } from '../keys/key-store.ts';

/**
 * The file of a backup. Its first line is a sealed file (core/src/sealing/seal.ts) that says what it is and holds a data
 * key of its own; what follows is ChaCha20-Poly1305 (RFC 8439) under that key, which encrypts nothing else, with the first line as
 * associated data: for each part a line {"name", "bytes"} and its bytes. Nothing of it is used before all of it has been
 * authenticated.
 */
export interface BackupPart {
  /** Below the data folder. */
  readonly name: string;
  readonly bytes: number;
  /** What it holds, or the file whose first `bytes` it is. */
  readonly from: Uint8Array | string;
}

export interface OpenBackup {
  readonly header: SealedHeader;
  /** Authenticates the file from end to end, and only then hands out each piece of each part. @throws Failure backup-invalid. */
  readonly read: (take: (name: string, piece: Uint8Array) => void) => void;
  readonly close: () => void;
}

const algorithm = 'chacha20-poly1305';
const tag = { authTagLength: 16 } as const;
/** The data key is used for one file. */
const nonce = Buffer.alloc(12);
const newline = 0x0a;
const blockBytes = 1 << 20;
const lineBytesMax = 65_536;
/** What a backup may hold: a name that could not come back is not taken, and nothing is written anywhere else. */
const partName =
  /^((config|ceremony|policies\/[0-9]+)\.json|certificate\.pem|(journal|transcripts|checkpoints|emergency)\.jsonl|keys\/[A-Za-z0-9_-]+\/[A-Za-z0-9][A-Za-z0-9.]*\.(sealed|pending))$/;
export const backupKind = 'holdfast/signer-backup/v1';

/**
 * Writes the file as a whole or not at all, readable by its owner only.
 * @param lock of this file alone: its salt is fresh.
 * @throws Failure config-invalid when there is a file already; backup-invalid for a part that no restoration would take.
 */
export function writeBackup(
  path: string,
  lock: OuterLock,
  header: SealedHeader,
  parts: readonly BackupPart[],
  step?: (name: string) => void,
): void {
  if (existsSync(path)) throw new Failure('config-invalid', `${path} exists`, { fix: 'Name a new file.' });
  for (const { name } of parts) refuseStrange(name);
  const partHeads = parts.map(({ name, bytes }) => Buffer.from(`${JSON.stringify({ name, bytes })}\n`));
  const total = parts.reduce((sum, { bytes }, at) => sum + bytes + (partHeads[at]?.length ?? 0), 0);
  const dataKey = randomBytes(32);
  const full = { ...header, wallet: 'backup', epoch: 1, kind: backupKind, bytes: total };
  const sealed = seal({ ...lock, header: full, nonce: randomBytes(24), plaintext: dataKey });
  const first = Buffer.from(`${JSON.stringify(sealed)}\n`);
  const cipher = createCipheriv(algorithm, dataKey, nonce, tag);
  cipher.setAAD(first, { plaintextLength: total });
  const partial = `${path}.partial`;
  // Of one that was killed; what somebody else put there keeps neither its owner nor what it links to.
  rmSync(partial, { force: true });
  const file = openSync(partial, 'wx', 0o600);
  try {
    writeAll(file, first);
    parts.forEach((part, at) => {
      writeAll(file, cipher.update(partHeads[at] as Buffer));
      step?.(part.name);
      eachPiece(part, (piece) => writeAll(file, cipher.update(piece)));
    });
    cipher.final();
    writeAll(file, cipher.getAuthTag());
    fsyncSync(file);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  } finally {
    closeSync(file);
    dataKey.fill(0);
  }
  step?.('written');
  renameSync(partial, path);
  syncFolder(dirname(path));
}

/**
 * Opens the first line only.
 * @throws Failure backup-invalid for what is no backup, or is cut short; wrong-passphrase.
 */
export async function openBackup(path: string, passphrase: Uint8Array): Promise<OpenBackup> {
  const file = openSync(path, 'r');
  try {
    const { sealed, first } = readFirstLine(path, file);
    if (sealed.header['kind'] !== backupKind) throw new Failure('backup-invalid', `${path} is no backup of a signer`);
    const key = await stretch(passphrase, sealed.kdf);
    const dataKey = openSealed(sealed, key);
    key.fill(0);
    const total = Number(sealed.header['bytes']);
    const size = fstatSync(file).size;
    const expected = first.length + total + tag.authTagLength;
    if (size !== expected) throw new Failure('backup-invalid', `${path} has ${size} bytes instead of ${expected}`);
    const body = { file, path, first, total, dataKey };
    return {
      header: sealed.header,
      read: (take) => {
        decipher(body, () => undefined);
        const split = splitParts(take);
        decipher(body, split.take);
        split.end();
      },
      close: () => {
        dataKey.fill(0);
        closeSync(file);
      },
    };
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

function readFirstLine(path: string, file: number): { sealed: SealedFile; first: Buffer } {
  const block = Buffer.alloc(lineBytesMax);
  const end = block.subarray(0, readSync(file, block, 0, block.length, 0)).indexOf(newline);
  try {
    if (end !== -1) return { sealed: parseSealed(block.toString('utf8', 0, end)), first: block.subarray(0, end + 1) };
  } catch {
    // Not the passphrase's fault.
  }
  throw new Failure('backup-invalid', `${path} is no backup of a signer, or its beginning is damaged`);
}

/** From the first byte to the tag. @throws Failure backup-invalid when it is not what was written. */
function decipher(
  body: { file: number; path: string; first: Buffer; total: number; dataKey: Uint8Array },
  take: (piece: Uint8Array) => void,
): void {
  const { file, path, first, total, dataKey } = body;
  const authTag = Buffer.alloc(tag.authTagLength);
  readSync(file, authTag, 0, authTag.length, first.length + total);
  const opening = createDecipheriv(algorithm, dataKey, nonce, tag);
  opening.setAAD(first, { plaintextLength: total });
  opening.setAuthTag(authTag);
  const block = Buffer.alloc(blockBytes);
  for (let done = 0; done < total;) {
    const read = readSync(file, block, 0, Math.min(block.length, total - done), first.length + done);
    if (read === 0) throw new Failure('backup-invalid', `${path} ends early`);
    done += read;
    take(opening.update(block.subarray(0, read)));
  }
  try {
    opening.final();
  } catch {
    throw new Failure('backup-invalid', `${path} is damaged: it is not what was written`);
  }
}

/** Cuts the plaintext into its parts. */
function splitParts(take: (name: string, piece: Uint8Array) => void) {
  let head: Buffer = Buffer.alloc(0);
  let part: { name: string; left: number } | null = null;
  const takeSome = (piece: Buffer): Buffer => {
    if (part === null) {
      const end = piece.indexOf(newline);
      if (end === -1) {
        head = Buffer.concat([head, piece]);
        return piece.subarray(piece.length);
      }
      const { name, bytes } = JSON.parse(Buffer.concat([head, piece.subarray(0, end)]).toString('utf8')) as {
        name: string;
        bytes: number;
      };
      refuseStrange(name);
      head = Buffer.alloc(0);
      part = bytes === 0 ? null : { name, left: bytes };
      take(name, new Uint8Array(0));
      return piece.subarray(end + 1);
    }
    const some = piece.subarray(0, part.left);
    take(part.name, some);
    part.left -= some.length;
    if (part.left === 0) part = null;
    return piece.subarray(some.length);
  };
  return {
    take: (piece: Uint8Array): void => {
      for (let rest: Buffer = Buffer.from(piece); rest.length > 0;) rest = takeSome(rest);
    },
    end: (): void => {
      if (part !== null || head.length > 0) throw new Failure('backup-invalid', 'the last part of the backup is cut');
    },
  };
}

function refuseStrange(name: string): void {
  if (!partName.test(name)) throw new Failure('backup-invalid', `${name.slice(0, 80)} is no file of a signer's backup`);
}

/** @throws Failure config-invalid when the file became shorter. */
function eachPiece({ name, bytes, from }: BackupPart, take: (piece: Uint8Array) => void): void {
  if (typeof from !== 'string') return take(from);
  const file = openSync(from, 'r');
  try {
    const block = Buffer.alloc(blockBytes);
    for (let done = 0; done < bytes;) {
      const read = readSync(file, block, 0, Math.min(block.length, bytes - done), done);
      if (read === 0) throw new Failure('config-invalid', `${name} became shorter while it was read`);
      done += read;
      take(block.subarray(0, read));
    }
  } finally {
    closeSync(file);
  }
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done);
}
