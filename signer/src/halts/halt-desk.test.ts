import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Failure } from '@holdfast/core/failure.ts';
import { samplePolicy } from '@holdfast/core/policy/sample-policy.test-support.ts';
import { assertionBy, signatureBy } from '@holdfast/core/signing/evidence.test-support.ts';
import type { HaltStatement, ResumeStatement, SignedHalt, SignedResume } from '@holdfast/core/signing/halt.ts';
import { nobleVerifiers } from '@holdfast/core/signing/noble-verifiers.ts';
import { statementDigest, statementDigestHex } from '@holdfast/core/signing/statement.ts';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createJournalFile, openJournal, type Journal } from '../journal/journal.ts';
import { agreedTime } from '../mesh/agreed-time.ts';
import { createHaltDesk, type HaltDesk } from './halt-desk.ts';

const policy = samplePolicy();
const scope = { network: 'eip155:31337', asset: null };
const halt = (nonce = 'nonce-0001'): HaltStatement => ({ version: 1, kind: 'halt', scope, reason: 'drill', nonce });
const byWatcher = (statement = halt()): SignedHalt => ({
  statement,
  evidence: signatureBy('watcher-1', statementDigest('halt', statement)),
});
const digestOf = (statement: HaltStatement): string => statementDigestHex('halt', statement);

let folder: string;
let journal: Journal;
let nowMs: number;
let told: [string, unknown][];
/** How far the peers' clocks are ahead. */
let peersAheadMs: number;
let isLearning: boolean;

beforeEach(async () => {
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  folder = mkdtempSync(join(tmpdir(), 'holdfast-halts-'));
  nowMs = 1_800_000_000_000;
  told = [];
  peersAheadMs = 0;
  isLearning = true;
  createJournalFile(join(folder, 'journal.jsonl'), 'signer-1', nowMs);
  await reopen();
});
afterEach(async () => {
  await journal.close();
  rmSync(folder, { recursive: true });
});

const reopen = async (): Promise<void> => {
  journal = await openJournal(
    join(folder, 'journal.jsonl'),
    () => nowMs,
    () => nowMs,
  );
};
const restart = async (): Promise<HaltDesk> => {
  await journal.close();
  await reopen();
  return desk();
};
const desk = (): HaltDesk =>
  createHaltDesk({
    signer: 'signer-1',
    journal,
    policies: { current: () => policy },
    verifiers: nobleVerifiers,
    spread: (path, message) => void told.push([path, message]),
    agreedNowMs: () => agreedTime(nowMs, [peersAheadMs, peersAheadMs]),
    assertLearning: () => {
      if (!isLearning) throw new Failure('journal-broken', 'the disk fails');
    },
  });
const resumeOf = (halts: string[], approvers = ['approver-1', 'approver-2']): SignedResume => {
  const statement: ResumeStatement = {
    version: 1,
    kind: 'resume',
    halts,
    reason: 'over',
    expires_at: new Date(nowMs + 60_000).toISOString(),
    nonce: 'nonce-0002',
  };
  const digest = statementDigest('resume', statement);
  return { statement, approvals: approvers.map((name) => assertionBy(name, digest, policy.webauthn.approvals)) };
};

test('a halt is on the disk before it is answered, survives a restart, and the peers hear of it once', async () => {
  const signed = byWatcher();
  expect(await desk().halt(signed)).toEqual({ digest: digestOf(signed.statement) });
  const again = await restart();
  expect(again.open()).toEqual([
    { digest: digestOf(signed.statement), statement: signed.statement, by: 'watcher-1', at_ms: nowMs },
  ]);
  expect(await again.halt(signed)).toEqual({ digest: digestOf(signed.statement) });
  expect(told).toEqual([['/v1/mesh/halt', signed]]);
  expect(journal.head().seq).toBe(2);
});

test('an operator halts with a passkey', async () => {
  const statement = halt();
  const evidence = assertionBy('operator-1', statementDigest('halt', statement), policy.webauthn.approvals);
  await desk().halt({ statement, evidence });
  expect(desk().open()).toMatchObject([{ by: 'operator-1' }]);
});

test.each<[string, SignedHalt]>([
  ['evidence of another halt', { ...byWatcher(), statement: halt('nonce-0009') }],
  ['a key that may not halt', { statement: halt(), evidence: signatureBy('admin-1', statementDigest('halt', halt())) }],
])('refuses %s, and tells nobody', async (_name, signed) => {
  await expect(desk().halt(signed)).rejects.toMatchObject({ code: 'halt-invalid' });
  await expect(desk().peerHalt('signer-2', signed)).rejects.toMatchObject({ code: 'halt-invalid' });
  expect([desk().open(), told, journal.head().seq]).toEqual([[], [], 1]);
});

test('a peer halts on its own word; only its own certificate carries it on', async () => {
  await desk().peerHalt('signer-2', { statement: halt() });
  await desk().peerHalt('signer-2', { statement: halt() });
  expect((await restart()).open()).toMatchObject([{ by: 'signer-2', statement: halt() }]);
  expect(told).toEqual([]);
});

test('a signed halt that a peer brings is carried on, once', async () => {
  await desk().peerHalt('signer-2', byWatcher());
  await desk().peerHalt('signer-3', byWatcher());
  expect(told).toEqual([['/v1/mesh/halt', byWatcher()]]);
});

