import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ed25519 } from '@noble/curves/ed25519.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { samplePolicy, secretOf } from '@holdfast/core/policy/sample-policy.test-support.ts';
import { intentDigest, type AuthorizedIntent, type WithdrawalIntent } from '@holdfast/core/signing/intent.ts';
import type { SigningRequest } from '@holdfast/core/signing/messages.ts';
import { nobleVerifiers as verifiers } from '@holdfast/core/signing/noble-verifiers.ts';
import { positionKey } from '@holdfast/core/signing/position-key.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createJournalFile, openJournal, type Journal } from '../journal/journal.ts';
import { createStatementSecret, statementKey } from '../keys/statement-key.ts';
import { evmPolicyOf } from '../review/review-context.ts';
import { reviewEvm } from '../review/review-evm.ts';
import { acceptReviewed } from '../wallets/accept-reviewed.ts';
import { openTranscriptStore, transcriptHash, type TranscriptStore } from '../transcripts/transcript-store.ts';
import { learnTranscript, type LearnerDeps } from './learn-transcript.ts';
import type { JudgeRequest } from './reservation-desk.ts';

const policy = samplePolicy((one) => (one.destinations.delay_s = 0));
const name = 'eip155:31337';
const eth = evmPolicyOf(policy, name).assets[0];
const two = statementKey(createStatementSecret());

let folder: string;
let journal: Journal;
let transcripts: TranscriptStore;
let halted: string[];
let deps: LearnerDeps;

beforeEach(async () => {
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  folder = mkdtempSync(join(tmpdir(), 'holdfast-learn-'));
  createJournalFile(join(folder, 'journal.jsonl'), 'signer-1', Date.now());
  journal = await openJournal(join(folder, 'journal.jsonl'), Date.now, () => performance.now());
  transcripts = await openTranscriptStore(join(folder, 'transcripts.jsonl'));
  halted = [];
  const judge: JudgeRequest = async (request, by) => {
    if (request.family !== 'evm') throw new Error('one family is enough here');
    const network = evmPolicyOf(by.policy, name);
    const context = { policy: by.policy, network, state: journal.state, verifiers, nowMs: by.nowMs };
    return { ...reviewEvm(request.body, context).reviewed, height: 5 };
  };
  deps = {
    journal,
    transcripts,
    verifiers,
    judge,
    policies: { current: () => policy },
    agreedNowMs: () => Date.now(),
    statementKeys: new Map([['signer-2', two.publicKey]]),
    halts: { haltUnexplained: async (reason) => ({ digest: String(halted.push(reason)) }) },
  };
});
afterEach(async () => {
  vi.restoreAllMocks();
  await transcripts.close();
  await journal.close();
  rmSync(folder, { recursive: true });
});

function intent(change: Partial<WithdrawalIntent> = {}): AuthorizedIntent {
  const wanted: WithdrawalIntent = {
    version: 1,
    kind: 'withdrawal',
    network: name,
    asset: eth?.asset ?? '',
    amount: '1000',
    destination: '0x1111111111111111111111111111111111111111',
    memo: null,
    customer: 'cus_01890000-0000-7000-8000-000000000001',
    fee_max: '0',
    expires_at: new Date(Date.now() + 60_000).toISOString(),
    nonce: 'nonce-0001',
    ...change,
  };
  const signature = bytesToHex(ed25519.sign(intentDigest(wanted), secretOf('integrator-1')));
  return { intent: wanted, authorization: { key_id: 'integrator-1', signature }, approvals: [] };
}

function transcript(one: AuthorizedIntent, { nonce = '0', value = one.intent.amount, signed = true } = {}) {
  const tx = { to: one.intent.destination, value, data: '0x', operation: 0 as const, nonce };
  const request: SigningRequest = { family: 'evm', body: { network: name, safe_transaction: tx, intents: [one] } };
  const honest = { ...tx, value: one.intent.amount };
  const named = reviewEvm(
    { network: name, safe_transaction: honest, intents: [one] },
    { policy: wide, network: evmPolicyOf(wide, name), state: journal.state, verifiers, nowMs: Date.now() },
  );
  const txid = named.reviewed.txid;
  const statement = { version: 1 as const, signer: 'signer-2', network: name, txid, request: transcriptHash(request) };
  const signature = two.sign(statementDigest('signed', statement));
  return { seq: 1, request, txid, signed: signed ? [{ statement, signature }] : [] };
}
const most = '9'.repeat(77);
const limits = { per_transaction_max: most, per_hour_max: most, per_day_max: most };
const wide = samplePolicy((one) => {
  one.destinations.delay_s = 0;
  for (const network of one.networks) {
    if (network.family !== 'evm') continue;
    network.assets = network.assets.map((asset) => ({
      ...asset,
      limits,
      integrator_limits: limits,
      approval_tiers: [],
    }));
  }
});
const learn = async (one: ReturnType<typeof transcript>) => learnTranscript(deps, 'signer-2', one);
const acceptedOf = () => [...journal.state.transactions.values()].length;

