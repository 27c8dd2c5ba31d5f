import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from '@holdfast/client/create-client.ts';
import { policyDigest, type SignedPolicy } from '@holdfast/core/policy/policy.ts';
import { signPolicy } from './policy.ts';
import type { PolicyParties } from './policy-parties.ts';
import { writePrivate } from './private-files.ts';
import { awaitCondition } from './story/await-condition.ts';

/** Builds that stay listed: the one before is the way back. */
const keptMax = 4;
/** Longer than a devnet's delays. */
const withinMs = 30_000;

/**
 * Has two administrators list a build of the signers that the newest policy does not, and waits until that is in force: a
 * checkout whose code has changed goes on with the data of an earlier start. The server reads its copy at its next start.
 * @returns whether there is a new version.
 */
export async function listBuild(
  devnet: { readonly folder: string; readonly client: Client; readonly parties: PolicyParties },
  build: string,
): Promise<boolean> {
  const { folder, client, parties } = devnet;
  const { policy: newest } = newestPolicy(join(folder, 'signer-1', 'policies'));
  if (newest.builds.permitted.includes(build)) return false;
  const next = structuredClone(newest);
  next.version += 1;
  next.previous = policyDigest(newest);
  next.builds.permitted = [...newest.builds.permitted.slice(1 - keptMax), build];
  const signed = signPolicy(next, parties.administrators.slice(0, 2));
  await client.proposePolicy(signed);
  await awaitCondition(
    `policy ${next.version} in force`,
    async () => (await client.listPolicies()).data.every(({ version }) => version === next.version),
    withinMs,
    100,
  );
  writePrivate(join(folder, 'server', 'policy.json'), JSON.stringify(signed, null, 2));
  return true;
}

/** Of a signer's folder: `<version>.json`. */
function newestPolicy(folder: string): SignedPolicy {
  const version = Math.max(...readdirSync(folder).map((name) => Number.parseInt(name, 10) || 0));
  return JSON.parse(readFileSync(join(folder, `${version}.json`), 'utf8')) as SignedPolicy;
}
