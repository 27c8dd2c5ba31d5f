import { applyAccepted, applyDegraded } from './apply-accepted.ts';
import { applyCustomerRecord } from './apply-customer-record.ts';
import type { HaltStatement } from './halt.ts';
import type { EntryOf, JournalRecord } from './journal-record.ts';
import { firstEpoch } from './key-messages.ts';
import type { Checkpoint, SignedStatement } from './messages.ts';

/** What a signer remembers; rebuilt at every start by replaying the journal. Only `applyRecord` changes it. */
export interface JournalState {
  /** By `<network> <txid>`. */
  readonly transactions: Map<string, SignedTransaction>;
  /** Every transaction ever accepted for an intent, by digest. */
  readonly transactionsOf: Map<string, SignedTransaction[]>;
  /** Every transaction ever accepted, by `<network> <conflict key>`. */
  readonly transactionsAt: Map<string, SignedTransaction[]>;
  /** Digests that count only because a peer's transaction was taken over beyond the rules: no rule has passed them here. */
  readonly beyondRules: Set<string>;
  /** Accepted transactions in the journal's order, with the number of their record: what peers ask for. */
  readonly accepted: AcceptedTranscript[];
  /** `<network> <txid>` of accepted transactions that can never confirm. */
  readonly buried: Set<string>;
  /** Statements that a signature was let out, by `<network> <txid>`: this signer's own and peers'. */
  readonly signed: Map<string, LetOut[]>;
  /** By budget (rolling-charges.ts): what was charged in each minute (of the epoch) of the last 24 hours, base units. */
  readonly charges: Map<string, Map<number, bigint>>;
  /** When a digest was charged the last time to the budgets of 24 hours, UTC milliseconds. */
  readonly chargedAtMs: Map<string, number>;
  /** ... to those of an hour. */
  readonly hourChargedAtMs: Map<string, number>;
  /** ... to the degraded one. */
  readonly degradedAtMs: Map<string, number>;
  /** `<network> <txid>` of transactions that were charged to the degraded budget. */
  readonly degraded: Set<string>;
  /** By `<network> <index>`. */
  readonly addresses: Map<string, AddressBinding>;
  /** By network: the highest index handed out. */
  readonly indexMax: Map<string, number>;
  /** `<network> <address>` of every address handed out. */
  readonly ownAddresses: Set<string>;
  /** By `<network> <epoch>`. */
  readonly keys: Map<string, EntryOf<'key'>['body']>;
  /** Whose journal it is. */
  signer: string | null;
  /** Digest of the ceremony's transcript. */
  ceremony: string | null;
  /** By version: every version that this signer took. */
  readonly policies: Map<number, PolicyBinding>;
  /** Customers' passkeys by credential id, removed ones too: an id is never given again. */
  readonly credentials: Map<string, CustomerCredential>;
  /** Customers who ever had a passkey. */
  readonly enrolled: Set<string>;
  /** Address books, by `<customer> <network> <address>`. */
  readonly destinations: Map<string, { readonly effectiveAtMs: number }>;
  /** What the signer has proven that a customer has, by `<customer> <asset code>`: base units, negative when approved. */
  readonly positions: Map<string, bigint>;
  /** Digests of customer records that count. */
  readonly records: Set<string>;
  /** Keys (deposit-key.ts) of deposits that count. */
  readonly deposits: Set<string>;
  /** Keys (release-key.ts) of deposits in quarantine that approvers decided about. */
  readonly released: Set<string>;
  /** What of them a claim would count once more (`decidedKey`). */
  readonly decided: Set<string>;
  /** Last sequence number by the engine's key id. */
  readonly settlementSequence: Map<string, number>;
  /** Halts that are not lifted, by digest. */
  readonly halts: Map<string, ActiveHalt>;
  /** Digests of all halts ever, lifted ones too: none counts twice. */
  readonly usedHalts: Set<string>;
  /** `<who halted> <reason>` of all halts ever. */
  readonly haltReasons: Set<string>;
  /** The end of each peer's journal, as far as this signer has countersigned it. */
  readonly countersigned: Map<string, { readonly seq: number; readonly hash: string }>;
  /** Each peer's last tree head that this signer has cosigned. */
  readonly cosigned: Map<string, Checkpoint>;
  /** When it was last restored from a backup, UTC milliseconds. */
  restoredAtMs: number | null;
}

export interface SignedTransaction {
  readonly network: string;
  /** It is in no block up to this one. */
  readonly height: number;
  readonly txid: string;
  readonly conflictKeys: ReadonlySet<string>;
  readonly digests: ReadonlySet<string>;
  /** What was charged for its fee, base units of the network's coin. */
  readonly fee: bigint;
  /** Taken over from a peer although this signer's own rules refused it. */
  readonly beyondRules: boolean;
}

export interface AcceptedTranscript {
  readonly seq: number;
  readonly network: string;
  readonly txid: string;
  /** SHA-256 of the request's RFC 8785 text. */
  readonly request: string;
}

export interface LetOut {
  readonly statement: SignedStatement;
  readonly signature: string;
}

export interface AddressBinding {
  readonly customer: string;
  readonly address: string;
  /** Of the keys that it hangs on. */
  readonly epoch: number;
}

export interface PolicyBinding {
  readonly digest: string;
  readonly effectiveAtMs: number;
}

export interface CustomerCredential {
  readonly customer: string;
  /** Uncompressed P-256 point, hex. */
  readonly publicKey: string;
  readonly effectiveAtMs: number;
  readonly removedAtMs: number | null;
}

