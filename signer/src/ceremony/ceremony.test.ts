import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ceremonyDigest } from '@holdfast/core/policy/ceremony.ts';
import { policyDigest } from '@holdfast/core/policy/policy.ts';
import { samplePolicy, signSamplePolicy } from '@holdfast/core/policy/sample-policy.test-support.ts';
import { nobleVerifiers } from '@holdfast/core/signing/noble-verifiers.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { SignerConfig } from '../config.ts';
import type { SignerCardKeys } from '../init.ts';
import { createJournalFile, openJournal } from '../journal/journal.ts';
import { policiesFolder, policyPath, writePolicyFile } from '../policy/policy-files.ts';
import { openPolicyStore } from '../policy/policy-store.ts';
import { acceptCeremony } from './accept-ceremony.ts';
import { openCeremony } from './open-ceremony.ts';
import { prepareCeremony } from './prepare-ceremony.ts';

/** Three signers' cards, and the config of each. */
const cards: SignerCardKeys[] = ['1', '2', '3'].map((digit) => ({
  fingerprint: `${digit}f`.repeat(32),
  owner_address: `0x${`${digit}0`.repeat(20)}`,
  emergency_address: `0x${`${digit}9`.repeat(20)}`,
  statement_key: `${digit}e`.repeat(32),
}));
const cardOf = (at: number): SignerCardKeys => cards[at] as SignerCardKeys;
const configOf = (at: number): SignerConfig => ({
  signer: `signer-${at + 1}`,
  identifier: at + 1,
  listen: { host: '127.0.0.1', port: 1 },
  server: { fingerprint: 'aa'.repeat(32) },
  peers: cards.flatMap((card, other) =>
    other === at ? [] : { signer: `signer-${other + 1}`, identifier: other + 1, url: 'https://127.0.0.1:1', ...card },
  ),
  networks: [{ network: 'eip155:31337', rpc_urls: ['http://127.0.0.1:8545'] }],
});
const first = signSamplePolicy(samplePolicy());
let folder: string;
let port: number;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-ceremony-'));
  mkdirSync(join(folder, policiesFolder));
  createJournalFile(join(folder, 'journal.jsonl'), 'signer-1', Date.now());
  writePolicyFile(folder, first);
  port = await freePort();
});
afterEach(() => rmSync(folder, { recursive: true }));

const freePort = async (): Promise<number> => {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const { port: free } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return free;
};
const config = (): SignerConfig => ({ ...configOf(0), listen: { host: '127.0.0.1', port } });
const prepare = (own = config(), card = cardOf(0)) => prepareCeremony(folder, own, card, nobleVerifiers);
const accept = async (expected = prepare().digest) =>
  acceptCeremony({
    dataDir: folder,
    config: config(),
    card: cardOf(0),
    verifiers: nobleVerifiers,
    expected,
    clock: Date.now,
    monotonicMs: () => performance.now(),
  });
const withJournal = async <T>(use: (journal: Awaited<ReturnType<typeof openJournal>>) => T): Promise<T> => {
  const journal = await openJournal(join(folder, 'journal.jsonl'), Date.now, () => performance.now());
  try {
    return use(journal);
  } finally {
    await journal.close();
  }
};
const opened = (own = config(), card = cardOf(0)) =>
  withJournal((journal) => openCeremony(folder, own, journal, card).digest);
