import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { policyDigest, type Policy, type SignedPolicy } from '@holdfast/core/policy/policy.ts';
import { samplePolicy, signSamplePolicy } from '@holdfast/core/policy/sample-policy.test-support.ts';
import { nobleVerifiers } from '@holdfast/core/signing/noble-verifiers.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createJournalFile, openJournal, type Journal } from '../journal/journal.ts';
import { policiesFolder, policyPath, writePolicyFile } from './policy-files.ts';
import { openPolicyStore, type PolicyStore } from './policy-store.ts';

const startMs = 1_800_000_000_000;
const first = signSamplePolicy(samplePolicy());
let folder: string;
let journal: Journal;
let nowMs: number;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-policy-'));
  mkdirSync(join(folder, policiesFolder));
  nowMs = startMs;
  createJournalFile(join(folder, 'journal.jsonl'), 'signer-1', nowMs);
  await reopen();
  writePolicyFile(folder, first);
  const body = { version: 1, digest: policyDigest(first.policy), change: 'first' as const, effective_at_ms: nowMs };
  await journal.append({ kind: 'policy', body });
});
afterEach(async () => {
  await journal.close();
  rmSync(folder, { recursive: true });
});

const reopen = async (): Promise<void> => {
  // Monotonic time goes with the clock: it was not set.
  journal = await openJournal(
    join(folder, 'journal.jsonl'),
    () => nowMs,
    () => nowMs,
  );
};
const restart = async (): Promise<PolicyStore> => {
  await journal.close();
  await reopen();
  return open();
};
const open = (): PolicyStore => openPolicyStore(folder, journal, nobleVerifiers);

/** The next version of `before`. */
const next = (before: SignedPolicy, change: (policy: Policy) => void): SignedPolicy => {
  const policy = structuredClone(before.policy);
  policy.version += 1;
  policy.previous = policyDigest(before.policy);
  change(policy);
  return signSamplePolicy(policy);
};
const looser = next(first, (policy) => void (policy.intent_s_max += 1));
const tighter = next(first, (policy) => void (policy.intent_s_max -= 1));
const delaysMs = { tighter: first.policy.delays.tighten_s * 1_000, looser: first.policy.delays.loosen_s * 1_000 };

test('a version counts from its time on, and after a restart', async () => {
  const store = open();
  expect(store.name(nowMs)).toEqual({ version: 1, digest: policyDigest(first.policy) });
  const taken = await store.propose(looser, nowMs);
  expect(taken).toEqual({ version: 2, effectiveAtMs: startMs + delaysMs.looser, isNew: true });
  for (const one of [store, await restart()]) {
    expect(one.current(taken.effectiveAtMs - 1)).toEqual(first.policy);
    expect(one.pending(taken.effectiveAtMs - 1)).toEqual({
      version: 2,
      digest: policyDigest(looser.policy),
      effective_at_ms: taken.effectiveAtMs,
    });
    expect(one.current(taken.effectiveAtMs)).toEqual(looser.policy);
    expect(one.pending(taken.effectiveAtMs)).toBeNull();
    expect(one.newest()).toEqual(looser);
    expect(one.known()).toEqual([first, looser]);
    expect(one.version(1)).toEqual(first);
    expect(one.version(3)).toBeNull();
  }
});

test('tightening waits less than loosening', async () => {
  const { effectiveAtMs } = await open().propose(tighter, nowMs);
  expect(effectiveAtMs).toBe(startMs + delaysMs.tighter);
});

test('takes a known version again, as it was taken, and writes nothing', async () => {
  const store = open();
  const taken = await store.propose(looser, nowMs);
  const { seq } = journal.head();
  nowMs += 5_000;
  expect(await store.propose(structuredClone(looser), nowMs)).toEqual({ ...taken, isNew: false });
  expect(journal.head().seq).toBe(seq);
});

