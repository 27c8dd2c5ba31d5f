import { type KeyObject, sign } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import { Failure } from '@holdfast/core/failure.ts';
import { type Policy, policyDigest } from '@holdfast/core/policy/policy.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import { given, type OptionValues, type Result } from './command.ts';
import { readKey } from './config.ts';
import { differenceOf, formatDifference } from './policy-diff.ts';
import { readPolicyFile, refuseErrors } from './policy-file.ts';
import { summaryOf } from './policy-show.ts';
import { publicKeyHex } from './public-key-hex.ts';

/**
 * `holdfast policy sign`: adds an administrator's signature to the file of a version with the digest that the administrators
 * compared, and shows what it changes, or says. Signs nothing that it cannot show: from version 2 on it asks for the version
 * before.
 */
export function policySign(file: string, values: OptionValues): Result {
  const { key: keyFile, 'key-id': keyId, digest: compared } = given(values, 'key', 'key-id', 'digest');
  if (keyFile === undefined || keyId === undefined || compared === undefined) {
    throw new Failure('invalid-request', 'holdfast policy sign needs --key, --key-id and --digest', {
      fix: 'Name the file of your Ed25519 key, the id that the policy lists it by, and the digest that you have compared.',
    });
  }
  const { policy, signatures } = readPolicyFile(file);
  refuseErrors(policy);
  const current = currentOf(policy, given(values, 'current').current);
  const shown = current === null ? summaryOf(policy) : formatDifference(differenceOf(current, policy));
  const privateKey = readKey(keyFile);
  refuseStranger(privateKey, keyId, current ?? policy);
  refuseOther(policy, compared);
  const signature = sign(null, statementDigest('policy', policy), privateKey).toString('hex');
  const earlier = signatures.filter((entry) => entry.key_id !== keyId);
  const signed = { policy, signatures: [...earlier, { key_id: keyId, signature }] };
  // In one step: a file cut in half would lose the others' signatures.
  writeFileSync(`${file}.new`, `${JSON.stringify(signed, null, 2)}\n`);
  renameSync(`${file}.new`, file);
  const digest = policyDigest(policy);
  const quorum = (current ?? policy).administrators.quorum;
  return {
    json: {
      file,
      digest,
      key_id: keyId,
      signatures: signed.signatures.length,
      quorum,
      difference: current && differenceOf(current, policy),
    },
    text: [
      shown,
      '',
      `digest  ${digest}`,
      `signed by ${keyId}: ${signed.signatures.length} signature${earlier.length === 0 ? '' : 's'} of a quorum of ${quorum}, in ${file}`,
    ].join('\n'),
  };
}

function currentOf(policy: Policy, file: string | undefined): Policy | null {
  if (policy.version === 1) return null;
  if (file === undefined) {
    throw new Failure('invalid-request', `version ${policy.version} is signed for what it changes`, {
      fix: `Name the file of version ${policy.version - 1} with --current.`,
    });
  }
  const current = readPolicyFile(file).policy;
  if (policyDigest(current) !== policy.previous) {
    throw new Failure('policy-rollback', `version ${policy.version} does not follow the one in ${file}`, {
      fix: 'Propose it anew on the version in force.',
    });
  }
  return current;
}

function refuseOther(policy: Policy, compared: string): void {
  if (policyDigest(policy) === compared.toLowerCase()) return;
  throw new Failure('policy-invalid', `version ${policy.version} in this file has another digest than ${compared}`, {
    fix: 'Sign nothing. Compare what holdfast policy show prints with the other administrators, over another channel.',
  });
}

function refuseStranger(privateKey: KeyObject, keyId: string, { administrators, version }: Policy): void {
  const listed = administrators.keys.find((key) => key.key_id === keyId);
  if (listed?.public_key === publicKeyHex(privateKey)) return;
  throw new Failure('policy-invalid', `this key is not administrator ${keyId} of version ${version}`, {
    fix: 'Name the id that the policy lists this key by.',
  });
}
