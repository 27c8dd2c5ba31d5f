import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ceremony, holdfast, writeFolders } from './audit-folders.test-support.ts';

let root: string;
beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'holdfast-audit-'))));
afterEach(() => rmSync(root, { recursive: true }));

test('proves a record to somebody who has only the proof and the ceremony', async () => {
  const [first = ''] = writeFolders(root);
  const made = await holdfast('audit', 'prove', first, '--seq', '5');
  expect(made.code).toBe(0);
  const file = join(root, 'proof.json');
  writeFileSync(file, made.text);
  const checked = await holdfast('audit', 'check-proof', file, '--ceremony', ceremony);
  expect(checked).toMatchObject({
    code: 0,
    text: expect.stringMatching(/log of signer-1 with 10 records, cosigned by signer-2/),
  });
  expect(checked.text).toContain('"kind": "accepted"');
  expect(await holdfast('audit', 'check-proof', file, '--ceremony', '22'.repeat(32))).toMatchObject({ code: 3 });
});

test.each<[string, (proof: Record<string, unknown>) => void, RegExp]>([
  [
    'another record',
    (proof) => (proof['record'] = String(proof['record']).replace('20000', '10000')),
    /record 5 is not in the log/,
  ],
  ['another place', (proof) => (proof['seq'] = 6), /record 6 is not in the log/],
  ['a cut path', (proof) => (proof['path'] as string[]).pop(), /record 5 is not in the log/],
  [
    'another checkpoint',
    (proof) => Object.assign((proof['checkpoint'] as { checkpoint: object }).checkpoint, { size: 9 }),
    /signature of signer-1 under the checkpoint/,
  ],
  ['an unknown field', (proof) => (proof['more'] = 1), /no proof of a record/],
])('refuses a proof with %s', async (_name, tamper, message) => {
  const [first = ''] = writeFolders(root);
  const proof = JSON.parse((await holdfast('audit', 'prove', first, '--seq', '5')).text) as Record<string, unknown>;
  tamper(proof);
  writeFileSync(join(root, 'proof.json'), JSON.stringify(proof));
  const { code, text } = await holdfast('audit', 'check-proof', join(root, 'proof.json'));
  expect(text).toMatch(message);
  expect(code).toBe(3);
});

test.each([
  [['audit'], 2],
  [['audit', 'verify'], 2],
  [['audit', 'prove', '.', '--seq', '0'], 2],
  [['audit', 'verify', '/nonexistent'], 4],
  [['audit', 'check-proof', '/nonexistent'], 2],
])('explains the wrong call %j', async (argv, code) => {
  expect(await holdfast(...argv)).toMatchObject({ code });
});