test.each<[string, string, SignedPolicy]>([
  ['version 1 with other rules', 'policy-rollback', signSamplePolicy(samplePolicy((p) => void (p.intent_s_max += 1)))],
  [
    'a version that skips one',
    'policy-rollback',
    next(
      next(first, () => undefined),
      () => undefined,
    ),
  ],
  ['too few signatures', 'policy-invalid', { ...looser, signatures: looser.signatures.slice(0, 1) }],
  ['signatures of another version', 'policy-invalid', { ...looser, signatures: tighter.signatures }],
])('refuses %s, without a trace', async (_name, code, signed) => {
  const store = open();
  const before = [journal.head().seq, readFileSync(policyPath(folder, 1), 'utf8')];
  await expect(store.propose(signed, nowMs)).rejects.toMatchObject({ code });
  expect([journal.head().seq, readFileSync(policyPath(folder, 1), 'utf8')]).toEqual(before);
  expect(store.newest()).toEqual(first);
});

test('of two different second versions at once one counts', async () => {
  const store = open();
  const results = await Promise.allSettled([store.propose(looser, nowMs), store.propose(tighter, nowMs)]);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  expect((await restart()).newest()).toEqual(looser);
});

test('a crash between file and record leaves the version before, and the other one may still come', async () => {
  writePolicyFile(folder, looser);
  const store = await restart();
  expect(store.newest()).toEqual(first);
  await store.propose(tighter, nowMs);
  expect((await restart()).newest()).toEqual(tighter);
});

test('the file is on the disk before the journal names it', async () => {
  const append = journal.append;
  const seen: string[] = [];
  const watched = {
    ...journal,
    append: async (...entry: Parameters<typeof append>) => {
      seen.push(readFileSync(policyPath(folder, 2), 'utf8'));
      return append(...entry);
    },
  };
  await openPolicyStore(folder, watched, nobleVerifiers).propose(looser, nowMs);
  expect(seen.map((text) => JSON.parse(text) as unknown)).toEqual([looser]);
});

test('takes nothing while the clock is behind the journal', async () => {
  const store = open();
  nowMs -= 60_000;
  await expect(store.propose(looser, journal.nowMs())).rejects.toMatchObject({ code: 'clock-behind' });
  expect(store.newest()).toEqual(first);
  nowMs += 60_000;
});

test('a clock that is set back brings no older version back', async () => {
  const store = open();
  const { effectiveAtMs } = await store.propose(tighter, nowMs);
  nowMs = effectiveAtMs;
  await journal.append({ kind: 'started', body: { boot_id: 'b', build: 'dev' } });
  nowMs = startMs;
  expect(store.name(journal.nowMs()).version).toBe(2);
});

test.each<[string, string, () => void]>([
  ['is gone', 'policy-missing', () => rmSync(policyPath(folder, 2))],
  ['holds the version before', 'policy-rollback', () => copyFileSync(policyPath(folder, 1), policyPath(folder, 2))],
  ['holds another version 2', 'policy-missing', () => writePolicyFile(folder, tighter)],
  [
    'holds half of it',
    'policy-missing',
    () => writeFileSync(policyPath(folder, 2), JSON.stringify(looser).slice(0, 900)),
  ],
  [
    'lost its signatures',
    'policy-missing',
    () => writePolicyFile(folder, { ...looser, signatures: looser.signatures.slice(0, 1) }),
  ],
])('does not start when the file of a version %s', async (_name, code, spoil) => {
  await open().propose(looser, nowMs);
  spoil();
  await expect(restart()).rejects.toMatchObject({ code });
});

test('does not start without any policy', async () => {
  const empty = { ...journal, state: { ...journal.state, policies: new Map() } };
  expect(() => openPolicyStore(folder, empty, nobleVerifiers)).toThrow(
    expect.objectContaining({ code: 'policy-missing' }),
  );
});

test('what it hands out cannot be changed', async () => {
  const store = open();
  expect(() => void (store.current(nowMs).intent_s_max = 1)).toThrow(TypeError);
  const mine = structuredClone(looser);
  await store.propose(mine, nowMs);
  mine.policy.intent_s_max = 1;
  expect(store.newest()).toEqual(looser);
});
