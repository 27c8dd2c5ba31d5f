import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

/** What a signer is started from. */
export interface SignerProgram {
  /** The file to run. */
  readonly main: string;
  /** What it says that it is: the SHA-256 of a bundle. */
  readonly build: string;
}

/**
 * All that a signer is started with, of whatever program: a bundle refuses what the environment of whoever starts it may have.
 * @param more what the module of its HSM needs, or what a test loads before the sources.
 */
export function signerEnv(
  passphraseFile: string,
  more: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  return { ...more, HOLDFAST_PASSPHRASE_FILE: passphraseFile };
}

/** Without a bundle: for what must be loaded before the signer's own code. A policy has to list it. */
export const sourceProgram: SignerProgram = { main: join(root, 'signer/src/main.ts'), build: 'source' };

/** Bundles this checkout's signer into a folder, as `npm run bundle:signer` does. */
export async function bundleSigner(folder: string): Promise<SignerProgram> {
  const { stdout } = await run(process.execPath, [join(root, 'tools/src/write-signer-bundle.ts'), '--out', folder]);
  const [, build, main] = /^([0-9a-f]{64}) {2}(.+)\n$/.exec(stdout) ?? [];
  if (build === undefined || main === undefined) throw new Error(`no bundle of the signer: ${stdout}`);
  linkPackages(folder);
  return { main, build };
}

/** Native code is not in a bundle; Node looks for its package beside it. */
export function linkPackages(folder: string): void {
  mkdirSync(folder, { recursive: true });
  const link = join(folder, 'node_modules');
  if (!existsSync(link)) symlinkSync(join(root, 'node_modules'), link);
}
