import { readFile } from 'node:fs/promises';

/** The release of Debian that this system is, `bookworm`. @throws Error when it names none. */
export async function ownSuite(): Promise<string> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const suite = /^VERSION_CODENAME=(\S+)$/m.exec(release)?.[1];
  if (suite === undefined) throw new Error('/etc/os-release names no release');
  return suite;
}
