import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { Compile } from 'typebox/compile';
import { Failure } from '../failure.ts';
import { assetPolicies, networkOf } from '../policy/network-of.ts';
import type { NetworkPolicy, Policy } from '../policy/policy.ts';
import { checkIntents, type CheckedIntent } from '../signing/check-intents.ts';
import { decideAcceptance, type ReviewedTransaction } from '../signing/decide-acceptance.ts';
import { isAssertion } from '../signing/evidence.ts';
import { canonicalJson, type AuthorizedIntent } from '../signing/intent.ts';
import type { EntryOf, JournalRecord } from '../signing/journal-record.ts';
import { matchPayments } from '../signing/match-payments.ts';
import { SigningRequest } from '../signing/messages.ts';
import { evacuationFeeBudget, feeBudget, skimFeeBudget } from '../signing/rolling-charges.ts';
import type { AuditTools, TransactionFacts } from './signer-files.ts';
import type { AuditedPayment, AuditedTransaction, SignerLog } from './signer-log.ts';

type AcceptedRecord = JournalRecord & { readonly kind: 'accepted' };
type AcceptedBody = EntryOf<'accepted'>['body'];

const Request = Compile(SigningRequest);
/** Signers judge by the median of their clocks, which may be behind the journal's. */
export const skewMsMax = 60_000;

/**
 * Judges an accepted transaction again, from the request's bytes and the journal before it: the bytes pay exactly what
 * the intents ask for, the evidence holds, and the decision comes out as it was recorded.
 * @param log with the state before the record.
 * @param when `past` for a peer's transaction that this signer heard of when it was signed already: it was decided as of
 * the last moment of its intents, and a halt did not undo it.
 * @throws Failure with what does not hold.
 */
export function verifyAccepted(
  log: SignerLog,
  record: AcceptedRecord,
  tools: AuditTools,
  when: 'now' | 'past' = 'now',
): AuditedTransaction {
  const { body, at_ms: nowMs } = record;
  const request = readRequest(log, body);
  const policy = policyAt(log, body.policy, nowMs);
  const network = networkOf(policy, body.network);
  const facts = tools.readTransaction(request, network);
  const { intents: authorized, evacuation, skim } = request.body;
  checkNames(body, facts, request.body.network);
  const parseDestination = (text: string): { address: string; isOwn: boolean } => {
    const { address } = facts.parseDestination(text);
    return { address, isOwn: log.state.ownAddresses.has(`${body.network} ${address}`) };
  };
  const rules = { policy, network, state: log.state, verifiers: tools.verifiers, nowMs, parseDestination };
  const intents = checkIntents(authorized, rules);
  if (evacuation === true) {
    if (!facts.toCold || facts.change.length > 0 || intents.length > 0)
      throw new Failure('evacuation-refused', 'the evacuation pays more than sealed cold addresses');
  } else if (skim === true) {
    checkSkim(facts, intents, network);
  } else {
    matchPayments(
      intents.map(({ asset, destination, amount }) => {
        return { asset, target: facts.parseDestination(destination).target, amount };
      }),
      facts.payments,
    );
  }
  decideAgain(log, record, { policy, network, intents, ...kindOf(request), facts, when });
  const free = evacuation === true || skim === true;
  return {
    seq: record.seq,
    atMs: nowMs,
    network: body.network,
    txid: body.txid,
    by: body.by,
    request: body.request,
    policy: body.policy,
    conflictKeys: body.conflict_keys,
    digests: body.digests,
    kind: evacuation === true ? 'evacuation' : skim === true ? 'skim' : intents.length === 0 ? 'call' : 'payment',
    payments: free ? coldPayments(facts) : auditedPayments(authorized, intents, policy),
    change: facts.change,
    intents,
  };
}

