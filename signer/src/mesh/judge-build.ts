import { Failure } from '@holdfast/core/failure.ts';
import type { Policy } from '@holdfast/core/policy/policy.ts';
import type { JournalState } from '@holdfast/core/signing/journal-state.ts';
import type { PolicyStore } from '../policy/policy-store.ts';

/** A version of the policy, and when it was in force. */
interface Term {
  readonly version: number;
  readonly builds: Policy['builds'];
  readonly fromMs: number;
  readonly untilMs: number;
}

/**
 * A build signs when the policy in force lists it and, unless the first policy already did, when it has been listed for
 * the soak time: a release that turns out bad is stopped before a quorum runs it. A version that shortens the soak time
 * shortens it for what is listed after the old soak time has passed once more: else it and the build could come together.
 * @throws Failure build-not-permitted.
 */
export function judgeBuild(
  build: string,
  policies: Pick<PolicyStore, 'current' | 'version'>,
  state: Pick<JournalState, 'policies'>,
  nowMs: number,
): void {
  const { version, builds } = policies.current(nowMs);
  if (!builds.permitted.includes(build)) {
    throw new Failure('build-not-permitted', `build ${build} is not listed by policy version ${version}`);
  }
  const terms = termsUntil(version, policies, state);
  const since = terms.findLastIndex((term) => !term.builds.permitted.includes(build)) + 1;
  const listed = terms[since];
  if (since === 0 && listed?.version === 1) return;
  const listedAtMs = listed?.fromMs ?? Number.POSITIVE_INFINITY;
  const soakedAtMs = Math.max(...terms.map((term) => Math.min(listedAtMs, term.untilMs) + term.builds.soak_s * 1_000));
  if (nowMs >= soakedAtMs) return;
  throw new Failure('build-not-permitted', `build ${build} is listed since version ${listed?.version} and still soaks`);
}

/** From version 1 to the one in force, without those that a later one overtook before their time came. */
function termsUntil(
  inForce: number,
  policies: Pick<PolicyStore, 'version'>,
  state: Pick<JournalState, 'policies'>,
): Term[] {
  const terms: Term[] = [];
  for (let version = inForce; version >= 1; version -= 1) {
    const builds = policies.version(version)?.policy.builds;
    const fromMs = state.policies.get(version)?.effectiveAtMs;
    const untilMs = terms[0]?.fromMs ?? Number.POSITIVE_INFINITY;
    if (builds && fromMs !== undefined && fromMs <= untilMs) terms.unshift({ version, builds, fromMs, untilMs });
  }
  return terms;
}
