import { basename, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { errorRow } from '@holdfast/core/contract/error-codes.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { loadConfig, readPassphrase } from './config.ts';
import { initSigner } from './init.ts';
import { errorName, log } from './log.ts';
import { runSigner } from './run.ts';

/**
 * `init <dataDir> [--signer id] [--kdf-memory-kib n --kdf-passes n]` makes keys and prints the card for the ceremony;
 * `run <dataDir>` serves. The passphrase comes from the file that HOLDFAST_PASSPHRASE_FILE names.
 */
async function main(argv: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      signer: { type: 'string' },
      'kdf-memory-kib': { type: 'string' },
      'kdf-passes': { type: 'string' },
    },
  });
  const command = positionals.length > 1 ? positionals[0] : 'run';
  const folder = positionals.at(-1);
  if (folder === undefined || positionals.length > 2)
    throw new Failure('config-invalid', 'usage: init <dataDir> | run <dataDir>');
  const dataDir = resolve(folder);
  // Files of a signer are its own, whatever the shell's umask says.
  process.umask(0o077);
  const passphrase = readPassphrase(process.env);
  if (command === 'init') {
    const signer = values.signer ?? basename(dataDir);
    const memory = values['kdf-memory-kib'];
    const passes = values['kdf-passes'];
    if ((memory === undefined) !== (passes === undefined))
      throw new Failure('config-invalid', 'give both --kdf-memory-kib and --kdf-passes, or neither');
    const strength = memory === undefined ? undefined : { memory_kib: Number(memory), passes: Number(passes) };
    process.stdout.write(`${JSON.stringify(await initSigner(dataDir, signer, passphrase, strength))}\n`);
    return;
  }
  if (command !== 'run') throw new Failure('config-invalid', `no command ${command}; there are init and run`);
  const stop = await runSigner(dataDir, loadConfig(dataDir), passphrase);
  passphrase.fill(0);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      log('stopping', { signal });
      void stop().then(() => process.exit(0));
    });
  }
}

/** Never the cause, the stack or the message of an unexpected error: they may quote what was being read. */
function die(error: unknown): void {
  const failure = error instanceof Failure ? error : new Failure('internal', `unexpected ${errorName(error)}`);
  const row = errorRow(failure.code);
  log('fatal', { code: failure.code, message: failure.message, fix: failure.fix ?? row.fix });
  process.exit(row.exit);
}

process.on('uncaughtException', die);
await main(process.argv.slice(2)).catch(die);
