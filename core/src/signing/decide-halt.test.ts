import { expect, test } from 'vitest';
import { samplePolicy } from '../policy/sample-policy.test-support.ts';
import { decideHalt, peerHalt } from './decide-halt.ts';
import { decideResume } from './decide-resume.ts';
import { assertionBy, memoryJournal, signatureBy } from './evidence.test-support.ts';
import type { HaltScope, HaltStatement, ResumeStatement, SignedHalt, SignedResume } from './halt.ts';
import { nobleVerifiers } from './noble-verifiers.ts';
import { refuseHalted } from './refuse-halted.ts';
import { statementDigest, statementDigestHex } from './statement.ts';

const nowMs = Date.UTC(2030, 0);
const policy = samplePolicy();
const rules = { policy, verifiers: nobleVerifiers, nowMs };
const everything: HaltScope = { network: null, asset: null };

function statement(nonce = 'nonce-0001', scope = everything): HaltStatement {
  return { version: 1, kind: 'halt', scope, reason: 'probe', nonce };
}
function byKey(halt = statement(), key = 'watcher-1'): SignedHalt {
  return { statement: halt, evidence: signatureBy(key, statementDigest('halt', halt)) };
}
function byPasskey(name: string, halt = statement(), rp = policy.webauthn.approvals): SignedHalt {
  return { statement: halt, evidence: assertionBy(name, statementDigest('halt', halt), rp) };
}
function resume(halts: HaltStatement[], approvers: string[], change: Partial<ResumeStatement> = {}): SignedResume {
  const lifted: ResumeStatement = {
    version: 1,
    kind: 'resume',
    halts: halts.map((halt) => statementDigestHex('halt', halt)),
    reason: 'false alarm',
    expires_at: '2030-01-01T00:00:00.001Z',
    nonce: 'nonce-0002',
    ...change,
  };
  const digest = statementDigest('resume', lifted);
  return {
    statement: lifted,
    approvals: approvers.map((name) => assertionBy(name, digest, policy.webauthn.approvals)),
  };
}
const refusal = (code: string) => expect.objectContaining({ code });

test('halts by a listed key or an operator’s passkey, at once and once', () => {
  for (const [signed, by] of [
    [byKey(), 'watcher-1'],
    [byPasskey('operator-1'), 'operator-1'],
  ] as const) {
    const { state, append } = memoryJournal();
    const entry = decideHalt(state, signed, rules);
    expect(entry).toMatchObject({ kind: 'halt', body: { by, statement: signed.statement, evidence: signed.evidence } });
    if (entry) append(entry, nowMs);
    expect(() => refuseHalted(state, 'n', [])).toThrow(refusal('halted'));
    expect(decideHalt(state, signed, rules)).toBeNull();
  }
});

test.each<[string, SignedHalt]>([
  ['a key that may not halt', byKey(statement(), 'integrator-1')],
  ['a key’s signature of another halt', { ...byKey(), statement: statement('nonce-0009') }],
  ['a passkey that may not halt', byPasskey('approver-1')],
  ['a passkey at the customers’ relying party', byPasskey('operator-1', statement(), policy.webauthn.customers)],
  ['a widened scope', { ...byKey(statement('nonce-0001', { network: 'n', asset: null })), statement: statement() }],
])('refuses a halt by %s', (_name, signed) => {
  expect(() => decideHalt(memoryJournal().state, signed, rules)).toThrow(refusal('halt-invalid'));
});

