import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ceremonyDigest, type CeremonyTranscript } from '@holdfast/core/policy/ceremony.ts';
import type { SignedPolicy } from '@holdfast/core/policy/policy.ts';
import { writePrivate } from './private-files.ts';
import { signerEnv } from './signer-program.ts';

const run = promisify(execFile);

export interface CeremonySigner {
  readonly id: string;
  /** With config.json in it. */
  readonly dataDir: string;
  readonly passphraseFile: string;
  /** What the module of its HSM needs. */
  readonly env?: Readonly<Record<string, string>>;
  /** The signer's program. */
  readonly main: string;
}

/**
 * Hands version 1 of the policy to every signer, has one print the digest that it makes of the ceremony, and all accept
 * that: one that comes to another digest by itself refuses. Where all of them have accepted before, nothing is done.
 * @returns the digest, 64 hex digits.
 * @throws Error when a signer was told something else than the others.
 */
export async function holdCeremony(signers: readonly CeremonySigner[], first: SignedPolicy): Promise<string> {
  const known = signers.map(({ dataDir }) => acceptedDigest(dataDir));
  const open = signers.filter((_, at) => known[at] === null);
  for (const { dataDir } of open) writePrivate(join(dataDir, 'policies', '1.json'), JSON.stringify(first));
  const digest = known.find((one) => one !== null) ?? (await ceremony(signers[0]!));
  const accepted = await Promise.all(open.map((signer) => ceremony(signer, '--accept', digest)));
  if ([...accepted, ...known].some((one) => one !== null && one !== digest))
    throw new Error('The signers have accepted different ceremonies.');
  return digest;
}

function acceptedDigest(dataDir: string): string | null {
  const path = join(dataDir, 'ceremony.json');
  return existsSync(path) ? ceremonyDigest(JSON.parse(readFileSync(path, 'utf8')) as CeremonyTranscript) : null;
}

async function ceremony(signer: CeremonySigner, ...more: readonly string[]): Promise<string> {
  const env = signerEnv(signer.passphraseFile, signer.env);
  try {
    const { stdout } = await run(process.execPath, [signer.main, 'ceremony', signer.dataDir, ...more], { env });
    return (JSON.parse(stdout) as { digest: string }).digest;
  } catch (cause) {
    // Its last line says why.
    const { stdout = '' } = cause as { stdout?: string };
    throw new Error(`ceremony of ${signer.id}: ${stdout.trim()}`, { cause });
  }
}