const kinds = (): string[] =>
  readFileSync(join(folder, 'journal.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { kind: string }).kind);

test('all signers come to one transcript and one digest', () => {
  const prepared = [0, 1, 2].map((at) => prepare(configOf(at), cardOf(at)));
  expect(new Set(prepared.map(({ digest }) => digest)).size).toBe(1);
  expect(prepared[1]).toEqual(prepared[0]);
  const { transcript, digest } = prepare();
  expect(transcript.signers.map(({ identifier }) => identifier)).toEqual([1, 2, 3]);
  expect(transcript.policy).toBe(policyDigest(first.policy));
  expect(ceremonyDigest(transcript)).toBe(digest);
});

test.each<[string, (own: SignerConfig) => SignerConfig]>([
  ['the quorum', (own) => ({ ...own, quorum: 3 })],
  ["the server's certificate", (own) => ({ ...own, server: { fingerprint: 'ab'.repeat(32) } })],
  ...(['fingerprint', 'statement_key'] as const).map((field): [string, (own: SignerConfig) => SignerConfig] => [
    `a peer's ${field}`,
    (own) => ({
      ...own,
      peers: own.peers.map((peer, at) => (at === 0 ? { ...peer, [field]: '99'.repeat(32) } : peer)),
    }),
  ]),
  [
    "a peer's owner address",
    (own) => ({
      ...own,
      peers: own.peers.map((peer, at) => (at ? peer : { ...peer, owner_address: `0x${'9'.repeat(40)}` })),
    }),
  ],
  ['the number of signers', (own) => ({ ...own, peers: own.peers.slice(1) })],
])('a signer that was told something else of %s comes to another digest', async (_name, change) => {
  const { digest } = await accept();
  const told = change(config());
  expect(prepare(told).digest).not.toBe(digest);
  await expect(opened(told)).rejects.toMatchObject({ code: 'ceremony-differs' });
  await expect(opened()).resolves.toBe(digest);
});

test('another policy is another ceremony', () => {
  const before = prepare().digest;
  writePolicyFile(folder, signSamplePolicy(samplePolicy((policy) => void (policy.intent_s_max += 1))));
  expect(prepare().digest).not.toBe(before);
});

test.each<[string, string, () => void]>([
  ['is missing', 'policy-missing', () => rmSync(policyPath(folder, 1))],
  ['is not JSON', 'policy-missing', () => writeFileSync(policyPath(folder, 1), '{')],
  [
    'has a field too many',
    'policy-missing',
    () => writeFileSync(policyPath(folder, 1), JSON.stringify({ ...first, x: 1 })),
  ],
  [
    'is signed by fewer than its quorum',
    'policy-invalid',
    () => writePolicyFile(folder, signSamplePolicy(samplePolicy(), ['admin-1'])),
  ],
  [
    'has a mistake that lint finds',
    'policy-invalid',
    () => writePolicyFile(folder, signSamplePolicy(samplePolicy((p) => void (p.resume.approvals = 16)))),
  ],
  [
    'is a second version',
    'policy-rollback',
    () => {
      const policy = samplePolicy((p) => void (p.version = 2));
      writeFileSync(policyPath(folder, 1), JSON.stringify(signSamplePolicy(policy)));
    },
  ],
])('neither shows nor accepts while version 1 of the policy %s', async (_name, code, spoil) => {
  const { digest } = prepare();
  spoil();
  expect(() => prepare()).toThrow(expect.objectContaining({ code }));
  await expect(accept(digest)).rejects.toMatchObject({ code });
  expect(kinds()).toEqual(['created']);
});

test('fixes transcript and policy, and says the same when run again', async () => {
  const prepared = await accept();
  expect(kinds()).toEqual(['created', 'ceremony', 'policy']);
  expect(await accept()).toEqual(prepared);
  expect(kinds()).toEqual(['created', 'ceremony', 'policy']);
  expect(await opened()).toBe(prepared.digest);
  const inForce = await withJournal((journal) =>
    openPolicyStore(folder, journal, nobleVerifiers).current(journal.nowMs()),
  );
  expect(inForce).toEqual(first.policy);
});

test.each(['ff'.repeat(32), '', 'x'])('accepts no other digest: %j', async (expected) => {
  await expect(accept(expected)).rejects.toMatchObject({ code: 'ceremony-differs' });
  expect(kinds()).toEqual(['created']);
  expect(existsSync(join(folder, 'ceremony.json'))).toBe(false);
});

test('a ceremony that was accepted is never replaced', async () => {
  await accept();
  writePolicyFile(folder, signSamplePolicy(samplePolicy((policy) => void (policy.intent_s_max += 1))));
  await expect(accept()).rejects.toMatchObject({ code: 'ceremony-differs' });
  expect(kinds()).toEqual(['created', 'ceremony', 'policy']);
});

test('does not write the journal of a signer that runs', async () => {
  const running = createServer();
  await new Promise<void>((resolve) => void running.listen(port, '127.0.0.1', resolve));
  await expect(accept()).rejects.toMatchObject({ code: 'already-running' });
  await new Promise((resolve) => running.close(resolve));
  expect(kinds()).toEqual(['created']);
});

test('before the ceremony nothing opens', async () => {
  await expect(opened()).rejects.toMatchObject({ code: 'config-invalid', fix: expect.stringContaining('ceremony') });
});

test('a crash after the file leaves no ceremony; one before the policy record is completed by accepting again', async () => {
  const { transcript, digest } = prepare();
  writeFileSync(join(folder, 'ceremony.json'), JSON.stringify(transcript));
  await expect(opened()).rejects.toMatchObject({ code: 'config-invalid' });
  const journal = await openJournal(join(folder, 'journal.jsonl'), Date.now, () => performance.now());
  await journal.append({ kind: 'ceremony', body: { transcript: digest } });
  await journal.close();
  await expect(withJournal((one) => openPolicyStore(folder, one, nobleVerifiers))).rejects.toMatchObject({
    code: 'policy-missing',
  });
  await accept();
  expect(kinds()).toEqual(['created', 'ceremony', 'policy']);
});

test('a transcript that is gone or changed is found, and written anew by accepting again', async () => {
  const { digest, transcript } = await accept();
  const path = join(folder, 'ceremony.json');
  rmSync(path);
  await expect(opened()).rejects.toMatchObject({ code: 'config-invalid' });
  writeFileSync(path, JSON.stringify({ ...transcript, quorum: 3 }));
  await expect(opened()).rejects.toMatchObject({ code: 'ceremony-differs' });
  await accept();
  expect(await opened()).toBe(digest);
});

test("a signer whose own keys are not the ceremony's is refused", async () => {
  await accept();
  await expect(opened(config(), { ...cardOf(0), statement_key: '99'.repeat(32) })).rejects.toMatchObject({
    code: 'ceremony-differs',
    message: expect.stringContaining('signer-1'),
  });
});

test.each(['fingerprint', 'owner_address', 'statement_key'] as const)(
  "no peer may have this signer's own %s",
  (field) => {
    expect(() => prepare(config(), { ...cardOf(0), [field]: cardOf(1)[field] })).toThrow(
      expect.objectContaining({ code: 'config-invalid', message: expect.stringContaining('signer-2') }),
    );
  },
);
