import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** The file's text; made by `make` and written for the user only when it is missing. */
export function keepFile(path: string, make: () => string): string {
  if (!existsSync(path)) writePrivate(path, make());
  return readFileSync(path, 'utf8');
}

export function writePrivate(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(path, text, { mode: 0o600 });
}

export const randomHex = (bytes: number): string => randomBytes(bytes).toString('hex');

export interface Ed25519Pair {
  /** 32-byte seed, hex. */
  readonly seed: string;
  /** 32 bytes, hex. */
  readonly publicKey: string;
}

/** An Ed25519 key kept in a file. */
export function keepEd25519(path: string): Ed25519Pair {
  const text = keepFile(path, () => {
    const jwk = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
    const hex = (part: string | undefined): string => Buffer.from(String(part), 'base64url').toString('hex');
    return JSON.stringify({ seed: hex(jwk.d), publicKey: hex(jwk.x) });
  });
  return JSON.parse(text) as Ed25519Pair;
}