test('a peer cannot fill the journal, and the others may halt all the same', async () => {
  for (let at = 0; at < 20; at += 1) await desk().peerHalt('signer-2', { statement: halt(`nonce-peer-${at}`) });
  const { seq } = journal.head();
  await expect(desk().peerHalt('signer-2', { statement: halt('nonce-peer-20') })).rejects.toMatchObject({
    code: 'rate-limited',
  });
  // What it says again is no new halt.
  await desk().peerHalt('signer-2', { statement: halt('nonce-peer-3') });
  expect(journal.head().seq).toBe(seq);
  await desk().peerHalt('signer-3', { statement: halt('nonce-other') });
  await desk().halt(byWatcher());
  expect(desk().open()).toHaveLength(22);
});

test('many halts of one network keep out neither one of another nor the one that stops everything', async () => {
  const all = { network: null, asset: null };
  for (let at = 0; at < 20; at += 1) await desk().peerHalt('signer-2', { statement: halt(`nonce-peer-${at}`) });
  const other = { network: 'eip155:1', asset: null };
  await desk().peerHalt('signer-2', { statement: { ...halt('nonce-other'), scope: other } });
  await desk().peerHalt('signer-2', { statement: { ...halt('nonce-all-1'), scope: all } });
  expect(desk().open().at(-1)?.statement.scope).toEqual(all);
});

test('trouble that is shown again and again fills nothing: what is halted twenty times is halted', async () => {
  for (let at = 0; at < 30; at += 1) await desk().haltSelf(scope, `false credit ${at}`);
  expect(desk().open()).toHaveLength(20);
  expect(told).toHaveLength(20);
});

test('a halt of its own is told to all; for the same reason there is one until it is lifted', async () => {
  const first = await desk().haltSelf(scope, 'false credit');
  expect(await desk().haltSelf(scope, 'false credit')).toEqual(first);
  expect(await (await restart()).haltSelf(scope, 'false credit')).toEqual(first);
  const other = await desk().haltSelf({ network: null, asset: null }, 'false credit');
  expect(
    desk()
      .open()
      .map(({ digest }) => digest),
  ).toEqual([first.digest, other.digest]);
  expect(told).toHaveLength(2);
  await desk().resume(resumeOf([first.digest]));
  expect(await desk().haltSelf(scope, 'false credit')).not.toEqual(first);
  expect(desk().open()).toHaveLength(2);
});

test('a long reason is cut, so that the halt stands', async () => {
  await desk().haltSelf(scope, 'x'.repeat(5_000));
  expect((await restart()).open()[0]?.statement.reason).toHaveLength(200);
});

test('what it cannot explain halts everything, and is not said by a signer that can no longer learn', async () => {
  isLearning = false;
  await expect(desk().haltUnexplained('unsigned outflow')).rejects.toMatchObject({ code: 'journal-broken' });
  expect([told, desk().open()]).toEqual([[], []]);
  isLearning = true;
  await desk().haltUnexplained('unsigned outflow');
  expect(told).toHaveLength(1);
  expect(desk().open()[0]?.statement).toMatchObject({
    scope: { network: null, asset: null },
    reason: 'unsigned outflow',
  });
});

test('the peers hear once of a halt that this signer cannot write down', async () => {
  nowMs -= 60_000;
  const one = desk();
  for (let look = 0; look < 3; look += 1)
    await expect(one.haltSelf(scope, 'false credit')).rejects.toMatchObject({ code: 'clock-behind' });
  await expect(one.halt(byWatcher())).rejects.toMatchObject({ code: 'clock-behind' });
  expect(told.map(([path]) => path)).toEqual(['/v1/mesh/halt', '/v1/mesh/halt']);
  nowMs += 60_000;
});

test('by a clock that the peers do not share it halts, and does not resume', async () => {
  peersAheadMs = 3_600_000;
  const { digest } = await desk().halt(byWatcher());
  await desk().haltSelf(scope, 'false credit');
  await desk().peerHalt('signer-2', { statement: halt('nonce-0002') });
  expect(desk().open()).toHaveLength(3);
  await expect(desk().resume(resumeOf([digest]))).rejects.toMatchObject({ code: 'clock-behind' });
  expect(desk().open()).toHaveLength(3);
  peersAheadMs = 0;
  await desk().resume(resumeOf([digest]));
  expect(desk().open()).toHaveLength(2);
});

test('a quorum of approvers resumes for good, and the lifted halt does not count again', async () => {
  const signed = byWatcher();
  const { digest } = await desk().halt(signed);
  const resume = resumeOf([digest]);
  await desk().resume(resume);
  const again = await restart();
  expect(again.open()).toEqual([]);
  await again.resume(resume);
  expect(told).toEqual([
    ['/v1/mesh/halt', signed],
    ['/v1/mesh/resume', resume],
  ]);
  await expect(again.halt(signed)).rejects.toMatchObject({ code: 'halt-invalid' });
  await again.peerHalt('signer-2', { statement: signed.statement });
  expect(again.open()).toEqual([]);
});

test.each<[string, (digest: string) => SignedResume]>([
  ['one approver where two are needed', (digest) => resumeOf([digest], ['approver-1'])],
  ['one approver twice', (digest) => resumeOf([digest], ['approver-1', 'approver-1'])],
  ['operators, who may only halt', (digest) => resumeOf([digest], ['operator-1', 'operator-2'])],
])('%s does not resume', async (_name, make) => {
  const { digest } = await desk().halt(byWatcher());
  await expect(desk().resume(make(digest))).rejects.toBeInstanceOf(Failure);
  expect(desk().open()).toHaveLength(1);
  expect(told).toHaveLength(1);
});

test('what was halted in the meantime stays halted', async () => {
  const { digest } = await desk().halt(byWatcher());
  const resume = resumeOf([digest]);
  const { digest: later } = await desk().halt(byWatcher(halt('nonce-later')));
  await desk().resume(resume);
  expect(
    desk()
      .open()
      .map((open) => open.digest),
  ).toEqual([later]);
});
