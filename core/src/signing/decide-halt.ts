import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { Failure } from '../failure.ts';
import type { Policy } from '../policy/policy.ts';
import { isAssertion } from './evidence.ts';
import type { HaltStatement, SignedHalt } from './halt.ts';
import type { EntryOf } from './journal-record.ts';
import type { JournalState } from './journal-state.ts';
import { statementDigest, statementDigestHex } from './statement.ts';
import type { Verifiers } from './verifiers.ts';
import { assertionProblem } from './verify-assertion.ts';

/**
 * Whether a halt counts: by a key of the policy's `halt_keys` (a watcher's, a token signed in advance) or an operator's
 * passkey at the approvals' relying party.
 * @returns the entry to journal, or null when this halt is in force already.
 * @throws Failure halt-invalid for bad evidence and for a statement that was used and lifted.
 */
export function decideHalt(
  state: JournalState,
  signed: SignedHalt,
  { policy, verifiers }: { readonly policy: Policy; readonly verifiers: Verifiers },
): EntryOf<'halt'> | null {
  const { statement, evidence } = signed;
  const digest = statementDigest('halt', statement);
  const name = bytesToHex(digest);
  const by = verifyEvidence(evidence, digest, policy, verifiers);
  if (state.halts.has(name)) return null;
  if (state.usedHalts.has(name)) throw new Failure('halt-invalid', `halt ${name} was used and lifted`);
  return { kind: 'halt', body: { digest: name, statement, by, evidence } };
}

/**
 * A peer's own halt: its certificate on the mesh is the evidence.
 * @returns the entry to journal, or null for one that is in force, or that was lifted before it came again.
 */
export function peerHalt(state: JournalState, statement: HaltStatement, signer: string): EntryOf<'halt'> | null {
  const digest = statementDigestHex('halt', statement);
  if (state.usedHalts.has(digest)) return null;
  return { kind: 'halt', body: { digest, statement, by: signer, evidence: null } };
}

function verifyEvidence(
  evidence: SignedHalt['evidence'],
  digest: Uint8Array,
  policy: Policy,
  verifiers: Verifiers,
): string {
  if (isAssertion(evidence)) {
    const operator = policy.operators.find((one) => one.credential_id === evidence.credential_id);
    if (!operator) throw new Failure('halt-invalid', `credential ${evidence.credential_id.slice(0, 24)} may not halt`);
    const problem = assertionProblem(evidence, digest, operator.public_key, policy.webauthn.approvals, verifiers);
    if (problem !== null) throw new Failure('halt-invalid', `halt of ${operator.id}: ${problem}`);
    return operator.id;
  }
  const key = policy.halt_keys.find((one) => one.key_id === evidence.key_id);
  if (!key) throw new Failure('halt-invalid', `key ${evidence.key_id} may not halt`);
  if (!verifiers.ed25519(hexToBytes(key.public_key), digest, evidence.signature)) {
    throw new Failure('halt-invalid', `the signature of ${evidence.key_id} does not hold`);
  }
  return evidence.key_id;
}
