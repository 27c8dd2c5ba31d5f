import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ensureSoftHsm } from '@holdfast/devnet/softhsm/setup.ts';
import type { Pkcs11Config } from '@holdfast/signer/config.ts';

const run = promisify(execFile);
export const userPin = '271828';

/** One signer's own SoftHSM with one token, in a folder of its own. */
export interface SoftToken {
  readonly pkcs11: Pkcs11Config;
  /** For the processes that load it, and for them only. */
  readonly env: Readonly<Record<string, string>>;
  /** What is on the token. */
  readonly tokens: string;
  /** Makes a token, or makes this one anew: all keys on it are gone. */
  initialize(label?: string): Promise<void>;
}

/** @param label of the token and of the keys. */
export async function makeSoftToken(folder: string, label: string): Promise<SoftToken> {
  const { module, util, env: libraries } = await ensureSoftHsm();
  const own = join(folder, `hsm-${label}`);
  const tokens = join(own, 'tokens');
  mkdirSync(tokens, { recursive: true, mode: 0o700 });
  const conf = join(own, 'softhsm2.conf');
  writeFileSync(conf, `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`);
  const pinFile = join(own, 'pin');
  writeFileSync(pinFile, `${userPin}\n`, { mode: 0o600 });
  const env = { ...libraries, SOFTHSM2_CONF: conf };
  const initialize = async (name?: string): Promise<void> => {
    const where = name === undefined ? ['--token', label] : ['--free'];
    const given = ['--label', name ?? label, '--pin', userPin, '--so-pin', '314159'];
    await run(util, ['--module', module, '--init-token', ...where, ...given], { env: { ...process.env, ...env } });
  };
  await initialize(label);
  return { pkcs11: { module, token: label, pin_file: pinFile, key_label: label }, env, tokens, initialize };
}

/** How `init` is told of it. */
export function pkcs11Arguments({ module, token, pin_file: pinFile, key_label: keyLabel }: Pkcs11Config): string[] {
  const named = { module, token, 'pin-file': pinFile, 'key-label': keyLabel };
  return Object.entries(named).flatMap(([name, value]) => [`--pkcs11-${name}`, value]);
}
