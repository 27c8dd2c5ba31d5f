import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findOnPath, run } from './commands.ts';

/** A Debian archive that this machine's apt already uses. */
interface Mirror {
  readonly uri: string;
  readonly signedBy: string;
}

/** What is to be had of the archive. */
export interface Wanted {
  /** The progress lines' first word. */
  readonly name: string;
  readonly packageName: string;
  /** Others that belong to it. */
  readonly more?: readonly string[];
  /** Of what packages depend on, what is fetched too; libraries when left out. */
  readonly below?: RegExp;
  /** Tried in this order. */
  readonly suites: readonly string[];
  /** Packages that this machine has anyway: not fetched. */
  readonly without?: readonly string[];
}

/** The release that this machine runs: what is loaded into its processes has to be of it. */
export async function ownSuite(): Promise<string> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const suite = /^VERSION_CODENAME=(\S+)$/m.exec(release)?.[1];
  if (suite === undefined) throw new Error('/etc/os-release names no release');
  return suite;
}

/** The archive, or undefined where there is no apt with one. */
export async function findArchive(): Promise<Mirror | undefined> {
  return process.platform === 'linux' && (await findOnPath('apt-get')) ? debianMirror() : undefined;
}

/**
 * Fetches a package with the libraries below it, checked by apt's own keys; no root is needed and nothing on the system changes.
 * @param apt folder for apt's state.
 * @returns paths of the .deb files.
 */
export async function download(
  mirror: Mirror,
  wanted: Wanted,
  apt: string,
  log: (line: string) => void,
): Promise<string[]> {
  let lastError: unknown;
  for (const suite of wanted.suites) {
    try {
      return await downloadFrom(mirror, suite, wanted, join(apt, suite), log);
    } catch (error) {
      lastError = error;
      log(`${wanted.name}: suite ${suite} did not serve ${wanted.packageName}`);
    }
  }
  throw lastError;
}

async function downloadFrom(
  mirror: Mirror,
  suite: string,
  wanted: Wanted,
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
  log(`${wanted.name}: reading the package list of Debian ${suite}`);
  await run('apt-get', [...options, '-q', 'update'], apt);
  const names = await libraryClosure(wanted, options, apt);
  log(`${wanted.name}: downloading ${names.length} packages: ${names.join(', ')}`);
  await run('apt-get', [...options, '-q', 'download', ...names], debs);
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
    // Root's apt downloads as a user of its own, as it always does; others have no right to change the user.
    ...(process.getuid?.() === 0 ? [] : ['APT::Sandbox::User=root']),
    'Acquire::Languages=none',
    'Acquire::Retries=2',
    'Acquire::http::Timeout=60',
  ];
  return settings.flatMap((setting) => ['-o', setting]);
}

/**
 * The packages and the libraries below them, or what else `below` names. What is left out (debconf, service managers) serves
 * maintainer scripts, which are never run here.
 */
async function libraryClosure(wanted: Wanted, options: readonly string[], cwd: string): Promise<string[]> {
  const { packageName, more = [], below: kept = /^lib/, without = [] } = wanted;
  const kinds = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'].map((kind) => `--no-${kind}`);
  const text = await run('apt-cache', [...options, 'depends', '--recurse', ...kinds, packageName, ...more], cwd);
  const below = new Map<string, string[]>();
  let current: string[] = [];
  for (const line of text.split('\n')) {
    const dependency = /^\s+\|?(?:Pre)?Depends:\s+(\S+)/.exec(line)?.[1];
    if (dependency !== undefined) current.push(dependency);
    else if (/^\S/.test(line)) below.set(line.trim(), (current = []));
  }
  const names = new Set([packageName, ...more]);
  for (const name of names) {
    for (const dependency of below.get(name) ?? []) {
      if (kept.test(dependency) && !without.includes(dependency)) names.add(dependency);
    }
  }
  return [...names];
}

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
/** Debian's own keys, in the forms in which its releases name them. */
const archiveKeyrings = /^\/usr\/share\/keyrings\/debian-archive-keyring\.(?:gpg|pgp)$/;

/**
 * Debian's own archive, from deb822 or one-line sources. Entries that are switched off, and those that other keys than
 * Debian's sign, are passed over: a repository under a path like Debian's is none of it.
 */
export function mirrorIn(text: string): Mirror | undefined {
  for (const stanza of text.replace(/^#.*$\n?/gm, '').split(/\n\s*\n/)) {
    for (const { uri, signedBy = archiveKeyring } of [...deb822(stanza), ...oneLiners(stanza)]) {
      if (archivePath.test(uri) && archiveKeyrings.test(signedBy)) return { uri, signedBy };
    }
  }
  return undefined;
}

/** A source without `signedBy` is signed by whatever key apt trusts; of it only what Debian's keys sign is taken. */
type Source = { readonly uri: string; readonly signedBy: string | undefined };

function deb822(stanza: string): Source[] {
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}:[ \\t]*(.*)$`, 'im').exec(stanza)?.[1]?.trim();
  if (/^(?:no|false|without|off|disable|0)$/i.test(field('Enabled') ?? '')) return [];
  // An empty first line is a key written out below it: not by name Debian's.
  const signedBy = field('Signed-By');
  return (field('URIs') ?? '').split(/\s+/).map((uri) => ({ uri, signedBy }));
}

function oneLiners(stanza: string): Source[] {
  const lines = stanza.matchAll(/^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+/gm);
  return [...lines].map(([, options = '', uri = '']) => ({
    uri,
    signedBy: /signed-by=([^\s\]]+)/i.exec(options)?.[1],
  }));
}
