import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CheckpointLine } from '@holdfast/core/audit/checkpoint-line.ts';
import { leafHash } from '@holdfast/core/audit/leaf-hash.ts';
import { createMerkleTree } from '@holdfast/core/audit/merkle-tree.ts';
import { ceremonyDigest, type CeremonyTranscript } from '@holdfast/core/policy/ceremony.ts';
import { networkOf } from '@holdfast/core/policy/network-of.ts';
import { policyDigest, type EvmNetworkPolicy, type Policy } from '@holdfast/core/policy/policy.ts';
import {
  sampleCredential,
  sampleKey,
  samplePolicy,
  signSamplePolicy,
} from '@holdfast/core/policy/sample-policy.test-support.ts';
import { checkIntents } from '@holdfast/core/signing/check-intents.ts';
import { customerRecordDigestBytes } from '@holdfast/core/signing/customer-record-digest.ts';
import type { CustomerRecord } from '@holdfast/core/signing/customer-record.ts';
import { decideAcceptance } from '@holdfast/core/signing/decide-acceptance.ts';
import { decideCustomerRecord } from '@holdfast/core/signing/decide-customer-record.ts';
import { decideHalt } from '@holdfast/core/signing/decide-halt.ts';
import { decideResume } from '@holdfast/core/signing/decide-resume.ts';
import { assertionBy, signatureBy } from '@holdfast/core/signing/evidence.test-support.ts';
import type { HaltStatement, ResumeStatement } from '@holdfast/core/signing/halt.ts';
import { canonicalJson, intentDigest, type WithdrawalIntent } from '@holdfast/core/signing/intent.ts';
import { emptyHead, encodeRecord, type EntryOf, type JournalEntry } from '@holdfast/core/signing/journal-record.ts';
import { applyRecord, emptyState, type JournalState } from '@holdfast/core/signing/journal-state.ts';
import type { SignedStatement, SigningRequest } from '@holdfast/core/signing/messages.ts';
import { nobleVerifiers as verifiers } from '@holdfast/core/signing/noble-verifiers.ts';
import { statementDigest, statementDigestHex } from '@holdfast/core/signing/statement.ts';
import { readTransaction } from './audit-transaction.ts';
import { run } from './run.ts';

/* Folders of three signers that paid one withdrawal, halted, resumed and changed their policy, for the tests of audit. */

export const startMs = 1_800_000_000_000;
export const customer = 'cus_01890000-0000-7000-8000-000000000001';
export const destination = `0x${'ab'.repeat(20)}`;
export const signers = ['signer-1', 'signer-2', 'signer-3'] as const;
const evm = 'eip155:31337';

export const policyOne = samplePolicy((policy) => {
  policy.destinations.delay_s = 0;
  policy.credentials.delay_s = 0;
  // The customer's first passkey counts when the payment comes.
  policy.delays = { tighten_s: 1, loosen_s: 1 };
  policy.positions.approvals = 0;
});
const policyTwo: Policy = { ...policyOne, version: 2, previous: policyDigest(policyOne), intent_s_max: 3_600 };

export const transcript: CeremonyTranscript = {
  version: 1,
  quorum: 2,
  signers: signers.map((signer, at) => ({
    signer,
    identifier: at + 1,
    fingerprint: hash(`fingerprint ${signer}`),
    owner_address: `0x${hash(`owner ${signer}`).slice(0, 40)}`,
    statement_key: sampleKey(signer).public_key,
  })),
  server_fingerprint: hash('server'),
  policy: policyDigest(policyOne),
};
export const ceremony = ceremonyDigest(transcript);

/** A payment of 20 ETH by the customer's passkey, with the approval that its tier asks for. */
export function requestOf(
  nonce: string,
  change: (intent: WithdrawalIntent) => void = () => undefined,
): Extract<SigningRequest, { family: 'evm' }> {
  const intent: WithdrawalIntent = {
    version: 1,
    kind: 'withdrawal',
    network: evm,
    asset: `${evm}/slip44:60`,
    amount: '20000000000000000000',
    destination,
    memo: null,
    customer,
    fee_max: '0',
    expires_at: new Date(startMs + 600_000).toISOString(),
    nonce: 'intent-0001',
  };
  change(intent);
  const digest = intentDigest(intent);
  const authorization = assertionBy('alice', digest, policyOne.webauthn.customers);
  const approvals = [assertionBy('approver-1', digest, policyOne.webauthn.approvals)];
  const safe_transaction = { to: intent.destination, value: intent.amount, data: '0x', operation: 0 as const, nonce };
  return { family: 'evm', body: { network: evm, safe_transaction, intents: [{ intent, authorization, approvals }] } };
}

