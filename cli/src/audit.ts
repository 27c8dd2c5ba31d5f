import { readFileSync } from 'node:fs';
import { checkRecordProof, proveRecord } from '@holdfast/core/audit/record-proof.ts';
import { verifySignerLogs, type AuditReport } from '@holdfast/core/audit/verify-signer-logs.ts';
import { errorRow } from '@holdfast/core/contract/error-codes.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { nobleVerifiers } from '@holdfast/core/signing/noble-verifiers.ts';
import { openSignerFiles } from './audit-files.ts';
import { auditText } from './audit-text.ts';
import { readTransaction } from './audit-transaction.ts';
import type { FileCommand, OptionValues, Result } from './command.ts';

/** `holdfast audit verify|prove|check-proof`: from the signers' files alone, with the server and the database gone. */
export const audit: FileCommand = {
  summary: 'who signed what from which evidence, from the files of signers',
  usage: [
    'audit verify FOLDER... [--ceremony DIGEST]',
    'audit prove FOLDER --seq N',
    'audit check-proof FILE [--ceremony DIGEST]',
  ],
  options: { ceremony: { type: 'string' }, seq: { type: 'string' } },
  async run([action, ...paths], values) {
    if (action === 'verify' && paths.length > 0) return verify(paths, ceremonyOf(values));
    const [path] = paths;
    if (action === 'prove' && path !== undefined && paths.length === 1) return prove(path, values['seq']);
    if (action === 'check-proof' && path !== undefined && paths.length === 1)
      return checkProof(path, ceremonyOf(values));
    throw new Failure('invalid-request', 'audit needs an action and its files', { fix: audit.usage.join('; ') });
  },
};

function verify(folders: readonly string[], ceremony: string | null): Result {
  const tools = { verifiers: nobleVerifiers, readTransaction };
  const report = verifySignerLogs(folders.map(openSignerFiles), tools, ceremony);
  const holds = report.problems.length === 0;
  return {
    json: { result: holds ? 'ok' : 'audit-invalid', ...jsonOf(report) },
    text: auditText(report, ceremony),
    ...(holds ? {} : { exitCode: errorRow('audit-invalid').exit }),
  };
}

function prove(folder: string, seqText: unknown): Result {
  const seq = typeof seqText === 'string' && /^[1-9][0-9]{0,14}$/.test(seqText) ? Number(seqText) : 0;
  if (seq === 0) throw new Failure('invalid-request', '--seq takes the number of a record, from 1');
  const proof = proveRecord(openSignerFiles(folder), seq);
  return { json: proof, text: JSON.stringify(proof, null, 2) };
}

function checkProof(file: string, ceremony: string | null): Result {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new Failure('invalid-request', `${file} cannot be read as JSON`, { cause });
  }
  const proven = checkRecordProof(value, nobleVerifiers);
  if (ceremony !== null && proven.ceremony !== ceremony) {
    throw new Failure('audit-invalid', `the proof is of the ceremony ${proven.ceremony}, not of ${ceremony}`);
  }
  const { signer, size, cosigners } = proven;
  const text = [
    `The record is in the log of ${signer} with ${size} records, cosigned by ${cosigners.join(', ') || 'nobody'}.`,
    ceremony === null ? `Compare the ceremony: ${proven.ceremony}` : `Ceremony ${ceremony}`,
    JSON.stringify(proven.record, null, 2),
  ].join('\n');
  return { json: proven, text };
}

function ceremonyOf(values: OptionValues): string | null {
  const given = values['ceremony'];
  if (given === undefined) return null;
  if (typeof given === 'string' && /^[0-9a-f]{64}$/.test(given)) return given;
  throw new Failure('invalid-request', '--ceremony takes a digest of 64 hex digits');
}

/** Amounts as decimal strings, times as RFC 3339. */
function jsonOf({ signers, transactions, problems, notes }: AuditReport): Record<string, unknown> {
  return {
    signers: signers.map(({ firstAtMs, lastAtMs, cosignedRecords, ...one }) => {
      return { ...one, first_at_ms: firstAtMs, last_at_ms: lastAtMs, cosigned_records: cosignedRecords };
    }),
    transactions: transactions.map((one) => ({
      seq: one.seq,
      at_ms: one.atMs,
      network: one.network,
      txid: one.txid,
      kind: one.kind,
      policy: one.policy,
      request: one.request,
      payments: one.payments.map(({ amount, authorizedBy, approvedBy, ...payment }) => {
        return { ...payment, amount: amount.toString(), authorized_by: authorizedBy, approved_by: approvedBy };
      }),
      change: one.change.map(({ address, amount }) => ({ address, amount: amount.toString() })),
      accepted_by: one.acceptedBy,
      signed_by: one.signedBy,
    })),
    problems,
    notes,
  };
}
