import { Failure } from '../failure.ts';
import { networkOf } from '../policy/network-of.ts';
import { decidePolicy } from '../policy/decide-policy.ts';
import { parseSignedPolicy } from '../policy/parse-policy.ts';
import { policyDigest, type Policy, type SignedPolicy } from '../policy/policy.ts';
import { decideCustomerRecord } from '../signing/decide-customer-record.ts';
import { decideDegraded } from '../signing/decide-degraded.ts';
import { decideHalt } from '../signing/decide-halt.ts';
import { decideResume } from '../signing/decide-resume.ts';
import { canonicalJson } from '../signing/intent.ts';
import type { EntryOf, JournalRecord } from '../signing/journal-record.ts';
import { statementDigestHex } from '../signing/statement.ts';
import type { AuditProblem, AuditTools } from './signer-files.ts';
import { statementKeyOf, type SignerLog } from './signer-log.ts';
import { skewMsMax, verifyAccepted } from './verify-accepted.ts';
import { verifyStatement } from './verify-statement.ts';

type RecordOf<K extends JournalRecord['kind']> = JournalRecord & { readonly kind: K };

/** Refusals that depend on when a signer heard of a transaction: one that was away hears of it afterwards. */
const ofTheTime: ReadonlySet<string> = new Set([
  'intent-expired',
  'limit-exceeded',
  'position-exceeded',
  'halted',
  'credential-unknown',
  'destination-immature',
  'destination-not-approved',
]);

/**
 * Checks what a record claims against the evidence in it, the other files and the journal before it, and remembers what
 * later checks need. The chain and the schema are the caller's.
 * @param log with the state before the record.
 * @throws Failure with what does not hold.
 */
export function verifyRecord(log: SignerLog, record: JournalRecord, tools: AuditTools): void {
  switch (record.kind) {
    case 'created':
      log.signer = record.body.signer;
      return;
    case 'ceremony':
      return verifyCeremony(log, record);
    case 'policy':
      return verifyPolicyRecord(log, record, tools);
    case 'accepted':
      return verifyAcceptedRecord(log, record, tools);
    case 'degraded':
      return verifyDegraded(log, record);
    case 'signed':
      return verifySigned(log, record, tools);
    case 'customer-record':
      return verifyCustomerRecord(log, record, tools);
    case 'halt':
      return verifyHalt(log, record, tools);
    case 'resume':
      return byPolicyInForce(log, record.at_ms, (policy) => {
        const { verifiers } = tools;
        same(record, decideResume(log.state, record.body.signed, { policy, verifiers, nowMs: record.at_ms }));
      });
    case 'countersigned': {
      const { signer, seq: head, hash } = record.body;
      knownSigner(log, signer);
      log.countersigned.push({ seq: record.seq, signer, head, hash });
      return;
    }
    case 'cosigned':
      return verifyCosigned(log, record);
    case 'restored':
      log.notes.push(restoredNote(log, record));
      return;
    case 'started':
    case 'address':
    case 'buried':
    case 'refused':
    case 'key':
  }
}

/** No proof of anything wrong, but auditors look at how it came about. */
function restoredNote({ files }: SignerLog, { seq, body }: RecordOf<'restored'>): AuditProblem {
  const message = `restored from a backup that ended at record ${body.backup_seq}; up to here its peers had copies`;
  return { folder: files.folder, file: 'journal.jsonl', record: seq, message };
}

function verifyCeremony(log: SignerLog, { body }: RecordOf<'ceremony'>): void {
  if (log.state.ceremony !== null) throw invalid('a second ceremony');
  if (log.ceremonyDigest === null) throw invalid('ceremony.json is missing or does not hold');
  if (log.ceremonyDigest !== body.transcript) {
    throw invalid(`ceremony.json has the digest ${log.ceremonyDigest}, the journal ${body.transcript}`);
  }
}

function verifyPolicyRecord(
  log: SignerLog,
  { body, at_ms: nowMs }: RecordOf<'policy'>,
  { verifiers }: AuditTools,
): void {
  const { version } = body;
  const signed = readPolicy(log, version);
  const digest = policyDigest(signed.policy);
  if (digest !== body.digest)
    throw invalid(`policies/${version}.json has the digest ${digest}, the journal ${body.digest}`);
  const inForce = policiesInForce(log, nowMs)[0] ?? null;
  const decided = decidePolicy({
    inForce,
    pending: [...log.policies.values()].filter(({ policy }) => policy.version > (inForce?.version ?? 0)),
    signed,
    ed25519: verifiers.ed25519,
    nowMs,
  });
  if (decided.change !== body.change) throw invalid(`version ${version} is ${decided.change}, not ${body.change}`);
  if (decided.change === 'first') {
    if (log.ceremony?.policy !== digest) throw invalid('version 1 of the policy is not the one of the ceremony');
    if (body.effective_at_ms > nowMs) throw invalid('version 1 of the policy counts at once');
  } else if (decided.effectiveAtMs !== body.effective_at_ms) {
    throw invalid(`version ${version} counts from ${decided.effectiveAtMs}, not from ${body.effective_at_ms}`);
  }
  log.policies.set(version, { policy: signed.policy, effectiveAtMs: body.effective_at_ms });
}

function readPolicy(log: SignerLog, version: number): SignedPolicy {
  const text = log.files.policy(version);
  if (text === null) throw invalid(`policies/${version}.json is missing`);
  try {
    return parseSignedPolicy(JSON.parse(text));
  } catch (cause) {
    throw new Failure('audit-invalid', `policies/${version}.json holds no signed policy`, { cause });
  }
}

