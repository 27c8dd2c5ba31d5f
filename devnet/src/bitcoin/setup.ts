import { spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { Failure } from '@holdfast/core/failure.ts';

/**
 * Finds or unpacks a real bitcoind. Debian's stable suites carry none, its newer ones carry Bitcoin Knots; the package and
 * the libraries it was linked with (libc included) are unpacked below the user's cache folder and run through their own
 * loader, so that nothing on the system changes and no root is needed.
 */

/** Tried in this order; the package moves between the suites as releases are made. */
const suites = ['forky', 'sid'] as const;
const packageName = 'bitcoin-knots';
const commandTimeoutMs = 15 * 60_000;

interface Platform {
  readonly libraryFolder: string;
  readonly loader: string;
}

const platforms: Readonly<Partial<Record<string, Platform>>> = {
  x64: { libraryFolder: 'usr/lib/x86_64-linux-gnu', loader: 'ld-linux-x86-64.so.2' },
  arm64: { libraryFolder: 'usr/lib/aarch64-linux-gnu', loader: 'ld-linux-aarch64.so.1' },
};

interface Mirror {
  readonly uri: string;
  readonly signedBy: string;
}

/**
 * Path of a bitcoind that runs on this machine: the unpacked one, else a fresh unpack through apt, else the one on PATH.
 * @param log takes one line of progress at a time.
 * @throws Failure node-unavailable when there is none and none can be had; its `fix` says what to install.
 */
export async function ensureBitcoind(log: (line: string) => void = () => {}): Promise<{ bitcoind: string }> {
  const installed = join(cacheFolder(), 'bitcoin-knots');
  const wrapper = join(installed, 'bin', 'bitcoind');
  if (await exists(wrapper)) return { bitcoind: wrapper };
  const mirror = process.platform === 'linux' && (await findOnPath('apt-get')) ? await debianMirror() : undefined;
  const platform = platforms[process.arch];
  let reason = 'this system has no apt with a Debian mirror';
  if (mirror && platform) {
    try {
      await install(mirror, platform, installed, log);
      return { bitcoind: wrapper };
    } catch (error) {
      reason = `unpacking ${packageName} failed: ${error instanceof Error ? error.message : String(error)}`;
      log(reason);
    }
  }
  const onPath = await findOnPath('bitcoind');
  if (onPath) return { bitcoind: onPath };
  throw new Failure('node-unavailable', `no bitcoind: ${reason}, and there is none on PATH`, {
    fix: 'Install Bitcoin Core or Bitcoin Knots (version 28 or later) so that `bitcoind` is on PATH, or run on Debian with a working apt, then run `npm run setup:bitcoin`.',
  });
}

/** Downloads the package with its libraries to a folder of its own and renames it into place: all or nothing. */
async function install(mirror: Mirror, platform: Platform, target: string, log: (line: string) => void): Promise<void> {
  await mkdir(cacheFolder(), { recursive: true });
  const work = await mkdtemp(join(cacheFolder(), 'bitcoin-knots.unpack-'));
  try {
    const root = join(work, 'root');
    const debs = await download(mirror, join(work, 'apt'), log);
    await mkdir(root);
    log(`bitcoin: unpacking ${debs.length} packages`);
    for (const deb of debs) await run('dpkg-deb', ['-x', deb, root], work);
    await writeWrapper(root, platform);
    // A data folder of its own: without one it would look for a configuration in the user's.
    const version = await run(join(root, 'bin', 'bitcoind'), [`-datadir=${work}`, '--version'], work);
    await moveInto(root, target);
    log(`bitcoin: ${version.split('\n')[0] ?? 'bitcoind'} ready in ${target}`);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Loses the race gracefully when another process renamed its copy into place first. */
async function moveInto(from: string, target: string): Promise<void> {
  try {
    await rename(from, target);
  } catch (error) {
    const won = await exists(join(target, 'bin', 'bitcoind'));
    if (!won) throw error;
  }
}

async function download(mirror: Mirror, apt: string, log: (line: string) => void): Promise<string[]> {
  let lastError: unknown;
  for (const suite of suites) {
    try {
      return await downloadFrom(mirror, suite, join(apt, suite), log);
    } catch (error) {
      lastError = error;
      log(`bitcoin: suite ${suite} did not serve ${packageName}`);
    }
  }
  throw lastError;
}

async function downloadFrom(
  mirror: Mirror,
  suite: string,
  apt: string,
  log: (line: string) => void,
): Promise<string[]> {
  const debs = join(apt, 'debs');
  for (const folder of ['lists/partial', 'cache/archives/partial', 'parts', 'preferences', 'debs']) {
    await mkdir(join(apt, folder), { recursive: true });
  }
  await writeFile(join(apt, 'status'), '');
  await writeFile(
    join(apt, 'parts', 'suite.sources'),
    `Types: deb\nURIs: ${mirror.uri}\nSuites: ${suite}\nComponents: main\nSigned-By: ${mirror.signedBy}\n`,
  );
  const options = aptOptions(apt);
  log(`bitcoin: reading the package list of Debian ${suite}`);
  await run('apt-get', [...options, '-q', 'update'], apt);
  const wanted = await libraryClosure(options, apt);
  log(`bitcoin: downloading ${wanted.length} packages`);
  await run('apt-get', [...options, '-q', 'download', ...wanted], debs);
  return (await readdir(debs)).filter((name) => name.endsWith('.deb')).map((name) => join(debs, name));
}

/** Points every path of apt that is read or written for a download into one folder; the system's proxy settings stay. */
function aptOptions(apt: string): string[] {
  const settings = [
    'Dir::Etc::sourcelist=/dev/null',
    `Dir::Etc::sourceparts=${apt}/parts`,
    'Dir::Etc::preferences=/dev/null',
    `Dir::Etc::preferencesparts=${apt}/preferences`,
    `Dir::State::lists=${apt}/lists`,
    `Dir::State::status=${apt}/status`,
    `Dir::Cache=${apt}/cache`,
    'APT::Sandbox::User=root',
    'Acquire::Languages=none',
    'Acquire::Retries=2',
    'Acquire::http::Timeout=60',
  ];
  return settings.flatMap((setting) => ['-o', setting]);
}

/**
 * The package and the `lib*` packages below it. What else it depends on (debconf, service managers) serves its
 * maintainer scripts, which are never run here.
 */
async function libraryClosure(options: readonly string[], cwd: string): Promise<string[]> {
  const kinds = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'].map((kind) => `--no-${kind}`);
  const text = await run('apt-cache', [...options, 'depends', '--recurse', ...kinds, packageName], cwd);
  const below = new Map<string, string[]>();
  let current: string[] = [];
  for (const line of text.split('\n')) {
    const dependency = /^\s+\|?(?:Pre)?Depends:\s+(\S+)/.exec(line)?.[1];
    if (dependency !== undefined) current.push(dependency);
    else if (/^\S/.test(line)) below.set(line.trim(), (current = []));
  }
  const wanted = new Set([packageName]);
  for (const name of wanted) {
    for (const dependency of below.get(name) ?? []) if (dependency.startsWith('lib')) wanted.add(dependency);
  }
  return [...wanted];
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

/** The Debian archive that this machine's apt already uses, from deb822 or one-line sources. */
async function debianMirror(): Promise<Mirror | undefined> {
  const folder = '/etc/apt/sources.list.d';
  const names = await readdir(folder).catch(() => []);
  const files = [
    ...names.filter((name) => /\.(sources|list)$/.test(name)).map((name) => join(folder, name)),
    '/etc/apt/sources.list',
  ];
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(() => '');
    const mirror = mirrorIn(text);
    if (mirror) return mirror;
  }
  return undefined;
}

const archivePath = /(?:\/debian\/?|mirror\+file:\S*debian\.list)$/;
const archiveKeyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

function mirrorIn(text: string): Mirror | undefined {
  for (const stanza of text.replace(/^#.*$\n?/gm, '').split(/\n\s*\n/)) {
    const uris = /^URIs:[ \t]*(.+)$/m.exec(stanza)?.[1]?.trim().split(/\s+/) ?? [];
    const uri = uris.find((one) => archivePath.test(one));
    if (uri) return { uri, signedBy: /^Signed-By:[ \t]*(\/\S+)/m.exec(stanza)?.[1] ?? archiveKeyring };
    for (const [, options = '', one = ''] of stanza.matchAll(/^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+/gm)) {
      if (archivePath.test(one))
        return { uri: one, signedBy: /signed-by=(\/[^\s\]]+)/.exec(options)?.[1] ?? archiveKeyring };
    }
  }
  return undefined;
}

function cacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'holdfast');
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function findOnPath(name: string): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, name);
    if (folder !== '' && (await exists(path))) return path;
  }
  return undefined;
}

/** Standard output of a command; a failure carries the end of what it printed. */
function run(command: string, args: readonly string[], cwd: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], timeout: commandTimeoutMs });
    const out: Buffer[] = [];
    let printed = '';
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => (printed = (printed + chunk.toString()).slice(-2_000)));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(Buffer.concat(out).toString());
      else reject(new Error(`${command} ended with ${code ?? 'a signal'}: ${printed.trim().slice(-500)}`));
    });
  });
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
