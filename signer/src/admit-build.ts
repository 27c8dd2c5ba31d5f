import { join } from 'node:path';
import { Failure } from '@holdfast/core/failure.ts';
import type { SignedPolicy } from '@holdfast/core/policy/policy.ts';
import { opensslVerifiers } from '@holdfast/transport/openssl-verifiers.ts';
import { buildOf } from './build-identity.ts';
import { journalName } from './init.ts';
import { readJournal } from './journal/read-journal.ts';
import { judgeBuild } from './mesh/judge-build.ts';
import { readPolicyVersions } from './policy/policy-store.ts';

/** A later version, signed and waiting, may have dropped a build that turned out bad. */
function refuseDropped(
  build: string,
  versions: readonly { readonly version: number; readonly signed: SignedPolicy }[],
): void {
  const last = versions.at(-1);
  if (!last || last.signed.policy.builds.permitted.includes(build)) return;
  throw new Failure('build-not-permitted', `policy version ${last.version}, which counts soon, drops build ${build}`);
}

/**
 * Whether another bundle may take this one's place: listed by the policy in force, its soak time over. Code that an
 * attacker wrote would let itself in; so the build in use is asked before the new one runs for the first time. Reads the
 * journal and the policies beside the running signer and writes nothing.
 * @param nowMs UTC milliseconds, by this machine's clock alone.
 * @returns the bundle's SHA-256, and the version of the policy that lists it.
 * @throws Failure build-not-permitted, and what the files' readers throw.
 */
export async function admitBuild(
  dataDir: string,
  bundle: string,
  nowMs: number,
): Promise<{ build: string; policy: number }> {
  const build = buildOf(bundle);
  const { state } = await readJournal(join(dataDir, journalName));
  const policies = readPolicyVersions(dataDir, state, opensslVerifiers);
  judgeBuild(build, policies, state, nowMs);
  refuseDropped(build, policies.versions);
  return { build, policy: policies.current(nowMs).version };
}
