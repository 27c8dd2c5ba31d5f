import { basename, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { errorRow } from '@holdfast/core/contract/error-codes.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { opensslVerifiers } from '@holdfast/transport/openssl-verifiers.ts';
import { admitBuild } from './admit-build.ts';
import { ownBuild } from './build-identity.ts';
import { acceptCeremony } from './ceremony/accept-ceremony.ts';
import { prepareCeremony } from './ceremony/prepare-ceremony.ts';
import { checkPkcs11, loadConfig, readPassphrase, type Pkcs11Config } from './config.ts';
import { emergencyCommand, type EmergencyOptions, emergencyUsage } from './emergency/emergency-command.ts';
import { initSigner, unlockSigner } from './init.ts';
import { leave } from './keys/pkcs11/outstanding-calls.ts';
import { errorName, log } from './log.ts';
import { runSigner } from './run.ts';

const usage = `init <dataDir> | ceremony <dataDir> | run <dataDir> | admit <bundle> <dataDir> | ${emergencyUsage}`;

/**
 * `init <dataDir> [--signer id] [--kdf-memory-kib n --kdf-passes n] [--pkcs11-module path --pkcs11-token name
 * --pkcs11-pin-file path --pkcs11-key-label name]` makes keys and prints the card for the ceremony;
 * `ceremony <dataDir>` prints its transcript and digest, with `--accept <digest>` it fixes them; `run <dataDir>` serves;
 * `admit <bundle> <dataDir>` says whether another bundle may take this one's place; `emergency <dataDir> <act>` signs with this
 * signer's emergency key alone. The passphrase comes from the file that
 * HOLDFAST_PASSPHRASE_FILE names.
 */
async function main(argv: string[]): Promise<void> {
  // First of all: keys are made and opened under this code too, and what it hashes is the file that Node has just read.
  const file = fileURLToPath(import.meta.url);
  const build = ownBuild({ file, isMain: import.meta.main, options: process.execArgv, env: process.env });
  // Node would open its debugger to every user of this host.
  process.on('SIGUSR1', () => undefined);
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      signer: { type: 'string' },
      'kdf-memory-kib': { type: 'string' },
      'kdf-passes': { type: 'string' },
      'pkcs11-module': { type: 'string' },
      'pkcs11-token': { type: 'string' },
      'pkcs11-pin-file': { type: 'string' },
      'pkcs11-key-label': { type: 'string' },
      accept: { type: 'string' },
      network: { type: 'string' },
      operation: { type: 'string', multiple: true },
      deadline: { type: 'string' },
      nonce: { type: 'string' },
    },
  });
  const command = positionals.length > 1 ? positionals[0] : 'run';
  const folder = command === 'emergency' ? positionals[1] : positionals.at(-1);
  const counts = command === 'admit' || command === 'emergency' ? [3] : [1, 2];
  if (folder === undefined || !counts.includes(positionals.length))
    throw new Failure('config-invalid', `usage: ${usage}`);
  const dataDir = resolve(folder);
  if (command === 'admit') return print(await admitBuild(dataDir, resolve(positionals[1]!), Date.now()));
  // Files of a signer are its own, whatever the shell's umask says.
  process.umask(0o077);
  const passphrase = readPassphrase(process.env);
  const { operation, ...texts } = values;
  if (command === 'init') return init(dataDir, passphrase, texts);
  if (command === 'ceremony') return ceremony(dataDir, passphrase, values.accept);
  if (command === 'emergency') return emergency(dataDir, positionals[2]!, passphrase, { ...texts, operation });
  if (command !== 'run')
    throw new Failure('config-invalid', `no command ${command}; there are init, ceremony, run, admit and emergency`);
  const stop = await runSigner(dataDir, loadConfig(dataDir), passphrase, build);
  passphrase.fill(0);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      log('stopping', { signal });
      void stop().then(() => leave(0));
    });
  }
}

async function emergency(
  dataDir: string,
  kind: string,
  passphrase: Uint8Array,
  { network, operation, deadline, nonce }: EmergencyOptions,
): Promise<void> {
  print(await emergencyCommand(dataDir, kind, passphrase, { network, operation, deadline, nonce }, Date.now()));
}

async function init(
  dataDir: string,
  passphrase: Uint8Array,
  values: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const { signer = basename(dataDir), 'kdf-memory-kib': memory, 'kdf-passes': passes } = values;
  if ((memory === undefined) !== (passes === undefined))
    throw new Failure('config-invalid', 'give both --kdf-memory-kib and --kdf-passes, or neither');
  const strength = memory === undefined ? undefined : { memory_kib: Number(memory), passes: Number(passes) };
  print(await initSigner(dataDir, signer, passphrase, strength, hsmOf(values)));
}

/** An HSM is named in full or not at all. */
function hsmOf(values: Readonly<Record<string, string | undefined>>): Pkcs11Config | null {
  const named = {
    module: values['pkcs11-module'],
    token: values['pkcs11-token'],
    pin_file: values['pkcs11-pin-file'],
    key_label: values['pkcs11-key-label'],
  };
  return Object.values(named).every((value) => value === undefined) ? null : checkPkcs11(named);
}

async function ceremony(dataDir: string, passphrase: Uint8Array, expected: string | undefined): Promise<void> {
  const config = loadConfig(dataDir);
  const { card } = await unlockSigner(dataDir, passphrase, config);
  const verifiers = opensslVerifiers;
  if (expected === undefined) return print(prepareCeremony(dataDir, config, card, verifiers));
  const monotonicMs = (): number => performance.now();
  print(await acceptCeremony({ dataDir, config, card, verifiers, expected, clock: Date.now, monotonicMs }));
}

function print(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** Never the cause, the stack or the message of an unexpected error: they may quote what was being read. */
function die(error: unknown): void {
  const failure = error instanceof Failure ? error : new Failure('internal', `unexpected ${errorName(error)}`);
  const row = errorRow(failure.code);
  log('fatal', { code: failure.code, message: failure.message, fix: failure.fix ?? row.fix });
  leave(row.exit);
}

process.on('uncaughtException', die);
await main(process.argv.slice(2)).catch(die);
