/**
 * `npm run reset`: removes the data folder of this checkout with its chains, keys and database. Refuses while a
 * supervisor runs on it; what a killed one left behind is stopped first.
 */
import { existsSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Failure } from '@holdfast/core/failure.ts';
import { errorRow } from '@holdfast/core/contract/error-codes.ts';
import { stopLeftovers } from './processes.ts';

const folder = resolve(process.argv[2] ?? fileURLToPath(new URL('../../.holdfast', import.meta.url)));

if (!existsSync(folder)) {
  console.log(`Nothing to remove: ${folder} does not exist.`);
} else {
  try {
    await stopLeftovers(join(folder, 'run'));
    rmSync(folder, { recursive: true, force: true });
    console.log(`Removed ${folder}.`);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    console.error(`Not removed: ${error.message}. ${errorRow(error.code).fix}`);
    process.exitCode = errorRow(error.code).exit;
  }
}
