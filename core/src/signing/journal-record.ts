import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import Type, { type Static } from 'typebox';
import { Compile } from 'typebox/compile';
import { Failure } from '../failure.ts';
import { BuildName } from './named-build.ts';
import { CustomerRecord } from './customer-record.ts';
import { HaltStatement, SignedHalt, SignedResume } from './halt.ts';
import { canonicalJson } from './intent.ts';
import { KeyRecord } from './key-messages.ts';
import { Checkpoint, SignedStatement } from './messages.ts';

/** A signer's journal: one line a record, RFC 8785 JSON, chained by the SHA-256 of the line before. */
const strict = { additionalProperties: false } as const;
const hex = (bytes: number) => Type.String({ pattern: `^[0-9a-f]{${bytes * 2}}$` });
const Amount = Type.String({ pattern: '^[1-9][0-9]{0,77}$' });

const Charge = Type.Object({ asset: Type.String(), amount: Amount }, strict);

const entry = <K extends string, B extends Record<string, Type.TSchema>>(kind: K, body: B) =>
  Type.Object({ kind: Type.Literal(kind), body: Type.Object(body, strict) }, strict);

export const journalEntries = {
  /** The first record, by `init`: a journal that starts with anything else, or is not there, was lost. */
  created: entry('created', { signer: Type.String() }),
  /** The process opened the journal. */
  started: entry('started', { boot_id: Type.String(), build: BuildName }),
  /** A deposit address was handed out; its index is the customer's for ever. */
  address: entry('address', {
    network: Type.String(),
    customer: Type.String(),
    index: Type.Integer({ minimum: 0 }),
    address: Type.String(),
    /** Of the keys that it hangs on; 1 when left out. */
    epoch: Type.Optional(Type.Integer({ minimum: 2 })),
    /** What the integrator calls the customer. */
    customer_reference: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
  }),
  /** A transaction may be signed: written and flushed before anything of its signature leaves. */
  accepted: entry('accepted', {
    network: Type.String(),
    /** Bitcoin txid or Safe transaction hash: names the exact bytes. */
    txid: hex(32),
    /** Of two transactions that share one of these, the chain confirms at most one: outpoints, or the Safe's nonce. */
    conflict_keys: Type.Array(Type.String(), { minItems: 1 }),
    digests: Type.Array(hex(32)),
    /** Tip of this signer's own nodes at the review: the transaction is in no block up to it. */
    height: Type.Integer({ minimum: 0 }),
    /**
     * What counts towards the rolling limits, by budget (rolling-charges.ts), one sum each: the payments of each digest
     * once a window, however often it is replaced, and the fee of every transaction.
     */
    charges: Type.Array(Charge),
    /** SHA-256 of the request's RFC 8785 text, which is in transcripts.jsonl. */
    request: hex(32),
    /** Version of the policy that it was judged by. */
    policy: Type.Integer({ minimum: 1 }),
    /** The signer that wants to sign: this one, or the peer that asked for the reservation. */
    by: Type.String(),
    /** Takes from customers' positions, by customer and asset code. */
    positions: Type.Array(Type.Object({ customer: Type.String(), asset: Type.String(), amount: Amount }, strict)),
    /** Taken over from a peer although this signer's own rules refuse it: it is counted, and judged in full before this signer signs. */
    beyond_rules: Type.Optional(Type.Literal(true)),
  }),
  /** A peer could not be asked for its reservation: what is signed all the same draws on the degraded budget. */
  degraded: entry('degraded', { network: Type.String(), txid: hex(32), charges: Type.Array(Charge) }),
  /** A signature was let out, by this signer or a peer that says so: Ed25519 over `SignedStatement`. */
  signed: entry('signed', { statement: SignedStatement, signature: hex(64) }),
  /** What the key ceremony fixed, as this signer's administrator compared it out of band. */
  ceremony: entry('ceremony', { transcript: hex(32) }),
  /** A version of the policy, in `policies/<version>.json`, counts from a time on. */
  policy: entry('policy', {
    version: Type.Integer({ minimum: 1 }),
    digest: hex(32),
    change: Type.Union([Type.Literal('first'), Type.Literal('tighter'), Type.Literal('looser')]),
    effective_at_ms: Type.Integer({ minimum: 0 }),
  }),
  /** About a customer, with its evidence. */
  'customer-record': entry('customer-record', {
    digest: hex(32),
    signed: CustomerRecord,
    /** Of a credential or a destination; 0 for what counts at once. */
    effective_at_ms: Type.Integer({ minimum: 0 }),
    /** Of a deposit: what this signer's own nodes proved, base units. */
    amount: Type.Union([Amount, Type.Null()]),
    /** Of a deposit: the policy's code of the asset, whose position it adds to. */
    code: Type.Union([Type.String(), Type.Null()]),
  }),
  /** `by`: the key or credential of the evidence, or a signer. */
  halt: entry('halt', {
    digest: hex(32),
    statement: HaltStatement,
    by: Type.String(),
    evidence: Type.Union([SignedHalt.properties.evidence, Type.Null()]),
  }),
  resume: entry('resume', { digest: hex(32), signed: SignedResume }),
  /** The end of a peer's journal, which this signer has countersigned. */
  countersigned: entry('countersigned', { signer: Type.String(), seq: Type.Integer({ minimum: 0 }), hash: hex(32) }),
  /** A peer's tree head, which this signer has cosigned. */
  cosigned: entry('cosigned', { checkpoint: Checkpoint }),
  /** An accepted transaction that can never confirm: one that conflicts with it is final on this signer's own nodes. */
  buried: entry('buried', { network: Type.String(), txid: hex(32) }),
  refused: entry('refused', {
    network: Type.String(),
    code: Type.String(),
    digests: Type.Array(hex(32)),
    /** So many refusals before this one were not recorded: there were more than a hostile caller may write in an hour. */
    suppressed: Type.Optional(Type.Integer({ minimum: 1 })),
  }),
  /**
   * The data folder came out of a backup that ended at this record, and all peers have been asked since for what it lacked:
   * what is between is theirs. From here on limits count as used up for their length.
   */
  restored: entry('restored', {
    backup_seq: Type.Integer({ minimum: 1 }),
    backup_hash: hex(32),
    /** When the backup was made, UTC milliseconds. */
    made_at_ms: Type.Integer({ minimum: 0 }),
  }),
  /** Key generation has finished for good. */
  key: entry('key', {
    network: Type.String(),
    epoch: Type.Integer(),
    session: hex(16),
    group_key: hex(33),
    /** From epoch 2 on. */
    record: Type.Optional(KeyRecord),
  }),
} as const;

