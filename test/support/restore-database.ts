import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { mainOf } from '@holdfast/devnet/make-keys.ts';
import type { RebuildReport } from '@holdfast/server/rebuild/report.ts';
import { openDatabase } from '@holdfast/server/store/database.ts';
import type { System } from './system.ts';

const run = promisify(execFile);

/** Runs statements beside the database that a URL names, where it may be copied or replaced. */
async function beside(url: string, statements: (name: string) => readonly string[]): Promise<void> {
  const admin = new URL(url);
  const name = admin.pathname.slice(1);
  admin.pathname = '/postgres';
  const db = openDatabase(admin.href, { connectionsMax: 1 });
  try {
    for (const statement of statements(name)) await db.query(statement);
  } finally {
    await db.close();
  }
}

/** Copies the database as it is; nobody may be connected to it. */
export async function backUpDatabase(url: string): Promise<void> {
  await beside(url, (name) => [`create database ${name}_backup template ${name}`]);
}

/** Puts the copy in its place; whoever is connected is thrown out. */
export async function restoreDatabase(url: string): Promise<void> {
  await beside(url, (name) => [
    `drop database ${name} with (force)`,
    `create database ${name} template ${name}_backup`,
  ]);
}

const rebuildCommand = (system: System) => ({
  args: [mainOf('server'), 'rebuild', join(system.folder, 'server')],
  options: { env: { ...process.env, DATABASE_URL: system.databaseUrl } },
});

/** `rebuild`, the server's command. @returns its report. @throws when it fails, with what it said. */
export async function rebuild(system: System): Promise<RebuildReport | null> {
  const { args, options } = rebuildCommand(system);
  const { stdout } = await run(process.execPath, args, options);
  return JSON.parse(stdout.slice(stdout.search(/^(null|\{)$/m))) as RebuildReport | null;
}

/** The same, killed with SIGKILL as soon as the database looks so. @returns whether it lived until then. */
export async function rebuildUntil(system: System, isSo: () => Promise<boolean>): Promise<boolean> {
  const { args, options } = rebuildCommand(system);
  const child = execFile(process.execPath, args, options);
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
  });
  while (child.exitCode === null && !(await isSo()));
  const isKilled = child.kill('SIGKILL');
  await ended;
  return isKilled;
}