export interface Writer {
  readonly signer: string;
  readonly state: JournalState;
  readonly lines: string[];
  readonly append: (entry: JournalEntry | null, atMs: number) => void;
  /** `decidedAtMs` as in the record unless given apart. */
  readonly accept: (request: SigningRequest, by: string, decidedAtMs: number, atMs?: number) => string;
  readonly sign: (by: string, txid: string, request: SigningRequest, atMs: number) => void;
}

function createWriter(signer: string): Writer {
  const state = emptyState();
  const lines: string[] = [];
  let head = emptyHead;
  const append: Writer['append'] = (entry, atMs) => {
    if (entry === null) throw new Error('nothing to record');
    const encoded = encodeRecord(head, entry, atMs);
    head = encoded.head;
    lines.push(encoded.line);
    applyRecord(state, encoded.record);
  };
  const accept: Writer['accept'] = (request, by, nowMs, atMs = nowMs) => {
    const network = networkOf(policyOne, evm) as EvmNetworkPolicy;
    const facts = readTransaction(request, network);
    const parseDestination = (text: string) => ({ ...facts.parseDestination(text), isOwn: false });
    const rules = { policy: policyOne, network, state, verifiers, nowMs, parseDestination };
    const intents = checkIntents(request.body.intents, rules);
    const reviewed = { network: evm, ...facts, height: 7, intents, fee: 0n, evacuation: false };
    append(
      decideAcceptance(state, reviewed, { policy: policyOne, network, by, request: hashOf(request), nowMs }),
      atMs,
    );
    return facts.txid;
  };
  const sign: Writer['sign'] = (by, txid, request, atMs) => {
    const statement: SignedStatement = { version: 1, signer: by, network: evm, txid, request: hashOf(request) };
    const { signature } = signatureBy(by, statementDigest('signed', statement));
    append({ kind: 'signed', body: { statement, signature } }, atMs);
  };
  return { signer, state, lines, append, accept, sign };
}

export function hashOf(request: SigningRequest): string {
  return hash(canonicalJson(request));
}

function begin(writer: Writer): void {
  const at = startMs;
  writer.append({ kind: 'created', body: { signer: writer.signer } }, at);
  writer.append({ kind: 'ceremony', body: { transcript: ceremony } }, at);
  const first = { version: 1, digest: transcript.policy, change: 'first' as const, effective_at_ms: at };
  writer.append({ kind: 'policy', body: first }, at);
  const { credential_id, public_key } = sampleCredential('alice');
  const record = {
    version: 1,
    kind: 'credential',
    action: 'add',
    customer,
    credential_id,
    public_key,
    nonce: 'nonce-0001',
  } as const;
  const authorization = signatureBy('integrator-1', customerRecordDigestBytes({ record }));
  const signed: CustomerRecord = { record, authorization };
  writer.append(decideCustomerRecord(writer.state, signed, { policy: policyOne, verifiers, nowMs: at }), at);
}

function haltAndResume(writer: Writer, atMs: number): void {
  const statement: HaltStatement = {
    version: 1,
    kind: 'halt',
    scope: { network: null, asset: null },
    reason: 'a drill',
    nonce: 'halt-0001',
  };
  const evidence = signatureBy('watcher-1', statementDigest('halt', statement));
  writer.append(decideHalt(writer.state, { statement, evidence }, { policy: policyOne, verifiers }), atMs);
  const resume: ResumeStatement = {
    version: 1,
    kind: 'resume',
    halts: [statementDigestHex('halt', statement)],
    reason: 'the drill is over',
    expires_at: new Date(atMs + 60_000).toISOString(),
    nonce: 'resume-0001',
  };
  const digest = statementDigest('resume', resume);
  const approvals = ['approver-1', 'approver-2'].map((name) => assertionBy(name, digest, policyOne.webauthn.approvals));
  const signed = { statement: resume, approvals };
  writer.append(decideResume(writer.state, signed, { policy: policyOne, verifiers, nowMs: atMs }), atMs);
}

