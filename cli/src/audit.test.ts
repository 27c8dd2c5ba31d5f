import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ceremonyDigest } from '@holdfast/core/policy/ceremony.ts';
import { networkOf } from '@holdfast/core/policy/network-of.ts';
import type { Policy } from '@holdfast/core/policy/policy.ts';
import { signSamplePolicy } from '@holdfast/core/policy/sample-policy.test-support.ts';
import { canonicalJson } from '@holdfast/core/signing/intent.ts';
import { signatureBy } from '@holdfast/core/signing/evidence.test-support.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readTransaction } from './audit-transaction.ts';
import {
  ceremony,
  checkpointOf,
  forgeJournal,
  forged,
  hashOf,
  holdfast,
  policyOne,
  readLines,
  requestOf,
  transcript,
  writeFolders,
  writeLines,
} from './audit-folders.test-support.ts';

let root: string;
beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'holdfast-audit-'))));
afterEach(() => rmSync(root, { recursive: true }));

test('tells who signed what from which evidence, from folders alone', async () => {
  const folders = writeFolders(root);
  const { code, text } = await holdfast('audit', 'verify', ...folders, '--ceremony', ceremony);
  expect(text).toContain('Everything holds');
  expect(code).toBe(0);
  const row = text.split('\n').find((line) => line.includes('20000000000000000000'));
  expect(row).toMatch(
    /2027-01-15T08:00:01.000Z .*cus_01890000.* passkey \S+alice +approver-1 +signer-1 signer-2 +signer-1 signer-2 signer-3/,
  );
});

test('gives programs the same facts', async () => {
  const { text } = await holdfast('audit', 'verify', ...writeFolders(root), '--json');
  expect(JSON.parse(text)).toMatchObject({
    result: 'ok',
    problems: [],
    signers: [{ signer: 'signer-1', records: 10, cosigned_records: 10 }, {}, {}],
    transactions: [{ signed_by: ['signer-1', 'signer-2'], payments: [{ amount: '20000000000000000000' }] }],
  });
});

test('one folder alone can be verified', async () => {
  const [, second = ''] = writeFolders(root);
  const { code, text } = await holdfast('audit', 'verify', second, '--ceremony', ceremony);
  expect(code).toBe(0);
  expect(text).toContain('no other folder was held against this one');
  expect(text).not.toContain('all that these signers signed');
});

test('claims no more than the ceremony and the folders that were given can show', async () => {
  const folders = writeFolders(root);
  const lastLine = async (...given: string[]) =>
    (await holdfast('audit', 'verify', ...given)).text.trim().split('\n').at(-1);
  expect(await lastLine(...folders, '--ceremony', ceremony)).toBe(
    'Everything holds: these transactions are all that these signers signed.',
  );
  expect(await lastLine(...folders)).toMatch(
    /^No problem was found, but the ceremony was compared with nothing: .* Give --ceremony\.$/,
  );
  expect(await lastLine(...folders.slice(0, 1))).toMatch(/compared with nothing.* and no other folder was held/);
});

test('refuses another ceremony than the one that was compared', async () => {
  const { code, text } = await holdfast('audit', 'verify', ...writeFolders(root), '--ceremony', '11'.repeat(32));
  expect(code).toBe(3);
  expect(text).toContain(`the ceremony is ${ceremony}, not 1111`);
});

const inFile =
  (name: string, change: (text: string) => string) =>
  (folder: string): void => {
    const path = join(folder, name);
    const before = readFileSync(path, 'utf8');
    const after = change(before);
    if (after === before) throw new Error(`${name} is not changed`);
    writeFileSync(path, after);
  };
/** Exchanges the request of the payment for another one, and the name that the journal gives it. */
const exchanged = (change: (text: string) => string) => (folder: string) => {
  const text = canonicalJson(requestOf('0'));
  const other = canonicalJson(JSON.parse(change(text)));
  if (other === text) throw new Error('the request is not changed');
  writeLines(join(folder, 'transcripts.jsonl'), [other]);
  const name = hashOf(JSON.parse(other));
  forgeJournal(folder, (entry) => {
    if (entry.kind === 'accepted') entry.body.request = name;
    return entry;
  });
};
const flip = (hex: string): string => (hex.startsWith('0') ? '1' : '0') + hex.slice(1);

