import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { bytesToHex, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import Type, { type Static } from 'typebox';
import { Compile } from 'typebox/compile';
import { Failure } from '../failure.ts';
import { invariant } from '../invariant.ts';
import { canonicalJson } from '../signing/intent.ts';

/**
 * A secret at rest. Argon2id (RFC 9106) stretches the passphrase, XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha) encrypts;
 * everything else in the file, parameters and nonce included, is associated data in its RFC 8785 form, so no field can
 * be changed without the opening failing. The caller stretches and draws the random bytes; this file only computes.
 */
const strict = { additionalProperties: false } as const;
const hex = (bytes: number) => Type.String({ pattern: `^[0-9a-f]{${bytes * 2}}$` });

export const KdfParameters = Type.Object(
  {
    name: Type.Literal('argon2id'),
    /** Up to 1 GiB: a file must not be able to exhaust the machine. */
    memory_kib: Type.Integer({ minimum: 8, maximum: 1_048_576 }),
    passes: Type.Integer({ minimum: 1, maximum: 16 }),
    parallelism: Type.Literal(1),
    salt: hex(16),
  },
  strict,
);
export type KdfParameters = Static<typeof KdfParameters>;

export const SealedFile = Type.Object(
  {
    version: Type.Literal(1),
    kdf: KdfParameters,
    /** What the secret is for: wallet, epoch and the like. Readable without the passphrase, never secret. */
    header: Type.Record(Type.String({ maxLength: 40 }), Type.Union([Type.String({ maxLength: 256 }), Type.Integer()])),
    nonce: hex(24),
    ciphertext: Type.String({ pattern: '^([0-9a-f]{2})+$', maxLength: 200_000 }),
  },
  strict,
);
export type SealedFile = Static<typeof SealedFile>;
export type SealedHeader = SealedFile['header'];

/** Full strength, about a second and 256 MiB. */
export const kdfDefaults = { name: 'argon2id', memory_kib: 262_144, passes: 3, parallelism: 1 } as const;

const sealedFile = Compile(SealedFile);

/** Reads the text of a sealed file. @throws Failure wrong-passphrase when it is not one. */
export function parseSealed(text: string): SealedFile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new Failure('wrong-passphrase', 'a sealed file is damaged: not JSON', { cause });
  }
  if (!sealedFile.Check(value))
    throw new Failure('wrong-passphrase', 'a sealed file is damaged: fields are missing or unknown');
  return value;
}

/**
 * Encrypts `plaintext`.
 * @param key 32 bytes, the passphrase stretched with exactly `kdf`.
 * @param nonce 24 fresh random bytes.
 */
export function seal(input: {
  readonly kdf: KdfParameters;
  readonly header: SealedHeader;
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
  readonly plaintext: Uint8Array;
}): SealedFile {
  invariant(input.key.length === 32 && input.nonce.length === 24, 'a key of 32 and a nonce of 24 bytes');
  const open = { version: 1, kdf: input.kdf, header: input.header, nonce: bytesToHex(input.nonce) } as const;
  const cipher = xchacha20poly1305(input.key, input.nonce, associatedData(open));
  return { ...open, ciphertext: bytesToHex(cipher.encrypt(input.plaintext)) };
}

/**
 * Decrypts a sealed file.
 * @param key 32 bytes, the passphrase stretched with `sealed.kdf`.
 * @throws Failure wrong-passphrase; a wrong passphrase and an altered file look the same to the cipher.
 */
export function openSealed(sealed: SealedFile, key: Uint8Array): Uint8Array {
  const { ciphertext, ...open } = sealed;
  const cipher = xchacha20poly1305(key, hexToBytes(sealed.nonce), associatedData(open));
  try {
    return cipher.decrypt(hexToBytes(ciphertext));
  } catch {
    throw new Failure(
      'wrong-passphrase',
      'a sealed file does not open: the passphrase is wrong or the file was altered',
    );
  }
}

function associatedData(open: Omit<SealedFile, 'ciphertext'>): Uint8Array {
  return utf8ToBytes(canonicalJson({ sealed: 'holdfast/sealed/v1', ...open }));
}
