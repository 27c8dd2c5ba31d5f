import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hexToBytes } from '@noble/hashes/utils.js';
import { Failure } from '@holdfast/core/failure.ts';
import { nobleVerifiers } from '@holdfast/core/signing/noble-verifiers.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createJournalFile, openJournal, type Journal } from '../journal/journal.ts';
import { statementKey, type StatementKey } from '../keys/statement-key.ts';
import { bindAddress } from './bind-address.ts';

const key = statementKey(new Uint8Array(32).fill(3));
const network = 'eip155:31337';
const customer = 'cus_00000000-0000-7000-8000-000000000001';
const derived = { address: `0x${'Ab'.repeat(20)}`, epoch: 1 };
let folder: string;
let journal: Journal;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-address-'));
  createJournalFile(join(folder, 'journal.jsonl'), 'signer-1', Date.now());
  journal = await openJournal(join(folder, 'journal.jsonl'), Date.now, () => performance.now());
});
afterEach(async () => {
  await journal.close();
  rmSync(folder, { recursive: true });
});

const deps = (statement: StatementKey, assertBuild = (): void => undefined) => ({ journal, statement, assertBuild });
const written = (): string => readFileSync(join(folder, 'journal.jsonl'), 'utf8');

test('vouches for exactly what the client is told', async () => {
  const answer = await bindAddress(deps(key), { network, customer, index: 7 }, derived);
  const { address, epoch, statement } = answer;
  expect({ address, epoch }).toEqual(derived);
  const holds = (said: object): boolean =>
    nobleVerifiers.ed25519(hexToBytes(key.publicKey), statementDigest('address', said), statement);
  const said = { version: 1, network, customer, address, epoch };
  expect(holds(said)).toBe(true);
  for (const other of [
    { ...said, customer: customer.replace('1', '2') },
    { ...said, network: 'eip155:1' },
    { ...said, epoch: 2 },
    { ...said, address: `0x${'cd'.repeat(20)}` },
  ])
    expect(holds(other)).toBe(false);
});

test('has the binding on the disk before it vouches for it', async () => {
  const seen: string[] = [];
  const watched = { ...key, sign: (digest: Uint8Array) => (seen.push(written()), key.sign(digest)) };
  const request = { network, customer, index: 7 };
  await Promise.all([
    bindAddress(deps(watched), request, derived),
    // The same one again while the first is still being written.
    bindAddress(deps(watched), request, derived),
  ]);
  expect(seen).toHaveLength(2);
  for (const text of seen) expect(text).toContain(derived.address);
  expect(written().match(/"kind":"address"/g)).toHaveLength(1);
});

test('keeps what the integrator calls the customer', async () => {
  await bindAddress(deps(key), { network, customer, index: 7, customer_reference: 'alice' }, derived);
  expect(written()).toContain('"customer_reference":"alice"');
});

test('signs nothing for an index of another customer, nor for another address', async () => {
  await bindAddress(deps(key), { network, customer, index: 7 }, derived);
  const silent = { ...key, sign: () => expect.unreachable('nothing to vouch for') };
  const bind = (request: object, address = derived) =>
    bindAddress(deps(silent), { network, customer, index: 7, ...request }, address);
  await expect(bind({ customer: 'cus_2' })).rejects.toMatchObject({ code: 'address-index-taken' });
  await expect(bind({}, { address: '0x1', epoch: 1 })).rejects.toMatchObject({ code: 'derivation-mismatch' });
  await expect(bind({ index: 10_008 })).rejects.toMatchObject({ code: 'invalid-request' });
});

test('vouches for nothing, and remembers nothing, under a build that may not sign', async () => {
  const soaking = (): void => {
    throw new Failure('build-not-permitted', 'it soaks');
  };
  const silent = { ...key, sign: () => expect.unreachable('nothing to vouch for') };
  await expect(bindAddress(deps(silent, soaking), { network, customer, index: 7 }, derived)).rejects.toMatchObject({
    code: 'build-not-permitted',
  });
  expect(written()).not.toContain(derived.address);
});