test.each<[string, (folder: string) => void, RegExp]>([
  [
    'a changed record',
    inFile('journal.jsonl', (text) => text.replace('a drill', 'a thrill')),
    /journal.jsonl:8 record 8|:9 record 9 does not follow/,
  ],
  [
    'a first record that is gone',
    (folder) => forgeJournal(folder, (entry, seq) => (seq === 1 ? null : entry)),
    /of the kind ceremony in this place/,
  ],
  [
    'another signer’s name',
    forged('created', (body) => (body.signer = 'signer-9')),
    /signer-9 is no signer of the ceremony/,
  ],
  [
    'another ceremony in the journal',
    forged('ceremony', (body) => (body.transcript = flip(body.transcript))),
    /ceremony.json has the digest/,
  ],
  [
    'another statement key in the ceremony',
    inFile('ceremony.json', (text) => text.replace(transcript.signers[1]?.statement_key ?? '', 'ee'.repeat(32))),
    /ceremony.json has the digest/,
  ],
  ['no ceremony', (folder) => rmSync(join(folder, 'ceremony.json')), /ceremony.json it is missing/],
  [
    'a policy with a higher limit',
    inFile('policies/1.json', (text) => text.replace('"per_hour_max":"4', '"per_hour_max":"9')),
    /policies\/1.json has the digest/,
  ],
  ['no policy', (folder) => rmSync(join(folder, 'policies/2.json')), /policies\/2.json is missing/],
  [
    'a policy that one administrator signed',
    (folder) => {
      const { policy } = JSON.parse(readFileSync(join(folder, 'policies/2.json'), 'utf8')) as {
        policy: Policy;
      };
      writeFileSync(join(folder, 'policies/2.json'), JSON.stringify(signSamplePolicy(policy, ['admin-1'])));
    },
    /version 2 has 1 of 2 administrators/,
  ],
  [
    'a policy that counts earlier than its delay',
    forged('policy', (body) => (body.effective_at_ms -= body.version - 1)),
    /version 2 counts from/,
  ],
  [
    'a tighter policy passed off as looser',
    forged('policy', (body) => (body.change = body.version === 2 ? 'looser' : body.change)),
    /is tighter, not looser/,
  ],
  ['a request that is gone', inFile('transcripts.jsonl', () => ''), /transcripts.jsonl has no request/],
  [
    'a payment to somebody else',
    exchanged((text) => text.replaceAll('"to":"0xabab', '"to":"0xcdab')),
    /the request is of transaction/,
  ],
  [
    'an intent with another amount',
    exchanged((text) => text.replace('"amount":"2', '"amount":"3')),
    /its challenge is another digest|does not hold/,
  ],
  [
    'an assertion that somebody else made',
    exchanged((text) => text.replace(/("authorization":{"authenticator_data":")[0-9a-f]{8}/, '$100000000')),
    /it was not made for exchange.example/,
  ],
  [
    'an approval that was taken away',
    exchanged((text) => text.replace(/"approvals":\[.*?\]/, '"approvals":[]')),
    /has 0 approvals, 0 of them offline, and needs 1/,
  ],
  [
    'an approval twice',
    exchanged((text) => text.replace(/"approvals":\[(.*?)\]/, '"approvals":[$1,$1]')),
    /approver-1 approves twice/,
  ],
  [
    'digests of other intents',
    forged('accepted', (body) => (body.digests = ['ab'.repeat(32)])),
    /not those of the record/,
  ],
  ['a payment that is charged less', forged('accepted', (body) => (body.charges = [])), /leads to other charges/],
  ['another conflict key', forged('accepted', (body) => (body.conflict_keys = ['x'])), /the bytes conflict by/],
  [
    'a policy version that is not in force',
    forged('accepted', (body) => (body.policy = 2)),
    /version 2 of the policy is not among/,
  ],
  [
    'a payment by a stranger',
    forged('accepted', (body) => (body.by = 'signer-9')),
    /signer-9 is no signer of the ceremony/,
  ],
  [
    'a credential without evidence',
    (folder) => forgeJournal(folder, (entry) => (entry.kind === 'customer-record' ? null : entry)),
    /is not enrolled for/,
  ],
  [
    'a forged credential',
    forged('customer-record', ({ signed }) => {
      if (signed.record.kind === 'credential') signed.record.nonce = 'nonce-0002';
    }),
    /signature of integrator-1 does not hold/,
  ],
  [
    'a signature that was not let out',
    forged('signed', (body) => (body.signature = flip(body.signature))),
    /under its statement on .* does not hold/,
  ],
  [
    'a statement of another signer',
    forged('signed', ({ statement }) => (statement.signer = 'signer-3')),
    /the signature of signer-3 under its statement/,
  ],
  [
    'a halt nobody gave',
    forged('halt', ({ statement }) => (statement.reason = 'other')),
    /signature of watcher-1 does not hold/,
  ],
  [
    'a halt of a stranger',
    forged('halt', (body) => Object.assign(body, { evidence: null, by: 'signer-9' })),
    /signer-9 is no signer/,
  ],
  [
    'a resumption with one approval',
    forged('resume', ({ signed }) => signed.approvals.pop()),
    /has 1 approvals and needs 2/,
  ],
  [
    'a checkpoint of another root',
    inFile('checkpoints.jsonl', (text) => text.replace(/"root":"./, '"root":"x')),
    /does not fit its schema/,
  ],
  [
    'a checkpoint that is not signed',
    inFile('checkpoints.jsonl', (text) => text.replace(/("signature":")(..)(?=[^}]*}\s*$)/, '$1zz')),
    /does not fit its schema/,
  ],
  [
    'a checkpoint of a larger log',
    inFile('checkpoints.jsonl', (text) => text.replace(/"size":\d+/, '"size":99')),
    /signature of signer-1 does not hold/,
  ],
  [
    'a journal that was cut',
    (folder) => writeLines(join(folder, 'journal.jsonl'), readLines(join(folder, 'journal.jsonl')).slice(0, -1)),
    /it covers 10 records, the journal has 9/,
  ],
  [
    'bytes that pay somebody else than the intent',
    (folder) => {
      const request = requestOf('0');
      request.body.safe_transaction.to = `0x${'cd'.repeat(20)}`;
      writeLines(join(folder, 'transcripts.jsonl'), [canonicalJson(request)]);
      const { txid } = readTransaction(request, networkOf(policyOne, request.body.network));
      forged('accepted', (body) => Object.assign(body, { txid, request: hashOf(request) }))(folder);
    },
    /the transaction pays .* to 0x[cC][dD].*, the intents ask for .* to 0x[aA][bB]/,
  ],
  [
    'a statement about another request than the accepted one',
    forged('signed', (body) => {
      if (body.statement.signer !== 'signer-1') return;
      body.statement.request = '12'.repeat(32);
      body.signature = signatureBy('signer-1', statementDigest('signed', body.statement)).signature;
    }),
    /was accepted by request [0-9a-f]{64}, not 1212/,
  ],
  [
    'a second ceremony',
    (folder) =>
      forgeJournal(folder, (entry) =>
        entry.kind === 'halt' ? { kind: 'ceremony', body: { transcript: ceremony } } : entry,
      ),
    /a second ceremony/,
  ],
  [
    'a first policy that the ceremony does not name',
    (folder) => {
      const other = { ...transcript, policy: '12'.repeat(32) };
      writeFileSync(join(folder, 'ceremony.json'), canonicalJson(other));
      forged('ceremony', (body) => (body.transcript = ceremonyDigest(other)))(folder);
    },
    /version 1 of the policy is not the one of the ceremony/,
  ],
  [
    'a forged cosignature',
    (folder) => {
      const line = checkpointOf('signer-1', readLines(join(folder, 'journal.jsonl')));
      const cosignatures = line.cosignatures.map((one) => ({ ...one, signature: line.signature }));
      writeLines(join(folder, 'checkpoints.jsonl'), [canonicalJson({ ...line, cosignatures })]);
    },
    /checkpoints.jsonl:1 the cosignature of signer-2 does not hold/,
  ],
  [
    'a log that shrinks',
    (folder) => {
      const lines = readLines(join(folder, 'journal.jsonl'));
      const texts = [lines, lines.slice(0, 5)].map((some) => canonicalJson(checkpointOf('signer-1', some)));
      writeLines(join(folder, 'checkpoints.jsonl'), texts);
    },
    /checkpoints.jsonl:2 the log shrinks from 10 to 5/,
  ],
  [
    'a journal that is not the one of its checkpoint',
    forged('policy', (body) => (body.effective_at_ms -= body.version - 1)),
    /the first 10 records of the journal have another root/,
  ],
])('finds %s', async (_name, tamper, message) => {
  const folders = writeFolders(root);
  tamper(folders[0] ?? '');
  const { code, text } = await holdfast('audit', 'verify', folders[0] ?? '');
  expect(text).toMatch(message);
  expect(text).toContain('audit-invalid');
  expect(code).toBe(3);
});
