/**
 * `npm run bundle:signer [-- --out folder]`: writes `signer.mjs` (to dist) and prints its SHA-256 and its path as
 * `sha256sum` does. The hash is the build that a policy lists and a signer reports.
 */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { bundleSigner } from './bundle-signer.ts';
import { repoRoot } from './repo-files.ts';

const { values } = parseArgs({ options: { out: { type: 'string', default: join(repoRoot, 'dist') } } });
const { code, build } = await bundleSigner(repoRoot);
const folder = resolve(values.out);
mkdirSync(folder, { recursive: true });
const path = join(folder, 'signer.mjs');
// A signer that starts meanwhile reads the old file or the new one.
writeFileSync(`${path}.part`, code);
renameSync(`${path}.part`, path);
console.log(`${build}  ${path}`);
