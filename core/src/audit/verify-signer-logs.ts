import type { AuditProblem, AuditTools, SignerFiles } from './signer-files.ts';
import type { AuditedTransaction, SignerLog } from './signer-log.ts';
import { verifyAcross } from './verify-across.ts';
import { verifyCheckpoints } from './verify-checkpoints.ts';
import { verifyJournal } from './verify-journal.ts';

/** Who signed what, from which evidence. */
export interface AuditReport {
  readonly signers: readonly {
    readonly folder: string;
    readonly signer: string;
    readonly records: number;
    readonly firstAtMs: number;
    readonly lastAtMs: number;
    readonly policies: number;
    /** 64 hex digits; null without a readable ceremony.json. */
    readonly ceremony: string | null;
    readonly checkpoints: number;
    /** Records that another signer has cosigned at the end. */
    readonly cosignedRecords: number;
  }[];
  /** One a transaction that some signer accepted and whose evidence holds, in the order of time. */
  readonly transactions: readonly (AuditedTransaction & {
    readonly acceptedBy: readonly string[];
    readonly signedBy: readonly string[];
  })[];
  readonly problems: readonly AuditProblem[];
  readonly notes: readonly AuditProblem[];
}

/**
 * Verifies what signers left behind, with no server and no database: each journal for itself, its checkpoints, and the
 * folders against each other. What does not hold is in `problems`; without any, the transactions are all that these
 * signers signed.
 * @param ceremony the digest that was compared out of band, when there is one.
 */
export function verifySignerLogs(
  folders: readonly SignerFiles[],
  tools: AuditTools,
  ceremony: string | null = null,
): AuditReport {
  const logs = folders.map((files) => verifyJournal(files, tools));
  for (const log of logs) verifyCheckpoints(log, tools.verifiers);
  verifyAcross(logs);
  const wrong = logs.filter(({ ceremonyDigest }) => ceremony !== null && ceremonyDigest !== ceremony);
  const others = wrong.map(({ files, ceremonyDigest }) => {
    const message = `the ceremony is ${ceremonyDigest ?? 'missing'}, not ${String(ceremony)}`;
    return { folder: files.folder, file: 'ceremony.json', record: null, message };
  });
  return {
    signers: logs.map(summaryOf),
    transactions: transactionsOf(logs),
    problems: [...others, ...logs.flatMap(({ problems }) => problems)],
    notes: logs.flatMap(({ notes }) => notes),
  };
}

function summaryOf(log: SignerLog): AuditReport['signers'][number] {
  const cosigned = log.checkpoints.filter(({ cosigners }) => cosigners.length > 0);
  return {
    folder: log.files.folder,
    signer: log.signer,
    records: log.tree.size(),
    firstAtMs: log.firstAtMs,
    lastAtMs: log.lastAtMs,
    policies: log.policies.size,
    ceremony: log.ceremonyDigest,
    checkpoints: log.checkpoints.length,
    cosignedRecords: Math.max(0, ...cosigned.map(({ checkpoint }) => checkpoint.size)),
  };
}

function transactionsOf(logs: readonly SignerLog[]): AuditReport['transactions'] {
  const all = new Map<string, { transaction: AuditedTransaction; acceptedBy: Set<string>; signedBy: Set<string> }>();
  for (const log of logs) {
    for (const [key, transaction] of log.transactions) {
      const known = all.get(key) ?? { transaction, acceptedBy: new Set<string>(), signedBy: new Set<string>() };
      known.acceptedBy.add(log.signer);
      if (transaction.atMs < known.transaction.atMs) known.transaction = transaction;
      all.set(key, known);
    }
  }
  for (const log of logs) {
    for (const { statement } of log.signed) {
      all.get(`${statement.network} ${statement.txid}`)?.signedBy.add(statement.signer);
    }
  }
  return [...all.values()]
    .map(({ transaction, acceptedBy, signedBy }) => {
      return { ...transaction, acceptedBy: [...acceptedBy].sort(), signedBy: [...signedBy].sort() };
    })
    .toSorted((a, b) => a.atMs - b.atMs);
}
