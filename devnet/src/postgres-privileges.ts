import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, chown, constants, cp, lstat, mkdir, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { Failure } from '@holdfast/core/failure.ts';

const run = promisify(execFile);

/** How PostgreSQL's programs are started, and where; they refuse to run as root. */
export interface Footing {
  /** Folder with PostgreSQL's `bin`. */
  readonly binaries: string;
  /** Folder for the cluster, its password and its port; exists. */
  readonly folder: string;
  /** Words before the program: `unshare ...`. */
  readonly prefix: readonly string[];
  /** User and group to drop to. */
  readonly user?: { readonly uid: number; readonly gid: number };
}

export type Privileges = 'self' | 'namespace' | 'nobody';

const nobody = 65_534;

/**
 * Chooses how to run PostgreSQL. As an ordinary user: directly. As root: in a user namespace, where root's files
 * appear to belong to an ordinary user, so that it works below a folder only root may enter; where the kernel refuses
 * that, as `nobody`, with programs and data moved to a folder that others may enter.
 * @throws Failure config-invalid when none works.
 */
export async function findFooting(binaries: string, folder: string, wanted?: Privileges): Promise<Footing> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const uid = process.getuid?.() ?? 0;
  const users = await knownUsers();
  // initdb looks its own user up and gives up when there is no such entry, as in a container started with any uid.
  if (wanted === 'self' || (wanted === undefined && uid !== 0 && (users.includes(uid) || users.length === 0))) {
    return { binaries, folder, prefix: [] };
  }
  if (wanted !== 'nobody') {
    const inside = users.includes(1000) ? 1000 : (users.find((user) => user !== 0) ?? 1000);
    const prefix = ['unshare', '-U', `--map-user=${inside}`, `--map-group=${inside}`, '--'];
    if (await works(prefix, binaries, folder)) return { binaries, folder, prefix };
  }
  if (uid === 0 && wanted !== 'namespace') return nobodyFooting(binaries, folder);
  throw new Failure('config-invalid', `PostgreSQL cannot be started by user ${uid} on this machine`, {
    fix: 'Run as an ordinary user with an entry in /etc/passwd, or name a PostgreSQL server in DATABASE_URL.',
  });
}

async function knownUsers(): Promise<number[]> {
  const lines = (await readFile('/etc/passwd', 'utf8').catch(() => '')).split('\n');
  return lines.map((line) => Number(line.split(':')[2] ?? Number.NaN)).filter(Number.isSafeInteger);
}

async function works(prefix: readonly string[], binaries: string, folder: string): Promise<boolean> {
  const [command, ...words] = [...prefix, 'sh', '-c', '"$1" --version && test -w "$2" && test -x "$2"', 'sh'];
  try {
    await run(command, [...words, path.join(binaries, 'bin/postgres'), folder], { timeout: 20_000 });
    return true;
  } catch {
    return false;
  }
}

async function nobodyFooting(binaries: string, folder: string): Promise<Footing> {
  const user = { uid: nobody, gid: nobody };
  const outside = path.join(
    '/var/tmp',
    `holdfast-postgres-${createHash('sha256').update(folder).digest('hex').slice(0, 16)}`,
  );
  const openFolder = (await isTraversable(path.dirname(folder))) ? folder : path.join(outside, 'cluster');
  const openBinaries = (await isTraversable(binaries)) ? binaries : path.join(outside, 'native');
  if (openFolder !== folder || openBinaries !== binaries) {
    await mkdir(outside, { mode: 0o755 }).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    const owner = await lstat(outside);
    // Anyone may create names in /var/tmp; a folder that another user prepared is not ours to fill.
    if (!owner.isDirectory() || owner.uid !== 0) {
      throw new Failure('config-invalid', `${outside} belongs to another user`, { fix: `Remove ${outside}.` });
    }
  }
  if (openBinaries !== binaries && !(await exists(openBinaries))) {
    const partial = `${openBinaries}.${process.pid}`;
    await cp(binaries, partial, { recursive: true, verbatimSymlinks: true });
    await rename(partial, openBinaries).catch(() => rm(partial, { recursive: true }));
  }
  await mkdir(openFolder, { recursive: true, mode: 0o700 });
  await chown(openFolder, user.uid, user.gid);
  return { binaries: openBinaries, folder: openFolder, prefix: [], user };
}

/** Whether any user may pass through every folder down to this one. */
async function isTraversable(folder: string): Promise<boolean> {
  for (let at = path.resolve(folder); ; at = path.dirname(at)) {
    if (((await stat(at)).mode & 0o001) === 0) return false;
    if (at === path.dirname(at)) return true;
  }
}

async function exists(file: string): Promise<boolean> {
  return access(file, constants.F_OK).then(
    () => true,
    () => false,
  );
}
