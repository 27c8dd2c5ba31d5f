import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '@holdfast/core/failure.ts';
import { SignedPolicy } from '@holdfast/core/policy/policy.ts';
import { canonicalJson } from '@holdfast/core/signing/intent.ts';
import { writeFileDurably } from '../durable-file.ts';
import { parseValue } from '../parse.ts';

/** Below the data folder: `<version>.json`, each with its administrators' signatures. */
export const policiesFolder = 'policies';

export function policyPath(dataDir: string, version: number): string {
  return join(dataDir, policiesFolder, `${version}.json`);
}

/** @throws Failure policy-missing when the file is not there or holds no policy. */
export function readPolicyFile(dataDir: string, version: number): SignedPolicy {
  const path = policyPath(dataDir, version);
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new Failure('policy-missing', `${path} cannot be read as JSON`, { cause });
  }
  return parseValue(SignedPolicy, value, 'policy-missing', path);
}

/** On return the version is on the disk. */
export function writePolicyFile(dataDir: string, signed: SignedPolicy): void {
  writeFileDurably(policyPath(dataDir, signed.policy.version), `${canonicalJson(signed)}\n`);
}
