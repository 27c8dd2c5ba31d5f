/**
 * `npm run setup:ha`: what the test of high availability stands on and `npm ci` does not bring: Patroni with a Python of its own, etcd, and
 * PostgreSQL with the programs that replicas need. All are taken from Debian into the user's cache folder; nothing on the system
 * changes and no root is needed. Nothing is done twice; the second time needs no network.
 */
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorRow } from '@holdfast/core/contract/error-codes.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { ownSuite } from '../debian/archive.ts';
import { cacheFolder, exists, run } from '../debian/commands.ts';
import { installUnpacked } from '../debian/install-unpacked.ts';

/** Drivers of other stores than etcd, the compiler of PostgreSQL's queries, and what every machine with Node has. */
const without = [
  'python3-consul',
  'python3-kazoo',
  'python3-kubernetes',
  'python3-pysyncobj',
  'libllvm14',
  'libllvm19',
  'libc6',
  'libgcc-s1',
  'libstdc++6',
];

/**
 * The unpacked programs, else a fresh unpack through apt.
 * @param log takes one line of progress at a time.
 * @returns the folder whose `bin` has patroni, etcd, postgres, initdb, pg_basebackup, ...; each runs by itself, without variables of
 * its own in the environment, and from another place too.
 * @throws Failure node-unavailable when they cannot be had; its `fix` says what to install.
 */
export async function ensureHa(log: (line: string) => void = () => {}): Promise<string> {
  const target = join(cacheFolder(), 'ha');
  if (!(await exists(target))) {
    try {
      const wanted = {
        name: 'ha',
        packageName: 'patroni',
        more: ['etcd-server', 'python3-etcd', 'python3', 'postgresql'],
        below: /^(?:lib|python3|postgresql|zlib1g$|media-types$)/,
        suites: [await ownSuite()],
        without,
      };
      await installUnpacked(wanted, target, prepare, log);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Failure('node-unavailable', `no Patroni, etcd and PostgreSQL to run a cluster: ${why}`, {
        fix: 'Run on Debian with a working apt, then `npm run setup:ha`.',
      });
    }
  }
  return target;
}

/** @returns the versions, of programs that run. */
async function prepare(root: string, work: string): Promise<string> {
  const version = (await readdir(join(root, 'usr/lib/postgresql'))).at(-1);
  if (version === undefined) throw new Error('the packages hold no PostgreSQL');
  const programs = join('usr/lib/postgresql', version, 'bin');
  await mkdir(join(root, 'bin'));
  const python = 'PYTHONHOME="$root/usr" PYTHONPATH="$root/usr/lib/python3/dist-packages" PYTHONDONTWRITEBYTECODE=1';
  await wrapper(root, 'bin/patroni', `exec env ${python} "$root/usr/bin/python3" "$root/usr/bin/patroni" "$@"`);
  await wrapper(root, 'bin/etcd', 'exec "$root/usr/bin/etcd" "$@"');
  for (const name of await readdir(join(root, programs))) {
    await wrapper(root, `bin/${name}`, `exec "$root/${programs}/${name}" "$@"`);
  }
  const versions = [];
  for (const [program, argument] of [
    ['bin/patroni', '--version'],
    ['bin/etcd', '--version'],
    ['bin/pg_basebackup', '--version'],
    ['bin/postgres', '--version'],
  ] as const) {
    versions.push((await run(join(root, program), [argument], work)).split('\n')[0]);
  }
  return versions.join(', ');
}

/** Replaces itself (exec), so that the pid its parent sees is the program's. */
async function wrapper(root: string, path: string, command: string): Promise<void> {
  const libraries = `$root/usr/lib/${process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu'}`;
  const file = join(root, path);
  await writeFile(
    file,
    [
      '#!/bin/sh',
      `root="$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)"`,
      `export LD_LIBRARY_PATH="${libraries}"`,
      command,
      '',
    ].join('\n'),
  );
  await chmod(file, 0o755);
}

if (import.meta.main) {
  try {
    console.log(`ha: ${await ensureHa((line) => console.log(line))}`);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    console.error(`${error.message}\n${error.fix ?? errorRow(error.code).fix}`);
    process.exitCode = errorRow(error.code).exit;
  }
}