export interface ActiveHalt {
  readonly statement: HaltStatement;
  readonly by: string;
  readonly atMs: number;
  /** By a key or credential of the policy, and not on a signer's word. */
  readonly isSigned: boolean;
}

export function emptyState(): JournalState {
  return {
    transactions: new Map(),
    transactionsOf: new Map(),
    transactionsAt: new Map(),
    beyondRules: new Set(),
    accepted: [],
    buried: new Set(),
    signed: new Map(),
    charges: new Map(),
    chargedAtMs: new Map(),
    hourChargedAtMs: new Map(),
    degradedAtMs: new Map(),
    degraded: new Set(),
    addresses: new Map(),
    indexMax: new Map(),
    ownAddresses: new Set(),
    keys: new Map(),
    signer: null,
    ceremony: null,
    policies: new Map(),
    credentials: new Map(),
    enrolled: new Set(),
    destinations: new Map(),
    positions: new Map(),
    records: new Set(),
    deposits: new Set(),
    released: new Set(),
    decided: new Set(),
    settlementSequence: new Map(),
    halts: new Map(),
    usedHalts: new Set(),
    haltReasons: new Set(),
    countersigned: new Map(),
    cosigned: new Map(),
    restoredAtMs: null,
  };
}

/** Adds one record to the state, in place: a journal of millions of records is replayed through this. */
export function applyRecord(state: JournalState, record: JournalRecord): void {
  switch (record.kind) {
    case 'accepted':
      return applyAccepted(state, record.body, record.seq, record.at_ms);
    case 'degraded':
      return applyDegraded(state, record.body, record.at_ms);
    case 'signed':
      return applySigned(state, record.body);
    case 'buried':
      return void state.buried.add(`${record.body.network} ${record.body.txid}`);
    case 'customer-record':
      return applyCustomerRecord(state, record.body, record.at_ms);
    case 'address':
      return applyAddress(state, record.body);
    case 'halt':
      return applyHalt(state, record.body, record.at_ms);
    case 'resume':
      return applyResume(state, record.body);
    case 'key':
      return void state.keys.set(`${record.body.network} ${record.body.epoch}`, record.body);
    case 'ceremony':
      state.ceremony = record.body.transcript;
      return;
    case 'policy': {
      const { version, digest, effective_at_ms: effectiveAtMs } = record.body;
      return void state.policies.set(version, { digest, effectiveAtMs });
    }
    case 'countersigned': {
      const { signer, seq, hash } = record.body;
      return void state.countersigned.set(signer, { seq, hash });
    }
    case 'cosigned':
      return void state.cosigned.set(record.body.checkpoint.signer, record.body.checkpoint);
    case 'restored':
      state.restoredAtMs = record.at_ms;
      return;
    case 'created':
      state.signer = record.body.signer;
      return;
    case 'started':
    case 'refused':
  }
}

/**
 * Accepted transactions of these intents that a new one, on this network with these conflict keys, would not exclude and
 * that are not known to be dead: each of them forbids the new one, unless the chain proves that it can never confirm.
 */
export function obstacles(
  state: JournalState,
  digests: readonly string[],
  { network, conflictKeys }: { readonly network: string; readonly conflictKeys: readonly string[] },
): SignedTransaction[] {
  const earlier = new Set(digests.flatMap((digest) => state.transactionsOf.get(digest) ?? []));
  return [...earlier].filter((one) => {
    const excluded = one.network === network && conflictKeys.some((key) => one.conflictKeys.has(key));
    return !excluded && !state.buried.has(`${one.network} ${one.txid}`);
  });
}

/** Other accepted transactions of which the chain confirms at most one together with this one. */
export function rivalsOf(state: JournalState, { network, txid, conflictKeys }: SignedTransaction): SignedTransaction[] {
  const sharing = [...conflictKeys].flatMap((key) => state.transactionsAt.get(`${network} ${key}`) ?? []);
  return [...new Set(sharing)].filter((other) => other.txid !== txid);
}

function applySigned(state: JournalState, letOut: LetOut): void {
  const { network, txid } = letOut.statement;
  const key = `${network} ${txid}`;
  const list = state.signed.get(key);
  if (!list) state.signed.set(key, [letOut]);
  // A statement that comes again (over the mesh, after a restart) says nothing new.
  else if (!list.some(({ statement }) => statement.signer === letOut.statement.signer)) list.push(letOut);
}

function applyAddress(state: JournalState, body: EntryOf<'address'>['body']): void {
  const { network, index, customer, address, epoch = firstEpoch } = body;
  state.addresses.set(`${network} ${index}`, { customer, address, epoch });
  state.indexMax.set(network, Math.max(index, state.indexMax.get(network) ?? 0));
  state.ownAddresses.add(`${network} ${address}`);
}

function applyHalt(
  state: JournalState,
  { digest, statement, by, evidence }: EntryOf<'halt'>['body'],
  atMs: number,
): void {
  state.halts.set(digest, { statement, by, atMs, isSigned: evidence !== null });
  state.usedHalts.add(digest);
  state.haltReasons.add(`${by} ${statement.reason}`);
}

/** A halt that is lifted before it arrives here does not count when it does. */
function applyResume(state: JournalState, { signed }: EntryOf<'resume'>['body']): void {
  for (const digest of signed.statement.halts) {
    state.halts.delete(digest);
    state.usedHalts.add(digest);
  }
}