export type JournalEntry = {
  [K in keyof typeof journalEntries]: Static<(typeof journalEntries)[K]>;
}[keyof typeof journalEntries];
export type EntryOf<K extends JournalEntry['kind']> = Extract<JournalEntry, { kind: K }>;
export type JournalRecord = JournalEntry & JournalLink;

interface JournalLink {
  readonly seq: number;
  /** Hash of the line before, 64 hex digits. */
  readonly prev: string;
  /** UTC, never smaller than the record before. */
  readonly at_ms: number;
}

/** Where a journal ends: what the next record links to. */
export interface JournalHead {
  readonly seq: number;
  readonly hash: string;
  readonly atMs: number;
}

/** Before the first record. */
export const emptyHead: JournalHead = { seq: 0, hash: '00'.repeat(32), atMs: 0 };

const Entry = Compile(Type.Union(Object.values(journalEntries)));

/** Line (without its newline) of the record after `head`, and the head that it makes. */
export function encodeRecord(
  head: JournalHead,
  entry: JournalEntry,
  atMs: number,
): { line: string; record: JournalRecord; head: JournalHead } {
  const record: JournalRecord = { seq: head.seq + 1, prev: head.hash, at_ms: Math.max(atMs, head.atMs), ...entry };
  const line = canonicalJson(record);
  return { line, record, head: { seq: record.seq, hash: lineHash(line), atMs: record.at_ms } };
}

/**
 * Reads the line after `head`.
 * @throws Failure journal-broken naming the sequence number, when it is not exactly what `encodeRecord` would have written.
 */
export function decodeRecord(head: JournalHead, line: string): { record: JournalRecord; head: JournalHead } {
  const seq = head.seq + 1;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new Failure('journal-broken', `record ${seq} is not JSON`, { cause });
  }
  const { seq: ownSeq, prev, at_ms: atMs, ...rest } = (value ?? {}) as Record<string, unknown>;
  if (ownSeq !== seq || prev !== head.hash)
    throw new Failure('journal-broken', `record ${seq} does not follow the one before it`);
  if (!Number.isSafeInteger(atMs) || (atMs as number) < head.atMs || !Entry.Check(rest)) {
    throw new Failure('journal-broken', `record ${seq} does not fit its schema`);
  }
  const again = encodeRecord(head, rest, atMs as number);
  if (again.line !== line) throw new Failure('journal-broken', `record ${seq} is not in canonical form`);
  return { record: again.record, head: again.head };
}

function lineHash(line: string): string {
  return bytesToHex(sha256(utf8ToBytes(line)));
}
