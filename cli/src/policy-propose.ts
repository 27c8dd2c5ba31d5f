import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Failure } from '@holdfast/core/failure.ts';
import { lintPolicy } from '@holdfast/core/policy/lint-policy.ts';
import { type Policy, policyDigest } from '@holdfast/core/policy/policy.ts';
import { given, type OptionValues, type Result } from './command.ts';
import { differenceOf, formatDifference } from './policy-diff.ts';
import { readPolicyFile, refuseErrors } from './policy-file.ts';
import { formatFindings } from './policy-lint.ts';

/** `holdfast policy propose`: writes the draft as the version after the current one. */
export function policyPropose(currentFile: string, draftFile: string, values: OptionValues): Result {
  const current = readPolicyFile(currentFile).policy;
  const proposal: Policy = {
    ...readPolicyFile(draftFile).policy,
    version: current.version + 1,
    previous: policyDigest(current),
  };
  refuseErrors(proposal);
  const out = given(values, 'out').out ?? join(dirname(draftFile), `policy-${proposal.version}.json`);
  writeNew(out, proposal);
  const digest = policyDigest(proposal);
  const difference = differenceOf(current, proposal);
  const findings = lintPolicy(proposal);
  return {
    json: { file: out, version: proposal.version, digest, difference, findings },
    text: [
      ...(findings.length === 0 ? [] : [formatFindings(findings), '']),
      formatDifference(difference),
      '',
      `version ${proposal.version} is in ${out}`,
      `digest  ${digest}`,
    ].join('\n'),
  };
}

function writeNew(file: string, proposal: Policy): void {
  try {
    writeFileSync(file, `${JSON.stringify(proposal, null, 2)}\n`, { flag: 'wx' });
  } catch (cause) {
    throw new Failure('invalid-request', `${file} cannot be written anew`, {
      fix: 'Name another file with --out.',
      cause,
    });
  }
}