test.each<[string, HaltScope, [string, string[]][], [string, string[]][]]>([
  [
    'everything',
    everything,
    [
      ['n', []],
      ['m', ['m/a']],
    ],
    [],
  ],
  [
    'a network',
    { network: 'n', asset: null },
    [
      ['n', []],
      ['n', ['n/a']],
    ],
    [['m', ['m/a']]],
  ],
  [
    'an asset',
    { network: null, asset: 'n/a' },
    [['n', ['n/b', 'n/a']]],
    [
      ['n', ['n/b']],
      ['n', []],
    ],
  ],
  [
    'an asset of a network',
    { network: 'n', asset: 'n/a' },
    [['n', ['n/a']]],
    [
      ['n', ['n/b']],
      ['m', ['n/a']],
    ],
  ],
])('a halt of %s stops just that', (_name, scope, stopped, free) => {
  const { state, append } = memoryJournal();
  const entry = peerHalt(state, statement('nonce-0001', scope), 'signer-2');
  if (entry) append(entry, nowMs);
  for (const [network, assets] of stopped)
    expect(() => refuseHalted(state, network, assets)).toThrow(refusal('halted'));
  for (const [network, assets] of free) expect(() => refuseHalted(state, network, assets)).not.toThrow();
});

test('takes a peer’s halt on its word, once, and not again after it was lifted', () => {
  const { state, append } = memoryJournal();
  const entry = peerHalt(state, statement(), 'signer-2');
  expect(entry).toMatchObject({ body: { by: 'signer-2', evidence: null } });
  if (entry) append(entry, nowMs);
  expect(peerHalt(state, statement(), 'signer-3')).toBeNull();
  const lifted = decideResume(state, resume([statement()], ['approver-1', 'approver-2']), rules);
  if (lifted) append(lifted, nowMs);
  expect(() => refuseHalted(state, 'n', [])).not.toThrow();
  expect(peerHalt(state, statement(), 'signer-2')).toBeNull();
});

test('lifts the halts that the approvers named and no other; a used token never halts again', () => {
  const { state, append } = memoryJournal();
  for (const nonce of ['nonce-0001', 'nonce-0003']) {
    const entry = decideHalt(state, byKey(statement(nonce)), rules);
    if (entry) append(entry, nowMs);
  }
  const signed = resume([statement('nonce-0001')], ['approver-1', 'approver-2']);
  const entry = decideResume(state, signed, rules);
  expect(entry).toMatchObject({ kind: 'resume', body: { signed } });
  if (entry) append(entry, nowMs);
  expect([...state.halts.values()].map((halt) => halt.statement.nonce)).toEqual(['nonce-0003']);
  expect(decideResume(state, signed, { ...rules, nowMs: nowMs + 60_000 })).toBeNull();
  expect(() => decideHalt(state, byKey(statement('nonce-0001')), rules)).toThrow(refusal('halt-invalid'));
});

test('a halt that arrives after its resumption does not halt', () => {
  const { state, append } = memoryJournal();
  const entry = decideResume(state, resume([statement()], ['approver-1', 'approver-2']), rules);
  if (entry) append(entry, nowMs);
  expect(peerHalt(state, statement(), 'signer-2')).toBeNull();
});

test.each<[string, SignedResume, number, string]>([
  ['too few approvers', resume([statement()], ['approver-1']), nowMs, 'resume-invalid'],
  ['an approver twice', resume([statement()], ['approver-1', 'approver-1']), nowMs, 'approval-invalid'],
  ['an operator', resume([statement()], ['approver-1', 'operator-1']), nowMs, 'approval-invalid'],
  ['approvers after its expiry', resume([statement()], ['approver-1', 'approver-2']), nowMs + 1, 'resume-invalid'],
  [
    'an unreadable expiry',
    resume([statement()], ['approver-1', 'approver-2'], { expires_at: '2030-99-01T00:00:00.000Z' }),
    nowMs,
    'resume-invalid',
  ],
  [
    'approvals of another list of halts',
    {
      ...resume([statement('nonce-0008')], ['approver-1', 'approver-2']),
      statement: resume([statement()], []).statement,
    },
    nowMs,
    'approval-invalid',
  ],
])('refuses a resumption by %s', (_name, signed, atMs, code) => {
  const { state, append } = memoryJournal();
  const entry = peerHalt(state, statement(), 'signer-2');
  if (entry) append(entry, nowMs);
  expect(() => decideResume(state, signed, { ...rules, nowMs: atMs })).toThrow(refusal(code));
  expect(() => refuseHalted(state, 'n', [])).toThrow(refusal('halted'));
});
