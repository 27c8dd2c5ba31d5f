#!/usr/bin/env node
const argv = process.argv.slice(2);
// The machine of a custodian has no network: what serves one is not even loaded there (tools/src/offline.test.ts).
const { run } = argv[0] === 'cold' ? await import('./cold-run.ts') : await import('./run.ts');

// A reader that has seen enough (`holdfast deposits | head -1`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});
process.exitCode = await run(argv, {
  out: (text) => process.stdout.write(`${text}\n`),
  err: (text) => process.stderr.write(`${text}\n`),
});
