import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { download, findArchive, type Wanted } from './archive.ts';
import { cacheFolder, exists, run } from './commands.ts';

/**
 * Unpacks a Debian package with its libraries into a folder of its own below the user's cache folder and renames it into
 * place: all or nothing.
 * @param target what is there afterwards.
 * @param finish checks the unpacked files, or adds to them; gives the line that says what is ready.
 * @throws Error with why it cannot be had.
 */
export async function installUnpacked(
  wanted: Wanted,
  target: string,
  finish: (root: string, work: string) => Promise<string>,
  log: (line: string) => void,
): Promise<void> {
  const mirror = await findArchive();
  if (!mirror) throw new Error('this system has no apt with a Debian mirror');
  await mkdir(cacheFolder(), { recursive: true });
  const work = await mkdtemp(join(cacheFolder(), `${wanted.packageName}.unpack-`));
  try {
    const root = join(work, 'root');
    const debs = await download(mirror, wanted, join(work, 'apt'), log);
    await mkdir(root);
    log(`${wanted.name}: unpacking ${debs.length} packages`);
    for (const deb of debs) await run('dpkg-deb', ['-x', deb, root], work);
    const ready = await finish(root, work);
    await moveInto(root, target);
    log(`${wanted.name}: ${ready} ready in ${target}`);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Loses the race gracefully when another process renamed its copy into place first. */
async function moveInto(from: string, target: string): Promise<void> {
  try {
    await rename(from, target);
  } catch (error) {
    if (!(await exists(target))) throw error;
  }
}