/** A transaction of a peer that this signer heard of when it was signed already was bound, whatever its own limits said. */
function verifyAcceptedRecord(log: SignerLog, record: RecordOf<'accepted'>, tools: AuditTools): void {
  const { network, txid, by } = record.body;
  const key = `${network} ${txid}`;
  knownSigner(log, by);
  try {
    log.transactions.set(key, verifyAccepted(log, record, tools));
  } catch (error) {
    if (by === log.signer || !(error instanceof Failure)) throw error;
    let why = error.message;
    try {
      log.transactions.set(key, verifyAccepted(log, record, tools, 'past'));
    } catch (past) {
      if (!(past instanceof Failure) || !ofTheTime.has(past.code)) throw error;
      why = past.message;
    }
    const message = `transaction ${txid} of ${by} was bound afterwards (${why})`;
    log.notes.push({ folder: log.files.folder, file: 'journal.jsonl', record: record.seq, message });
  }
}

function verifyDegraded(log: SignerLog, record: RecordOf<'degraded'>): void {
  const { network: name, txid } = record.body;
  const key = `${name} ${txid}`;
  const transaction = log.transactions.get(key);
  if (!transaction) throw invalid(`transaction ${txid} was not accepted before`);
  const policy = log.policies.get(transaction.policy)?.policy;
  if (!policy) throw invalid(`version ${transaction.policy} of the policy is missing`);
  const reviewed = {
    ...transaction,
    height: 0,
    // What the coins of the inputs were worth only a node knows; what the acceptance charged is what was charged here.
    fee: log.state.transactions.get(key)?.fee ?? 0n,
    evacuation: transaction.kind === 'evacuation',
  };
  if (!log.ceremony) throw invalid('ceremony.json is missing or does not hold');
  const { quorum, signers } = log.ceremony;
  const context = { network: networkOf(policy, name), nowMs: record.at_ms, signers: signers.length, quorum };
  same(record, decideDegraded(log.state, reviewed, context));
}

function verifySigned(log: SignerLog, { body, seq, at_ms: atMs }: RecordOf<'signed'>, { verifiers }: AuditTools): void {
  const { statement, signature } = body;
  const { signer, network, txid, request } = statement;
  if (!verifyStatement(log, { kind: 'signed', value: statement, signer, signature }, verifiers)) {
    throw invalid(`the signature of ${signer} under its statement on ${txid} does not hold`);
  }
  log.signed.push({ seq, atMs, statement });
  if (signer !== log.signer) return;
  const accepted = log.state.accepted.findLast((one) => one.network === network && one.txid === txid);
  if (!accepted) throw invalid(`transaction ${txid} was signed before it was accepted`);
  if (accepted.request !== request)
    throw invalid(`${txid} was accepted by request ${accepted.request}, not ${request}`);
}

function verifyCustomerRecord(log: SignerLog, record: RecordOf<'customer-record'>, { verifiers }: AuditTools): void {
  const { signed, amount } = record.body;
  byPolicyInForce(log, record.at_ms, (policy) => {
    const proven = amount === null ? {} : { provenAmount: BigInt(amount) };
    same(record, decideCustomerRecord(log.state, signed, { policy, verifiers, nowMs: record.at_ms, ...proven }));
  });
}

function verifyHalt(log: SignerLog, record: RecordOf<'halt'>, { verifiers }: AuditTools): void {
  const { statement, evidence, digest, by } = record.body;
  if (evidence === null) {
    knownSigner(log, by);
    if (statementDigestHex('halt', statement) !== digest) throw invalid('the digest is not that of the halt');
    return;
  }
  byPolicyInForce(log, record.at_ms, (policy) =>
    same(record, decideHalt(log.state, { statement, evidence }, { policy, verifiers })),
  );
}

function verifyCosigned(log: SignerLog, { seq, body: { checkpoint } }: RecordOf<'cosigned'>): void {
  knownSigner(log, checkpoint.signer);
  const last = log.state.cosigned.get(checkpoint.signer);
  if (last && (checkpoint.size < last.size || (checkpoint.size === last.size && checkpoint.root !== last.root))) {
    throw invalid(`two logs of ${checkpoint.signer}: ${checkpoint.size} records after ${last.size}`);
  }
  log.cosigned.push({ seq, checkpoint });
}

/** The version in force, and the one that was a moment before: signers judge by the median of their clocks. */
function policiesInForce(log: SignerLog, nowMs: number): Policy[] {
  const at = (ms: number): Policy[] =>
    [...log.policies.values()]
      .filter(({ effectiveAtMs }) => effectiveAtMs <= ms)
      .map(({ policy }) => policy)
      .toSorted((a, b) => b.version - a.version)
      .slice(0, 1);
  return [...new Set([...at(nowMs), ...at(nowMs - skewMsMax)])];
}

function byPolicyInForce(log: SignerLog, nowMs: number, check: (policy: Policy) => void): void {
  const policies = policiesInForce(log, nowMs);
  let first: unknown = invalid('no version of the policy was in force');
  for (const [at, policy] of policies.entries()) {
    try {
      check(policy);
      return;
    } catch (error) {
      if (at === 0) first = error;
    }
  }
  throw first;
}

function knownSigner(log: SignerLog, signer: string): void {
  if (statementKeyOf(log, signer) === undefined) throw invalid(`${signer} is no signer of the ceremony`);
}

/** @throws Failure unless the evidence leads to what the record says. */
function same<K extends JournalRecord['kind']>(record: RecordOf<K>, decided: EntryOf<K> | null): void {
  if (decided === null) throw invalid('it says what counted already');
  if (canonicalJson(decided.body) !== canonicalJson(record.body)) {
    throw invalid('the evidence leads to other contents than the record has');
  }
}

function invalid(message: string): Failure {
  return new Failure('audit-invalid', message);
}
