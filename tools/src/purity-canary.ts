/**
 * Setup file of the vitest project `core`. It stays for the whole life of a test file, so that code that runs while a
 * module loads is caught too.
 */
import fc from 'fast-check';
import { join } from 'node:path';
import { installPurityTraps } from './purity-traps.ts';
import { repoRoot } from './repo-files.ts';

// Every run tries the same cases; another seed: FAST_CHECK_SEED=<integer> npm run test:unit.
fc.configureGlobal({ seed: Number(process.env['FAST_CHECK_SEED'] ?? 20_230_912) });

installPurityTraps(join(repoRoot, 'core/src'));