function readRequest(log: SignerLog, body: AcceptedBody): SigningRequest {
  const text = log.files.request(body.request);
  if (text === null) throw invalid(`transcripts.jsonl has no request ${body.request}`);
  if (bytesToHex(sha256(utf8ToBytes(text))) !== body.request) {
    throw invalid(`the request in transcripts.jsonl is not ${body.request}`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new Failure('audit-invalid', `request ${body.request} is not JSON`, { cause });
  }
  if (!Request.Check(value) || canonicalJson(value) !== text) {
    throw invalid(`request ${body.request} is no canonical signing request`);
  }
  return value;
}

/** @throws Failure when the version was not known, not in force yet, or replaced before. */
function policyAt(log: SignerLog, version: number, nowMs: number): Policy {
  const held = log.policies.get(version);
  if (!held) throw invalid(`version ${version} of the policy is not among the files that hold`);
  if (held.effectiveAtMs > nowMs) throw invalid(`version ${version} of the policy was not in force yet`);
  for (const [later, { effectiveAtMs }] of log.policies) {
    if (later > version && effectiveAtMs < nowMs - skewMsMax) {
      throw invalid(`version ${version} of the policy had been replaced by ${later}`);
    }
  }
  return held.policy;
}

function checkNames(body: AcceptedBody, facts: TransactionFacts, network: string): void {
  if (network !== body.network) throw invalid(`the request is for ${network}, the record for ${body.network}`);
  if (facts.txid !== body.txid)
    throw invalid(`the request is of transaction ${facts.txid}, the record of ${body.txid}`);
  if (canonicalJson(facts.conflictKeys.toSorted()) !== canonicalJson(body.conflict_keys.toSorted())) {
    throw invalid(
      `the bytes conflict by ${facts.conflictKeys.join(', ')}, the record by ${body.conflict_keys.join(', ')}`,
    );
  }
}

function decideAgain(
  log: SignerLog,
  { body, at_ms: atMs }: AcceptedRecord,
  input: {
    readonly policy: Policy;
    readonly network: NetworkPolicy;
    readonly intents: readonly CheckedIntent[];
    readonly evacuation: boolean;
    readonly skim: boolean;
    readonly facts: TransactionFacts;
    readonly when: 'now' | 'past';
  },
): void {
  const { policy, network, intents, evacuation, skim, facts, when } = input;
  const budget = feeBudgetOf(body.network, input);
  // What the coins of the inputs were worth only a node knows; the record's own figure is what was charged.
  const fee = BigInt(body.charges.find(({ asset }) => asset === budget)?.amount ?? '0');
  const reviewed: ReviewedTransaction = {
    network: body.network,
    txid: body.txid,
    conflictKeys: body.conflict_keys,
    height: body.height,
    intents,
    fee,
    evacuation,
    ...(skim && { skim: facts.payments.map(({ asset }) => asset) }),
  };
  const state = when === 'now' ? log.state : { ...log.state, halts: new Map<never, never>() };
  const lastMs = Math.min(...intents.map(({ expiresAtMs }) => expiresAtMs - 1));
  const nowMs = when === 'now' ? atMs : Math.min(atMs, lastMs);
  const beyondRules = body.beyond_rules === true;
  const context = { policy, network, by: body.by, request: body.request, nowMs, beyondRules };
  const decided = decideAcceptance(state, reviewed, context);
  if (decided === null) throw invalid(`transaction ${body.txid} is accepted twice`);
  const named = decided.body.digests.join() === body.digests.join();
  if (!named) throw invalid(`the request's intents are ${decided.body.digests.join(', ')}, not those of the record`);
  if (canonicalJson(decided.body) === canonicalJson(body)) return;
  const field = (Object.keys(body) as (keyof AcceptedBody)[]).find(
    (name) => canonicalJson(body[name]) !== canonicalJson(decided.body[name]),
  );
  throw invalid(`the evidence leads to other ${field ?? 'contents'} than the record has`);
}

/** What takes no customer's word goes by its own budget. */
function feeBudgetOf(network: string, { evacuation, skim }: { evacuation: boolean; skim: boolean }): string {
  if (evacuation) return evacuationFeeBudget(network);
  return skim ? skimFeeBudget(network) : feeBudget(network);
}

function kindOf({ body }: SigningRequest): { evacuation: boolean; skim: boolean } {
  return { evacuation: body.evacuation === true, skim: body.skim === true };
}

/** @throws Failure skim-refused. */
function checkSkim(facts: TransactionFacts, intents: readonly CheckedIntent[], network: NetworkPolicy): void {
  const rules = new Map(assetPolicies(network).map(({ asset, hot }) => [asset, hot]));
  const isEnough = facts.payments.every(({ asset, amount }) => {
    const rule = rules.get(asset);
    return rule !== undefined && amount >= BigInt(rule.skim_min);
  });
  const once = new Set(facts.payments.map(({ asset }) => asset)).size === facts.payments.length;
  if (!facts.toCold || !isEnough || !once || facts.change.length > 1 || intents.length > 0)
    throw new Failure('skim-refused', 'the skim pays more than sealed cold addresses, or less than its rule asks for');
}

function auditedPayments(
  authorized: readonly AuthorizedIntent[],
  intents: readonly CheckedIntent[],
  policy: Policy,
): AuditedPayment[] {
  const approverOf = new Map(policy.approvers.map(({ id, credential_id }) => [credential_id, id]));
  return intents.map(({ digest, asset, amount, destination, customer }, at) => {
    const { authorization, approvals = [] } = authorized[at] ?? {};
    const authorizedBy =
      authorization === undefined || isAssertion(authorization)
        ? `passkey ${authorization?.credential_id ?? ''}`
        : `key ${authorization.key_id}`;
    const approvedBy = approvals.map(({ credential_id }) => approverOf.get(credential_id) ?? credential_id);
    return { digest, asset, amount, destination, customer, authorizedBy, approvedBy };
  });
}

function coldPayments({ payments }: TransactionFacts): AuditedPayment[] {
  return payments.map(({ asset, address, amount }) => {
    return { digest: '', asset, amount, destination: address, customer: '', authorizedBy: 'policy', approvedBy: [] };
  });
}

function invalid(message: string): Failure {
  return new Failure('audit-invalid', message);
}
