import { mkdirSync, writeFileSync } from 'node:fs';
import { compileContracts } from './src/compile.ts';

/** `npm run build:contracts`: writes contracts/artifacts/<Name>.json, which are committed. */
const folder = new URL('./artifacts/', import.meta.url);
mkdirSync(folder, { recursive: true });
for (const artifact of compileContracts()) {
  writeFileSync(new URL(`${artifact.name}.json`, folder), `${JSON.stringify(artifact, null, 2)}\n`);
  process.stdout.write(`${artifact.name}: ${(artifact.bytecode.length - 2) / 2} bytes\n`);
}
