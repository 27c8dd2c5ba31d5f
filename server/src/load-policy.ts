import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Failure } from '@holdfast/core/failure.ts';
import { parseSignedPolicy } from '@holdfast/core/policy/parse-policy.ts';
import type { Policy } from '@holdfast/core/policy/policy.ts';

/**
 * The server's copy of the policy: it spares customers a later refusal. What counts is the signers' own copy, so its
 * signatures are not checked here.
 * @throws Failure config-invalid, policy-invalid.
 */
export function loadPolicy(dataDir: string, path: string): Policy {
  const file = resolve(dataDir, path);
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new Failure('config-invalid', `${file} cannot be read as JSON`, { cause });
  }
  return parseSignedPolicy(value).policy;
}
