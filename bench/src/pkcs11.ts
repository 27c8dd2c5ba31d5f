import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ensurePkcs11, ensureSoftHsm } from '@holdfast/devnet/softhsm/setup.ts';
import { makeSoftToken } from '../../test/support/soft-token.ts';
import { median, tableOf, type BenchResult } from './result.ts';
import type { SigningTimes } from './pkcs11-process.ts';

const script = fileURLToPath(new URL('./pkcs11-process.ts', import.meta.url));
const medianMsMax = 20;

/**
 * The owner key's signature of a digest, in software and in a SoftHSM, made by turns in one process: normalised, with its
 * recovery id, verified. SoftHSM is software too, so this is what the way over PKCS#11 costs, not what an HSM does.
 */
export async function run(): Promise<BenchResult[]> {
  await ensurePkcs11((line) => console.log(line));
  await ensureSoftHsm((line) => console.log(line));
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-pkcs11-'));
  try {
    const token = await makeSoftToken(folder, 'bench');
    const env = { ...process.env, ...token.env };
    const { stdout } = await promisify(execFile)(process.execPath, [script, JSON.stringify(token.pkcs11)], { env });
    const times = JSON.parse(stdout) as Record<'software' | 'pkcs11', SigningTimes>;
    return [...report('software', times.software), ...report('PKCS#11', times.pkcs11, { max: medianMsMax })];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function report(kind: string, { ms, perSecond }: SigningTimes, target?: { readonly max: number }): BenchResult[] {
  const sorted = ms.toSorted((a, b) => a - b);
  const p95 = sorted[Math.floor(sorted.length * 0.95)] ?? Number.NaN;
  return [
    {
      name: `owner signature in ${kind}, median`,
      value: median(ms),
      unit: 'ms',
      note: `one after another, ${ms.length} of them; 95% within ${p95.toPrecision(3)} ms`,
      ...(target && { target }),
    },
    { name: `owner signatures in ${kind}`, value: perSecond, unit: '/s', note: 'four asked for at a time' },
  ];
}

if (import.meta.main) process.stdout.write(`${tableOf(await run())}\n`);
