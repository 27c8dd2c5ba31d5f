import { Failure } from '@holdfast/core/failure.ts';
import type { JournalState } from '@holdfast/core/signing/journal-state.ts';
import type { PolicyStore } from '../policy/policy-store.ts';

/**
 * A build signs when the policy in force lists it and, unless the first policy already did, when it has been listed for
 * the soak time: a release that turns out bad is stopped before a quorum runs it.
 * @throws Failure build-not-permitted.
 */
export function judgeBuild(
  build: string,
  policies: Pick<PolicyStore, 'current' | 'version'>,
  state: Pick<JournalState, 'policies'>,
  nowMs: number,
): void {
  const { version, builds } = policies.current(nowMs);
  const lists = (one: number): boolean => policies.version(one)?.policy.builds.permitted.includes(build) ?? false;
  if (!builds.permitted.includes(build)) {
    throw new Failure('build-not-permitted', `build ${build} is not listed by policy version ${version}`);
  }
  let since = version;
  while (since > 1 && lists(since - 1)) since -= 1;
  if (since === 1) return;
  const soakedAtMs = (state.policies.get(since)?.effectiveAtMs ?? Number.POSITIVE_INFINITY) + builds.soak_s * 1_000;
  if (nowMs >= soakedAtMs) return;
  throw new Failure('build-not-permitted', `build ${build} is listed since version ${since} and still soaks`);
}
