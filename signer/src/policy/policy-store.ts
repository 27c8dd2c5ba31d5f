import { Failure } from '@holdfast/core/failure.ts';
import { decidePolicy } from '@holdfast/core/policy/decide-policy.ts';
import { policyDigest, type Policy, type SignedPolicy } from '@holdfast/core/policy/policy.ts';
import { verifyPolicy } from '@holdfast/core/policy/verify-policy.ts';
import type { JournalState } from '@holdfast/core/signing/journal-state.ts';
import type { Verifiers } from '@holdfast/core/signing/verifiers.ts';
import type { Journal } from '../journal/journal.ts';
import { deepFreeze } from './deep-freeze.ts';
import { policyPath, readPolicyFile, writePolicyFile } from './policy-files.ts';

/** The versions of the policy that this signer has, and which one counts. All times are the journal's (`nowMs`). */
export interface PolicyStore {
  /** The version in force: the highest whose time has come. Frozen. @throws Failure policy-missing. */
  readonly current: (nowMs: number) => Policy;
  /** What the version in force is called. @throws Failure policy-missing. */
  readonly name: (nowMs: number) => PolicyName;
  /** The next version to take effect. */
  readonly pending: (nowMs: number) => (PolicyName & { readonly effective_at_ms: number }) | null;
  /**
   * Takes a new version: its file is on the disk before the journal names it, and on return both are. A known version is
   * accepted again.
   * @throws Failure policy-invalid, policy-rollback, and the journal's.
   */
  readonly propose: (
    signed: SignedPolicy,
    nowMs: number,
  ) => Promise<{ version: number; effectiveAtMs: number; isNew: boolean }>;
  /** The highest version, in force or not. */
  readonly newest: () => SignedPolicy;
  readonly version: (version: number) => SignedPolicy | null;
  /** All versions, from low to high. */
  readonly known: () => SignedPolicy[];
}

interface PolicyName {
  readonly version: number;
  readonly digest: string;
}

interface Held extends PolicyName {
  readonly signed: SignedPolicy;
  readonly effectiveAtMs: number;
}

/** The versions that a journal names, read from their files, and which one counts. */
export interface PolicyVersions extends Pick<PolicyStore, 'current' | 'version'> {
  /** From low to high. */
  readonly versions: Held[];
  readonly inForce: (nowMs: number) => Held;
}

/**
 * Reads every version that the journal names. Files that it does not name count for nothing: a crash came before their
 * record, or somebody put them there.
 * @throws Failure policy-missing when a file is gone or is not what the journal recorded; policy-rollback when it holds an
 * older version; each with the file's name.
 */
export function readPolicyVersions(
  dataDir: string,
  state: Pick<JournalState, 'policies'>,
  verifiers: Verifiers,
): PolicyVersions {
  const versions: Held[] = [];
  for (const [version, recorded] of [...state.policies].sort(([a], [b]) => a - b)) {
    const signed = load(dataDir, version, recorded.digest);
    verifyHeld(dataDir, signed, versions, verifiers);
    versions.push({ version, ...recorded, signed: deepFreeze(signed) });
  }
  if (versions.length === 0) {
    throw new Failure('policy-missing', 'the journal records no policy', {
      fix: 'Run the ceremony of this signer: docs/how-to/run-a-key-ceremony.md.',
    });
  }
  const inForce = (nowMs: number): Held => {
    const found = versions.findLast(({ effectiveAtMs }) => effectiveAtMs <= nowMs);
    if (!found) throw new Failure('policy-missing', 'no version of the policy is in force yet');
    return found;
  };
  return {
    versions,
    inForce,
    current: (nowMs) => inForce(nowMs).signed.policy,
    version: (version) => versions.find((held) => held.version === version)?.signed ?? null,
  };
}

/** The versions, and the way to a next one; throws what `readPolicyVersions` does. */
export function openPolicyStore(dataDir: string, journal: Journal, verifiers: Verifiers): PolicyStore {
  const { versions, inForce, current, version: versionOf } = readPolicyVersions(dataDir, journal.state, verifiers);

  const after = (held: Held): Held[] => versions.slice(versions.indexOf(held) + 1);

  const newest = (): SignedPolicy => {
    const held = versions.at(-1);
    if (!held) throw new Failure('policy-missing', 'there is no policy');
    return held.signed;
  };

  const propose: PolicyStore['propose'] = async (signed, nowMs) => {
    const { version } = signed.policy;
    const digest = policyDigest(signed.policy);
    const known = versions.find((held) => held.version === version && held.digest === digest);
    if (known) {
      await journal.flushed();
      return { version, effectiveAtMs: known.effectiveAtMs, isNew: false };
    }
    // From here to the append nothing waits: no other proposal can come in between.
    journal.assertUsable();
    const held = inForce(nowMs);
    const { change, effectiveAtMs } = decidePolicy({
      inForce: held.signed.policy,
      pending: after(held).map((later) => ({ policy: later.signed.policy, effectiveAtMs: later.effectiveAtMs })),
      signed,
      ed25519: verifiers.ed25519,
      nowMs,
    });
    writePolicyFile(dataDir, signed);
    const body = { version, digest, change, effective_at_ms: effectiveAtMs };
    const recorded = journal.append({ kind: 'policy', body }, nowMs);
    versions.push({ version, digest, effectiveAtMs, signed: deepFreeze(structuredClone(signed)) });
    await recorded;
    return { version, effectiveAtMs, isNew: true };
  };

  return {
    current,
    name: (nowMs) => {
      const { version, digest } = inForce(nowMs);
      return { version, digest };
    },
    pending: (nowMs) => {
      const [next] = after(inForce(nowMs)).toSorted((a, b) => a.effectiveAtMs - b.effectiveAtMs);
      return next ? { version: next.version, digest: next.digest, effective_at_ms: next.effectiveAtMs } : null;
    },
    propose,
    newest,
    version: versionOf,
    known: () => versions.map(({ signed }) => signed),
  };
}

function load(dataDir: string, version: number, digest: string): SignedPolicy {
  const signed = readPolicyFile(dataDir, version);
  const path = policyPath(dataDir, version);
  if (signed.policy.version < version)
    throw new Failure('policy-rollback', `${path} holds version ${signed.policy.version}`, restore);
  if (policyDigest(signed.policy) !== digest)
    throw new Failure('policy-missing', `${path} is not the version ${version} that the journal records`, restore);
  return signed;
}

/**
 * The digest does not cover the signatures, and they are what peers and auditors go by. Which earlier version was in force
 * when this one came is not written down: any of them will do for a file that the journal names anyhow.
 */
function verifyHeld(dataDir: string, signed: SignedPolicy, earlier: readonly Held[], verifiers: Verifiers): void {
  const groups = [...earlier.map((held) => held.signed.policy), ...(earlier.length === 0 ? [signed.policy] : [])];
  const holds = groups.some(({ administrators }) => {
    try {
      return verifyPolicy(signed, administrators, verifiers.ed25519).length > 0;
    } catch (error) {
      if (error instanceof Failure) return false;
      throw error;
    }
  });
  if (holds) return;
  const path = policyPath(dataDir, signed.policy.version);
  throw new Failure('policy-missing', `the signatures in ${path} do not hold`, restore);
}

const restore = { fix: 'Restore the policies folder from the newest backup, or copy the file from another signer.' };
