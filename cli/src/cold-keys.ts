import { argon2, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js';
import { canonicalText, parseCanonical } from '@holdfast/core/cold/parse-canonical.ts';
import { parseSetup } from '@holdfast/core/cold/parse-setup.ts';
import type { HashToSign } from '@holdfast/core/cold/reading.ts';
import { ColdRegister, emptyRegister } from '@holdfast/core/cold/decide-register.ts';
import type { ColdCard, ColdSetup } from '@holdfast/core/cold/setup.ts';
import { evmAddressOf } from '@holdfast/core/cold/evm-address-of.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { KdfParameters, kdfDefaults, openSealed, parseSealed, seal } from '@holdfast/core/sealing/seal.ts';
import Type, { type Static } from 'typebox';
import { makeFolder, readTextOrNull, replaceFile, writeNew } from './cold-files.ts';

/**
 * The folder of a custodian's keys, on the machine without a network: `keys.sealed`, the pinned `setup.json`, and
 * `register.json`, which says what was signed.
 */
const keysFile = (folder: string): string => join(folder, 'keys.sealed');
const setupFile = (folder: string): string => join(folder, 'setup.json');
const registerFile = (folder: string): string => join(folder, 'register.json');

const secretBytes = 32;
const argon2Async = promisify(argon2);

/** A custodian's keys in memory; `wipe` them. */
export interface ColdKeys {
  readonly card: ColdCard;
  /** @returns as `ColdPartial` has them. */
  sign(hash: HashToSign): string;
  wipe(): void;
}

/** Strength of the sealing; weaker than the default in tests only. Within these bounds a sealed file can be opened again. */
export const Strength = Type.Pick(KdfParameters, ['memory_kib', 'passes']);
export type Strength = Static<typeof Strength>;

export function haveKeys(folder: string): boolean {
  return readTextOrNull(keysFile(folder)) !== null;
}

/**
 * Makes the keys of a custodian, seals them, and opens the file again. There is no way to bring in a key from elsewhere.
 * @throws Failure cold-keys-missing where other keys were used before, wrong-passphrase when what was written does not open.
 */
export async function makeKeys(
  folder: string,
  name: string,
  passphrase: Uint8Array,
  strength: Strength = kdfDefaults,
): Promise<ColdCard> {
  refuseUsedFolder(folder);
  const secrets = Buffer.concat([secp256k1.utils.randomSecretKey(), secp256k1.utils.randomSecretKey()]);
  const kdf = { ...kdfDefaults, ...strength, salt: randomBytes(16).toString('hex') };
  const key = await stretch(passphrase, kdf);
  try {
    const card = cardOf(name, secrets);
    const header = { wallet: 'cold', epoch: 1, name, bitcoin: card.bitcoin, evm: card.evm };
    const sealed = seal({ kdf, header, key, nonce: randomBytes(24), plaintext: secrets });
    makeFolder(folder);
    writeRegister(folder, emptyRegister);
    // Last: with the keys in place, everything is.
    writeNew(keysFile(folder), JSON.stringify(sealed));
    await refuseOther(folder, passphrase, card);
    return card;
  } finally {
    secrets.fill(0);
    key.fill(0);
  }
}

/** A crashed keygen leaves an empty register, no more: what else is there belongs to keys that are gone. */
function refuseUsedFolder(folder: string): void {
  const isRegistered = readTextOrNull(registerFile(folder)) !== null && readRegister(folder).entries.length > 0;
  if (!isRegistered && readTextOrNull(setupFile(folder)) === null) return;
  throw new Failure('cold-keys-missing', `${folder} has a setup or signed requests, but its keys.sealed is gone`, {
    fix: 'Restore keys.sealed from a backup. New keys take a new folder.',
  });
}

/** Before a card is printed, and coins go to its keys. */
async function refuseOther(folder: string, passphrase: Uint8Array, card: ColdCard): Promise<void> {
  const written = await openKeys(folder, passphrase);
  written.wipe();
  if (canonicalText(written.card) === canonicalText(card)) return;
  throw new Failure('wrong-passphrase', `${keysFile(folder)} does not hold the keys that were just sealed`, {
    fix: 'Use nothing of this folder. Look at the disk, and make keys in a new folder.',
  });
}

/** @throws Failure cold-keys-missing, wrong-passphrase. */
export async function openKeys(folder: string, passphrase: Uint8Array): Promise<ColdKeys> {
  const text = readTextOrNull(keysFile(folder));
  if (text === null) throw new Failure('cold-keys-missing', `${folder} holds no keys`);
  const sealed = parseSealed(text);
  const key = await stretch(passphrase, sealed.kdf);
  const secrets = openSealed(sealed, key);
  key.fill(0);
  const name = String(sealed.header['name']);
  if (sealed.header['wallet'] !== 'cold' || secrets.length !== 2 * secretBytes)
    throw new Failure('wrong-passphrase', `${keysFile(folder)} holds no keys of a custodian`);
  return {
    card: cardOf(name, secrets),
    sign: (hash) => signHash(hash, secrets),
    wipe: () => void secrets.fill(0),
  };
}

/** The setup that this machine pins. @throws Failure cold-setup-differs when there is none, cold-setup-invalid. */
export function pinnedSetup(folder: string): ColdSetup {
  const text = readTextOrNull(setupFile(folder));
  if (text === null)
    throw new Failure('cold-setup-differs', `${folder} pins no setup yet`, { fix: 'Run holdfast cold accept first.' });
  return parseSetup(text);
}

/** Pins a setup for good. @throws Failure cold-setup-differs when another one is pinned. */
export function pinSetup(folder: string, setup: ColdSetup): void {
  const text = canonicalText(setup);
  const pinned = readTextOrNull(setupFile(folder));
  if (pinned === text) return;
  if (pinned !== null)
    throw new Failure('cold-setup-differs', `${folder} pins the setup of another ceremony`, {
      fix: 'A setup is pinned once. New custodians, keys or addresses take new keys, in a new folder.',
    });
  writeNew(setupFile(folder), text);
}

/** @throws Failure cold-register-broken when it is gone or damaged: then nobody knows what was signed. */
export function readRegister(folder: string): ColdRegister {
  const file = registerFile(folder);
  const text = readTextOrNull(file);
  if (text === null) throw new Failure('cold-register-broken', `${file} is gone`);
  return parseCanonical(text, ColdRegister, `${file}, the register of what was signed`, 'cold-register-broken');
}

/** On return it is on the disk. */
export function writeRegister(folder: string, register: ColdRegister): void {
  replaceFile(registerFile(folder), canonicalText(register));
}

/** RFC 9106. */
async function stretch(passphrase: Uint8Array, kdf: KdfParameters): Promise<Buffer> {
  return argon2Async(kdf.name, {
    message: passphrase,
    nonce: Buffer.from(kdf.salt, 'hex'),
    memory: kdf.memory_kib,
    passes: kdf.passes,
    parallelism: kdf.parallelism,
    tagLength: 32,
  });
}

const bitcoinSecret = (secrets: Uint8Array): Uint8Array => secrets.subarray(0, secretBytes);
const evmSecret = (secrets: Uint8Array): Uint8Array => secrets.subarray(secretBytes);

function cardOf(name: string, secrets: Uint8Array): ColdCard {
  return {
    version: 1,
    name,
    bitcoin: Buffer.from(secp256k1.getPublicKey(bitcoinSecret(secrets))).toString('hex'),
    evm: evmAddressOf(secp256k1.getPublicKey(evmSecret(secrets))),
  };
}

/** Nonces by RFC 6979 and BIP-340, never from a source of randomness alone. */
function signHash({ scheme, hash }: HashToSign, secrets: Uint8Array): string {
  if (scheme === 'schnorr') return hexOf(schnorr.sign(hash, bitcoinSecret(secrets)));
  if (scheme === 'ecdsa') return hexOf(secp256k1.sign(hash, bitcoinSecret(secrets), { prehash: false }));
  const recovered = secp256k1.sign(hash, evmSecret(secrets), { prehash: false, format: 'recovered' });
  return hexOf(recovered.subarray(1)) + (27 + (recovered[0] ?? 0)).toString(16);
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
