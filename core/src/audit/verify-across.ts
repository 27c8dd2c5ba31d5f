import { bytesToHex } from '@noble/hashes/utils.js';
import type { AuditedTransaction, SignerLog } from './signer-log.ts';

/** A peer that was away hears of a signature when it asks for what it missed. */
const hearingMsMax = 10 * 60_000;

/** Compares the folders of several signers with each other; what does not fit goes to the `problems` of one of them. */
export function verifyAcross(logs: readonly SignerLog[]): void {
  compareCeremonies(logs);
  const bySigner = new Map(logs.map((log) => [log.signer, log]));
  for (const log of logs) {
    for (const { seq, signer, head, hash } of log.countersigned)
      compareHead(log, seq, bySigner.get(signer), head, hash);
    for (const { seq, checkpoint } of log.cosigned) {
      const other = bySigner.get(checkpoint.signer);
      if (!other) continue;
      const { size, root } = checkpoint;
      if (size > other.tree.size())
        add(log, seq, `${other.signer} had ${size} records; its journal has ${other.tree.size()}`);
      else if (bytesToHex(other.tree.rootAt(size)) !== root) {
        add(log, seq, `the first ${size} records of ${other.signer} had another root than its journal`);
      }
    }
    compareSigned(log, bySigner);
  }
  payOnce(logs);
}

function compareCeremonies(logs: readonly SignerLog[]): void {
  const [first] = logs;
  const signers = new Set<string>();
  for (const log of logs) {
    if (first && log.ceremonyDigest !== first.ceremonyDigest) {
      addTo(log, 'ceremony.json', null, `another ceremony than in ${first.files.folder}`);
    }
    if (signers.has(log.signer)) add(log, 1, `a second folder of ${log.signer}`);
    signers.add(log.signer);
  }
}

function compareHead(log: SignerLog, seq: number, other: SignerLog | undefined, head: number, hash: string): void {
  if (!other || head === 0) return;
  if (head > other.lineHashes.size()) {
    add(log, seq, `${other.signer} had a record ${head}; its journal ends at ${other.lineHashes.size()}`);
  } else if (bytesToHex(other.lineHashes.at(head - 1)) !== hash) {
    add(log, seq, `record ${head} of ${other.signer} was another one`);
  }
}

function compareSigned(log: SignerLog, bySigner: ReadonlyMap<string, SignerLog>): void {
  for (const { seq, atMs, statement } of log.signed) {
    const key = `${statement.network} ${statement.txid}`;
    if (!log.state.transactions.has(key))
      add(log, seq, `${statement.signer} signed ${statement.txid}, which is not accepted`);
    if (statement.signer !== log.signer) {
      const origin = bySigner.get(statement.signer);
      const signedThere = origin?.state.signed.get(key)?.some((one) => one.statement.signer === statement.signer);
      // What is newer than the copy of its journal is not missing there.
      if (origin && signedThere !== true && atMs <= origin.lastAtMs)
        add(log, seq, `the journal of ${origin.signer} does not say that it signed ${statement.txid}`);
      continue;
    }
    for (const other of bySigner.values()) {
      if (other === log || other.state.transactions.has(key) || other.lastAtMs < atMs + hearingMsMax) continue;
      add(log, seq, `${other.signer} never heard of transaction ${statement.txid}, which ${log.signer} signed`);
    }
  }
}

/** Of two transactions for one intent at most one may confirm, whoever signed them. */
function payOnce(logs: readonly SignerLog[]): void {
  const signed = new Map<string, { readonly log: SignerLog; readonly transaction: AuditedTransaction }>();
  const buried = new Set(logs.flatMap(({ state }) => [...state.buried]));
  for (const log of logs) {
    for (const { statement } of log.signed) {
      const key = `${statement.network} ${statement.txid}`;
      const transaction = log.transactions.get(key);
      if (transaction && !buried.has(key)) signed.set(key, { log, transaction });
    }
  }
  const paying = new Map<string, AuditedTransaction[]>();
  for (const { log, transaction } of signed.values()) {
    for (const digest of transaction.digests) {
      const earlier = paying.get(digest) ?? [];
      for (const other of earlier) {
        if (excludes(transaction, other)) continue;
        add(
          log,
          transaction.seq,
          `intent ${digest} is paid by ${transaction.txid} and by ${other.txid}, and both may confirm`,
        );
      }
      paying.set(digest, [...earlier, transaction]);
    }
  }
}

function excludes(a: AuditedTransaction, b: AuditedTransaction): boolean {
  return a.network === b.network && a.conflictKeys.some((key) => b.conflictKeys.includes(key));
}

function add(log: SignerLog, record: number, message: string): void {
  addTo(log, 'journal.jsonl', record, message);
}

function addTo(log: SignerLog, file: string, record: number | null, message: string): void {
  log.problems.push({ folder: log.files.folder, file, record, message });
}
