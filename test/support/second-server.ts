import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Client, createClient } from '@holdfast/client/create-client.ts';
import { freePort } from '@holdfast/devnet/free-port.ts';
import type { System } from './system.ts';

export interface SecondServer {
  /** As it is called in the table of lanes. */
  readonly name: string;
  readonly client: Client;
  stop(): Promise<void>;
}

/** Another server process on the system's database, with the same keys and an address of its own. */
export async function startSecondServer(system: System): Promise<SecondServer> {
  const folder = join(system.folder, 'server-2');
  cpSync(join(system.folder, 'server'), folder, { recursive: true });
  const file = join(folder, 'config.json');
  const config = JSON.parse(readFileSync(file, 'utf8')) as {
    name: string;
    listen: { host: string; port: number };
  };
  config.name = 'server-2';
  config.listen.port = await freePort();
  writeFileSync(file, JSON.stringify(config, null, 2));
  const child = await system.supervisor.spawnChild({
    name: 'server-2',
    command: process.execPath,
    args: [fileURLToPath(new URL('../../server/src/main.ts', import.meta.url)), 'run', folder],
    env: { DATABASE_URL: system.databaseUrl },
    logFile: join(system.folder, 'logs', 'server-2.log'),
    ready: (line) => line.includes('"event":"listening"'),
    readyTimeoutMs: 60_000,
  });
  const privateKey = readFileSync(join(system.folder, 'cli', 'api.key'), 'utf8').trim();
  const client = createClient({
    baseUrl: `http://127.0.0.1:${config.listen.port}`,
    keyId: 'integrator-api',
    privateKey,
  });
  return { name: config.name, client, stop: () => child.stop() };
}
