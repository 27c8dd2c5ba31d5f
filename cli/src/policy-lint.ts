import { errorRow } from '@holdfast/core/contract/error-codes.ts';
import { lintPolicy } from '@holdfast/core/policy/lint-policy.ts';
import type { PolicyFinding } from '@holdfast/core/policy/policy-finding.ts';
import type { Result } from './command.ts';
import { formatTable } from './format-table.ts';
import { readPolicyFile } from './policy-file.ts';

/** `holdfast policy lint`: warnings are no failure. */
export function policyLint(file: string): Result {
  const findings = lintPolicy(readPolicyFile(file).policy);
  const wrong = findings.some((finding) => finding.level === 'error');
  return {
    json: { findings },
    text: findings.length === 0 ? 'nothing to complain about' : formatFindings(findings),
    exitCode: wrong ? errorRow('policy-invalid').exit : 0,
  };
}

/** Errors first. */
export function formatFindings(findings: readonly PolicyFinding[]): string {
  return formatTable(
    [{ title: 'LEVEL' }, { title: 'PATH' }, { title: 'FINDING' }],
    findings
      .toSorted((a, b) => a.level.localeCompare(b.level))
      .map(({ level, path, message }) => [level, path, message]),
  );
}
