import { readFileSync } from 'node:fs';
import { Failure } from '@holdfast/core/failure.ts';
import { lintPolicy } from '@holdfast/core/policy/lint-policy.ts';
import { parsePolicy, parseSignedPolicy } from '@holdfast/core/policy/parse-policy.ts';
import type { Policy, SignedPolicy } from '@holdfast/core/policy/policy.ts';

/** A policy, or a signed one, as its file holds it; without signatures the list is empty. */
export interface PolicyFile {
  readonly policy: Policy;
  readonly signatures: SignedPolicy['signatures'];
}

/** @throws Failure invalid-request when it cannot be read, policy-invalid when it does not fit. */
export function readPolicyFile(file: string): PolicyFile {
  const value = readJson(file);
  if (typeof value === 'object' && value !== null && 'policy' in value) return parseSignedPolicy(value);
  return { policy: parsePolicy(value), signatures: [] };
}

/** @param file `-` for the standard input. @throws Failure invalid-request */
export function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file === '-' ? 0 : file, 'utf8'));
  } catch (cause) {
    throw new Failure('invalid-request', `${file} cannot be read as JSON`, {
      fix: 'Name a readable JSON file.',
      cause,
    });
  }
}

/** @throws Failure policy-invalid that names every error of `lintPolicy`. */
export function refuseErrors(policy: Policy): void {
  const errors = lintPolicy(policy).filter((finding) => finding.level === 'error');
  if (errors.length === 0) return;
  const list = errors.map(({ path, message }) => `${path} ${message}`).join('; ');
  throw new Failure(
    'policy-invalid',
    `the policy has ${errors.length} error${errors.length === 1 ? '' : 's'}: ${list}`,
  );
}
