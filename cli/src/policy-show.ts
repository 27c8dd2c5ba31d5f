import { Failure } from '@holdfast/core/failure.ts';
import { assetPolicies } from '@holdfast/core/policy/network-of.ts';
import { type Policy, policyDigest, type SignedPolicy } from '@holdfast/core/policy/policy.ts';
import { verifyPolicy } from '@holdfast/core/policy/verify-policy.ts';
import { nobleVerifiers } from '@holdfast/core/signing/noble-verifiers.ts';
import { given, type OptionValues, type Result } from './command.ts';
import { formatTable } from './format-table.ts';
import { readPolicyFile } from './policy-file.ts';

/** `holdfast policy show`: signatures are verified by the version in `--current`, or else by the file's own administrators. */
export function policyShow(file: string, values: OptionValues): Result {
  const { policy, signatures } = readPolicyFile(file);
  const currentFile = given(values, 'current').current;
  const { administrators } = currentFile === undefined ? policy : readPolicyFile(currentFile).policy;
  const checked = signatures.map((signature) => ({
    key_id: signature.key_id,
    holds: refusalOf({ policy, signatures: [signature] }, { ...administrators, quorum: 1 }) === null,
  }));
  const refusal = refusalOf({ policy, signatures }, administrators);
  const digest = policyDigest(policy);
  const { quorum } = administrators;
  return {
    json: {
      version: policy.version,
      previous: policy.previous,
      digest,
      quorum,
      signatures: checked,
      complete: refusal === null,
    },
    text: [
      summaryOf(policy),
      '',
      `digest    ${digest}`,
      ...checked.map(({ key_id: keyId, holds }) => `signature ${keyId} ${holds ? 'holds' : 'DOES NOT HOLD'}`),
      refusal === null ? `complete: a quorum of ${quorum} signed` : `not complete: ${refusal}`,
    ].join('\n'),
  };
}

/** Why it is not signed, null when it is. */
function refusalOf(signed: SignedPolicy, administrators: Policy['administrators']): string | null {
  try {
    verifyPolicy(signed, administrators, nobleVerifiers.ed25519);
    return null;
  } catch (error) {
    if (error instanceof Failure) return error.message;
    throw error;
  }
}

/** The version in a screenful; everything is in the file. */
export function summaryOf(policy: Policy): string {
  const { administrators, approvers, resume, delays, destinations, positions } = policy;
  const offline = approvers.filter((approver) => approver.offline).length;
  const rows = policy.networks.flatMap((network) =>
    assetPolicies(network).map(({ code, limits, integrator_limits: integrator, approval_tiers: tiers }) => [
      network.network,
      code,
      ...[limits, integrator].map((row) => `${row.per_transaction_max} / ${row.per_hour_max} / ${row.per_day_max}`),
      tiers.map((tier) => `${tier.approvals} (${tier.offline} offline) above ${tier.above}`).join(', ') || 'none',
    ]),
  );
  return [
    `version ${policy.version} after ${policy.previous ?? 'none'}`,
    `administrators ${administrators.quorum} of ${administrators.keys.map((key) => key.key_id).join(', ')}`,
    `approvers      ${approvers.length}, ${offline} offline; ${resume.approvals} resume, ${positions.approvals} above a position`,
    `delays         tighter ${delays.tighten_s} s, looser ${delays.loosen_s} s, destinations ${destinations.delay_s} s`,
    `builds         ${policy.builds.permitted.join(', ')}`,
    '',
    formatTable(
      [
        { title: 'NETWORK' },
        { title: 'ASSET' },
        { title: 'PAYMENT / HOUR / DAY, BASE UNITS' },
        { title: 'BY INTEGRATORS ALONE' },
        { title: 'APPROVALS' },
      ],
      rows,
    ),
  ].join('\n');
}
