import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '@holdfast/core/failure.ts';
import { cacheFolder, exists, findOnPath, run } from '../debian/commands.ts';
import { installUnpacked } from '../debian/install-unpacked.ts';

/**
 * Finds or unpacks a real bitcoind. Debian's stable suites carry none, its newer ones carry Bitcoin Knots; the package and
 * the libraries it was linked with (libc included) are unpacked below the user's cache folder and run through their own
 * loader, so that nothing on the system changes and no root is needed.
 */

/** The package moves between the suites as releases are made. */
const wanted = { name: 'bitcoin', packageName: 'bitcoin-knots', suites: ['forky', 'sid'] } as const;

interface Platform {
  readonly libraryFolder: string;
  readonly loader: string;
}

const platforms: Readonly<Partial<Record<string, Platform>>> = {
  x64: { libraryFolder: 'usr/lib/x86_64-linux-gnu', loader: 'ld-linux-x86-64.so.2' },
  arm64: { libraryFolder: 'usr/lib/aarch64-linux-gnu', loader: 'ld-linux-aarch64.so.1' },
};

/**
 * Path of a bitcoind that runs on this machine: the unpacked one, else a fresh unpack through apt, else the one on PATH.
 * @param log takes one line of progress at a time.
 * @throws Failure node-unavailable when there is none and none can be had; its `fix` says what to install.
 */
export async function ensureBitcoind(log: (line: string) => void = () => {}): Promise<{ bitcoind: string }> {
  const installed = join(cacheFolder(), 'bitcoin-knots');
  const wrapper = join(installed, 'bin', 'bitcoind');
  if (await exists(wrapper)) return { bitcoind: wrapper };
  const platform = platforms[process.arch];
  let reason = `there is no package for ${process.arch}`;
  if (platform) {
    try {
      await installUnpacked(wanted, installed, async (root, work) => prepare(root, work, platform), log);
      return { bitcoind: wrapper };
    } catch (error) {
      reason = `unpacking ${wanted.packageName} failed: ${error instanceof Error ? error.message : String(error)}`;
      log(reason);
    }
  }
  const onPath = await findOnPath('bitcoind');
  if (onPath) return { bitcoind: onPath };
  throw new Failure('node-unavailable', `no bitcoind: ${reason}, and there is none on PATH`, {
    fix: 'Install Bitcoin Core or Bitcoin Knots (version 28 or later) so that `bitcoind` is on PATH, or run on Debian with a working apt, then run `npm run setup:bitcoin`.',
  });
}

/** @returns the version, of a bitcoind that runs. */
async function prepare(root: string, work: string, platform: Platform): Promise<string> {
  await writeWrapper(root, platform);
  // A data folder of its own: without one it would look for a configuration in the user's.
  const version = await run(join(root, 'bin', 'bitcoind'), [`-datadir=${work}`, '--version'], work);
  return version.split('\n')[0] ?? 'bitcoind';
}

/** `bin/bitcoind`: replaces itself (exec) by the loader, so that the pid its parent sees is bitcoind's. */
async function writeWrapper(root: string, platform: Platform): Promise<void> {
  const path = join(root, 'bin', 'bitcoind');
  await mkdir(join(root, 'bin'));
  await writeFile(
    path,
    [
      '#!/bin/sh',
      'root="$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)"',
      `lib="$root/${platform.libraryFolder}"`,
      `exec "$lib/${platform.loader}" --library-path "$lib" --argv0 bitcoind "$root/usr/bin/bitcoind" "$@"`,
      '',
    ].join('\n'),
  );
  await chmod(path, 0o755);
}

if (import.meta.main) {
  try {
    const { bitcoind } = await ensureBitcoind((line) => console.log(line));
    console.log(`bitcoind: ${bitcoind}`);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    console.error(`${error.message}\n${error.fix ?? ''}`);
    process.exitCode = 5;
  }
}