/** Writes the folders below `root`. @param more adds records at the end of each journal. @param nonce of the payment. */
export function writeFolders(
  root: string,
  more: (writers: readonly Writer[]) => readonly SigningRequest[] = () => [],
  nonce = '0',
): string[] {
  const writers = signers.map(createWriter);
  const [one, two] = writers as [Writer, Writer, Writer];
  const request = requestOf(nonce);
  for (const writer of writers) begin(writer);
  const txid = one.accept(request, 'signer-1', startMs + 1_000);
  const head = { seq: one.lines.length, hash: hash(one.lines.at(-1) ?? '') };
  for (const writer of writers.slice(1)) {
    writer.accept(request, 'signer-1', startMs + 1_001);
    writer.append({ kind: 'countersigned', body: { signer: 'signer-1', ...head } }, startMs + 1_001);
  }
  for (const by of ['signer-1', 'signer-2']) {
    for (const writer of writers) writer.sign(by, txid, request, startMs + 1_002);
  }
  for (const writer of writers) haltAndResume(writer, startMs + 2_000);
  for (const writer of writers) {
    const body = { version: 2, digest: policyDigest(policyTwo), change: 'tighter' as const };
    writer.append({ kind: 'policy', body: { ...body, effective_at_ms: startMs + 3_000 + 1_000 } }, startMs + 3_000);
  }
  const requests = [request, ...more(writers)];
  const checkpoint = checkpointOf(one.signer, one.lines);
  two.append({ kind: 'cosigned', body: { checkpoint: checkpoint.checkpoint } }, startMs + 4_000);
  return writers.map((writer) => {
    const folder = join(root, writer.signer);
    mkdirSync(join(folder, 'policies'), { recursive: true });
    writeLines(join(folder, 'journal.jsonl'), writer.lines);
    writeLines(join(folder, 'transcripts.jsonl'), requests.map(canonicalJson));
    writeLines(join(folder, 'policies/1.json'), [canonicalJson(signSamplePolicy(policyOne))]);
    writeLines(join(folder, 'policies/2.json'), [canonicalJson(signSamplePolicy(policyTwo))]);
    writeLines(join(folder, 'ceremony.json'), [canonicalJson(transcript)]);
    writeLines(join(folder, 'checkpoints.jsonl'), [
      canonicalJson(writer === one ? checkpoint : checkpointOf(writer.signer, writer.lines)),
    ]);
    return folder;
  });
}

/** A checkpoint of these lines, cosigned by the next signer. */
export function checkpointOf(signer: string, lines: readonly string[]): CheckpointLine {
  const tree = createMerkleTree();
  for (const line of lines) tree.append(leafHash(Buffer.from(line)));
  const root = Buffer.from(tree.rootAt(lines.length)).toString('hex');
  const checkpoint = { version: 1 as const, signer, size: lines.length, root };
  const digest = statementDigest('checkpoint', checkpoint);
  const cosigner = signer === 'signer-2' ? 'signer-1' : 'signer-2';
  const { signature } = signatureBy(signer, digest);
  return {
    checkpoint,
    signature,
    cosignatures: [{ signer: cosigner, signature: signatureBy(cosigner, digest).signature }],
  };
}

/** Changes records and chains the journal anew, as somebody with root would. Null leaves a record out. */
export function forgeJournal(folder: string, forge: (entry: JournalEntry, seq: number) => JournalEntry | null): void {
  const path = join(folder, 'journal.jsonl');
  let head = emptyHead;
  const lines: string[] = [];
  for (const [at, text] of readLines(path).entries()) {
    const {
      seq: _seq,
      prev: _prev,
      at_ms: atMs,
      ...entry
    } = JSON.parse(text) as JournalEntry & {
      seq: number;
      prev: string;
      at_ms: number;
    };
    const forged = forge(entry, at + 1);
    if (forged === null) continue;
    const encoded = encodeRecord(head, forged, atMs);
    head = encoded.head;
    lines.push(encoded.line);
  }
  writeLines(path, lines);
}

export function readLines(path: string): string[] {
  return readFileSync(path, 'utf8').trimEnd().split('\n');
}

export function writeLines(path: string, lines: readonly string[]): void {
  writeFileSync(path, lines.map((line) => `${line}\n`).join(''));
}

export function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Runs the command; what it prints, on whichever stream, and its exit code. */
export async function holdfast(...argv: string[]): Promise<{ code: number; text: string }> {
  let text = '';
  const add = (more: string): void => void (text += `${more}\n`);
  return { code: await run(argv, { out: add, err: add }), text };
}

/** The journal that a root of the host writes anew, its chain whole: `change` works on each record of the kind. */
export const forged =
  <K extends JournalEntry['kind']>(kind: K, change: (body: EntryOf<K>['body']) => unknown) =>
  (folder: string): void =>
    forgeJournal(folder, (entry) => {
      if (entry.kind === kind) change(entry.body as EntryOf<K>['body']);
      return entry;
    });
