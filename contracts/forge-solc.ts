#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/**
 * The pinned npm compiler with the two ways of calling it that forge uses: `--version`, and `--standard-json` with the
 * whole input, sources included, on stdin. Offline.
 */
const solc = createRequire(import.meta.url)('solc') as { version(): string; compile(input: string): string };
if (process.argv.includes('--version')) {
  // forge reads a version with four parts, as the native compiler prints it.
  process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}\n`);
} else if (process.argv.includes('--standard-json')) {
  process.stdout.write(solc.compile(readFileSync(0, 'utf8')));
} else {
  process.stderr.write('usage: forge-solc.ts --version | --standard-json < input.json\n');
  process.exitCode = 1;
}
