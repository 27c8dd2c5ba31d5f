import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleSigner } from '@holdfast/devnet/signer-program.ts';
import { programVariable } from './signer-program.ts';

/** Before a tier that starts signers: bundles them once for all its test files. */
export async function setup(): Promise<() => void> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-signer-'));
  process.env[programVariable] = JSON.stringify(await bundleSigner(folder));
  return () => rmSync(folder, { recursive: true, force: true });
}
