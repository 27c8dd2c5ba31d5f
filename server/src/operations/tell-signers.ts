import type { HaltResource, PolicyResource } from '@holdfast/core/contract/resources.ts';
import type { SignerAnswers } from '@holdfast/core/contract/bodies.ts';
import { formatTime } from '@holdfast/core/contract/time.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { SignerRequest } from '@holdfast/core/signing/messages.ts';
import type { SignerPanel } from '../signers/panel.ts';

/**
 * Hands a halt, a resumption or a policy to every signer. One acceptance is enough: signers pass it on among themselves.
 * @throws Failure with the refusal when every signer that answered refused, signers-unavailable when none answered.
 */
export async function tellSigners<P extends '/v1/halt' | '/v1/resume' | '/v1/policy'>(
  panel: SignerPanel,
  path: P,
  message: SignerRequest<P>,
): Promise<SignerAnswers> {
  const answers = await panel.tellAll(path, message);
  if (!answers.some(({ problem }) => problem === null)) {
    const refusal = answers.find(({ problem }) => problem !== null && problem.code !== 'signers-unavailable');
    throw (refusal ?? answers[0])?.problem ?? new Failure('signers-unavailable', 'there are no signers');
  }
  return {
    answers: answers.map(({ signer, problem }) => ({
      signer,
      state: problem === null ? 'accepted' : problem.code === 'signers-unavailable' ? 'unreachable' : 'refused',
      code: problem?.code ?? null,
      message: problem?.message ?? null,
    })),
  };
}

/** Halts as the signers hold them, oldest first; one row a halt. */
export async function listHalts(panel: SignerPanel): Promise<HaltResource[]> {
  const rows = new Map<string, { row: HaltResource; firstMs: number }>();
  for (const { id, status } of await panel.status()) {
    for (const { digest, statement, by, at_ms: atMs } of status?.halts ?? []) {
      const known = rows.get(digest) ?? {
        row: { object: 'halt' as const, digest, statement, by, signers: [] },
        firstMs: atMs,
      };
      known.row.signers.push({ signer: id, halted_at: formatTime(BigInt(atMs)) });
      rows.set(digest, { row: known.row, firstMs: Math.min(known.firstMs, atMs) });
    }
  }
  return [...rows.values()].toSorted((a, b) => a.firstMs - b.firstMs).map(({ row }) => row);
}

export async function listPolicies(panel: SignerPanel): Promise<PolicyResource[]> {
  return (await panel.status()).map(({ id, status, problem }) => ({
    object: 'policy',
    signer: id,
    version: status?.policy.version ?? null,
    digest: status?.policy.digest ?? null,
    pending: status?.policy_pending
      ? {
          version: status.policy_pending.version,
          digest: status.policy_pending.digest,
          effective_at: formatTime(BigInt(status.policy_pending.effective_at_ms)),
        }
      : null,
    problem: problem ?? status?.problem ?? null,
  }));
}
