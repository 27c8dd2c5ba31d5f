import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { verifySignerLogs } from '@holdfast/core/audit/verify-signer-logs.ts';
import { nobleVerifiers } from '@holdfast/core/signing/noble-verifiers.ts';
import { canonicalJson } from '@holdfast/core/signing/intent.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openSignerFiles } from './audit-files.ts';
import { readTransaction } from './audit-transaction.ts';
import {
  forgeJournal,
  forged,
  hashOf,
  holdfast,
  readLines,
  requestOf,
  startMs,
  transcript,
  writeFolders,
  writeLines,
} from './audit-folders.test-support.ts';

let root: string;
beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'holdfast-audit-'))));
afterEach(() => rmSync(root, { recursive: true }));

test.each<[string, (folders: readonly string[]) => void, RegExp]>([
  [
    'a record that was rewritten after a peer countersigned it',
    ([first = '']) =>
      forgeJournal(first, (entry, seq) =>
        seq === 4 ? { kind: 'started', body: { boot_id: 'x', build: 'y' } } : entry,
      ),
    /record 5 of signer-1 was another one/,
  ],
  [
    'a log that was rewritten after a peer cosigned it',
    ([first = '']) => forged('policy', (body) => (body.effective_at_ms -= 1))(first),
    /the first 10 records of signer-1 had another root/,
  ],
  [
    'a journal that was cut before a peer cosigned it',
    ([first = '']) => writeLines(join(first, 'journal.jsonl'), readLines(join(first, 'journal.jsonl')).slice(0, -2)),
    /signer-1 had 10 records; its journal has 8/,
  ],
  [
    'a signature that its signer does not own up to',
    ([first = '']) =>
      forgeJournal(first, (entry) =>
        entry.kind === 'signed' && entry.body.statement.signer === 'signer-1' ? null : entry,
      ),
    /the journal of signer-1 does not say that it signed/,
  ],
  [
    'a signature without its acceptance',
    ([, second = '']) => forgeJournal(second, (entry) => (entry.kind === 'accepted' ? null : entry)),
    /signed .*, which is not accepted/,
  ],
  [
    'folders of two ceremonies',
    ([, second = '']) => writeFileSync(join(second, 'ceremony.json'), canonicalJson({ ...transcript, quorum: 3 })),
    /another ceremony than in/,
  ],
])('finds, between folders, %s', async (_name, tamper, message) => {
  const folders = writeFolders(root);
  tamper(folders);
  expect((await holdfast('audit', 'verify', ...folders)).text).toMatch(message);
});

test('finds two transactions that pay one intent and do not exclude each other', async () => {
  // The second signer is taken over and signs the intent again at another nonce.
  const other = requestOf('1');
  const folders = writeFolders(root, ([, second]) => {
    if (!second) return [];
    second.state.transactionsOf.clear();
    const txid = second.accept(other, 'signer-2', startMs + 3_500);
    second.sign('signer-2', txid, other, startMs + 3_500);
    return [other];
  });
  const { code, text } = await holdfast('audit', 'verify', ...folders);
  expect(text).toMatch(/is paid by [0-9a-f]{64}, which this transaction does not exclude/);
  expect(code).toBe(3);
});

test('finds that two signers signed different transactions for one intent', async () => {
  const [first = ''] = writeFolders(join(root, 'one'));
  const [, second = ''] = writeFolders(join(root, 'other'), () => [], '1');
  expect((await holdfast('audit', 'verify', first, second)).text).toMatch(
    /is paid by .* and by .*, and both may confirm/,
  );
});

test('finds a transaction that was judged by a version which did not count yet', async () => {
  const other = requestOf('5', (intent) => (intent.nonce = 'intent-0002'));
  const [first = ''] = writeFolders(root, ([writer]) => {
    writer?.accept(other, 'signer-1', startMs + 3_500);
    return [other];
  });
  forged('accepted', (body) => (body.policy = body.request === hashOf(other) ? 2 : body.policy))(first);
  expect((await holdfast('audit', 'verify', first)).text).toMatch(/version 2 of the policy was not in force yet/);
});

test('says what a signer signed and its peers never heard of', async () => {
  const folders = writeFolders(root, ([, second, third]) => {
    const other = requestOf('0', (intent) => (intent.nonce = 'intent-0002'));
    if (!second || !third) return [];
    const safe_transaction = { ...other.body.safe_transaction, nonce: '5' };
    const alone = { ...other, body: { ...other.body, safe_transaction } };
    second.sign('signer-2', second.accept(alone, 'signer-2', startMs + 3_500), alone, startMs + 3_500);
    third.append({ kind: 'started', body: { boot_id: 'b', build: '1' } }, startMs + 3_600_000);
    return [alone];
  });
  const { text } = await holdfast('audit', 'verify', ...folders);
  expect(text).toMatch(/signer-3 never heard of transaction/);
  expect(text).not.toMatch(/signer-1 never heard/);
});

test('does not believe where a request was found, only what it hashes to', () => {
  const files = openSignerFiles(writeFolders(root)[0] ?? '');
  const tools = { verifiers: nobleVerifiers, readTransaction };
  const other = canonicalJson(requestOf('1'));
  const { problems } = verifySignerLogs([{ ...files, request: () => other }], tools);
  expect(problems[0]?.message).toMatch(/the request in transcripts.jsonl is not [0-9a-f]{64}/);
});

test('a signer that was away may bind what its peers signed after the intents have expired; the one that signed may not', async () => {
  const late = (by: string) => {
    const other = requestOf('5', (intent) => (intent.expires_at = new Date(startMs + 5_000).toISOString()));
    return writeFolders(join(root, by), ([, second]) => {
      second?.accept(other, by, startMs + 4_999, startMs + 20_000);
      return [other];
    });
  };
  const heard = await holdfast('audit', 'verify', late('signer-1')[1] ?? '');
  expect(heard).toMatchObject({
    code: 0,
    text: expect.stringMatching(/of signer-1 was bound afterwards \(intent .* has expired\)/),
  });
  const own = await holdfast('audit', 'verify', late('signer-2')[1] ?? '');
  expect(own).toMatchObject({ code: 3, text: expect.stringMatching(/intent .* has expired/) });
});