test('takes over what a peer has accepted, with who has signed it, once', async () => {
  const one = transcript(intent());
  expect(await learn(one)).toBe('taken');
  expect(await learn(one)).toBe('taken');
  expect(journal.state.accepted).toHaveLength(1);
  expect(journal.state.signed.get(`${name} ${one.txid}`)).toHaveLength(1);
  expect(await transcripts.read(journal.state.accepted[0]?.request ?? '')).toEqual(one.request);
});

test('takes over what is beyond the limits, too late, or without approvals, because it happened; a halt changes nothing', async () => {
  const statement = { version: 1, kind: 'halt', reason: 'x', nonce: 'x'.repeat(8) } as const;
  const scope = { network: null, asset: null };
  journal.state.halts.set('00', { statement: { ...statement, scope }, by: 'signer-2', atMs: 0, isSigned: false });
  const amount = (10n ** 30n).toString();
  expect(await learn(transcript(intent({ amount })))).toBe('taken');
  const expires_at = new Date(Date.now() - 86_400_000).toISOString();
  expect(await learn(transcript(intent({ expires_at, nonce: 'nonce-0002' }), { nonce: '1' }))).toBe('taken');
  expect(acceptedOf()).toBe(2);
  expect(halted).toEqual([]);
});

test('what was taken over beyond the rules is no licence to sign it; what is within them is', async () => {
  const asked = async (one: ReturnType<typeof transcript>): Promise<string> => {
    const { request, txid } = one;
    if (request.family !== 'evm') throw new Error('one family is enough here');
    const nowMs = Date.now();
    const reviewed = await deps.judge(request, { policy: wide, nowMs });
    expect(reviewed.txid).toBe(txid);
    const acceptance = { request, reviewed, policy, network: evmPolicyOf(policy, name), by: 'signer-1' };
    return acceptReviewed(deps, acceptance);
  };
  const small = transcript(intent());
  const position = positionKey(intent().intent.customer, eth?.code ?? '');
  journal.state.positions.set(position, 10_000n);
  await learn(small);
  await expect(asked(small)).resolves.toMatch(/^[0-9a-f]{64}$/);
  const expires_at = new Date(Date.now() - 86_400_000).toISOString();
  const late = transcript(intent({ expires_at, nonce: 'nonce-0002' }), { nonce: '1' });
  await learn(late);
  await expect(asked(late)).rejects.toMatchObject({ code: 'intent-expired' });
  const huge = intent({ amount: '20000', nonce: 'nonce-0003' });
  await learn(transcript(huge, { nonce: '2' }));
  await expect(asked(transcript(huge, { nonce: '2' }))).rejects.toMatchObject({
    code: 'position-exceeded',
  });
});

test('halts over a signed transcript whose payment is not what was authorised', async () => {
  const one = transcript(intent(), { value: '1001' });
  expect(await learn(one)).toBe('unverifiable');
  expect(acceptedOf()).toBe(0);
  expect(halted).toEqual([`unverifiable transcript ${one.txid} of signer-2`]);
});

test('halts over a second payment of one intent that somebody signed, and not over one that nobody did', async () => {
  const paid = intent();
  expect(await learn(transcript(paid))).toBe('taken');
  expect(await learn(transcript(paid, { nonce: '1', signed: false }))).toBe('unverifiable');
  expect(halted).toEqual([]);
  expect(await learn(transcript(paid, { nonce: '1' }))).toBe('unverifiable');
  expect(halted).toHaveLength(1);
});

test('waits where it lacks the key that authorised it', async () => {
  const one = intent();
  const stranger = { ...one, authorization: { key_id: 'stranger', signature: '00'.repeat(64) } };
  const told = transcript(one);
  if (told.request.family !== 'evm') throw new Error('one family is enough here');
  const request: SigningRequest = { family: 'evm', body: { ...told.request.body, intents: [stranger] } };
  expect(await learn({ ...told, request })).toBe('later');
  expect(halted).toEqual([]);
});

test('ignores a statement in the name of a signer that did not make it', async () => {
  const one = transcript(intent());
  const [signed] = one.signed;
  const forged = signed ? [{ ...signed, signature: '00'.repeat(64) }] : [];
  expect(await learn({ ...one, signed: forged })).toBe('taken');
  expect(journal.state.signed.size).toBe(0);
});
