import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { type Postgres, startPostgres } from '@holdfast/devnet/postgres.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { serverVariable } from '../support/lent-database.ts';
import { makeMigrated } from '../support/prepare-tier.ts';

const main = fileURLToPath(new URL('main.ts', import.meta.url));
let folder: string;
let postgres: Postgres;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-simulation-'));
  postgres = await startPostgres({ dataDir: join(folder, 'postgres'), diesWithCaller: true });
  await makeMigrated(postgres.url);
});
afterAll(async () => {
  await postgres?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** In a process of its own: the simulation replaces clocks, disks and randomness of its whole process. */
async function simulate(...options: string[]): Promise<{ status: number | null; output: string }> {
  const env = { ...process.env, [serverVariable]: postgres.url };
  const child = spawn(process.execPath, [main, ...options], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const [out, errors, status] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  const output = out + errors;
  console.log(output);
  return { status, output };
}

const traces = (output: string): string[] => [...output.matchAll(/trace ([0-9a-f]{16})/g)].map(([, trace]) => trace!);

test.concurrent('every invariant holds under the faults of a few seeds, and a seed is the same run again', async () => {
  const several = await simulate('--seeds', '2', '--seed', '3');
  expect(several).toMatchObject({ status: 0 });
  expect(traces(several.output)).toHaveLength(2);
  const last = await simulate('--seeds', '1', '--seed', '4');
  expect(traces(last.output)).toEqual(traces(several.output).slice(-1));
});

test.concurrent('a credit that a reorganisation leaves standing breaks an invariant, and the seed is printed', async () => {
  const { status, output } = await simulate('--seeds', '20', '--seed', '9', '--mutation', 'reversal-forgotten');
  expect(status).toBe(1);
  expect(output).toMatch(/seed [0-9]+ breaks an invariant: /);
  expect(output).toMatch(/npm run sim -- --seeds 1 --seed [0-9]+/);
});
