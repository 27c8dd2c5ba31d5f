import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Failure } from '@holdfast/core/failure.ts';
import type { Checkpoint, MeshRequest } from '@holdfast/core/signing/messages.ts';
import { nobleVerifiers } from '@holdfast/core/signing/noble-verifiers.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createJournalFile, openJournal, type Journal } from '../journal/journal.ts';
import { statementKey, type StatementKey } from '../keys/statement-key.ts';
import type { CallPeer } from '../transport/peer-client.ts';
import { createCheckpoints, type Checkpoints } from './checkpoints.ts';

interface Stage {
  readonly name: string;
  readonly folder: string;
  readonly key: StatementKey;
  readonly journal: Journal;
  readonly checkpoints: Checkpoints;
  readonly grow: (records?: number) => Promise<void>;
}

let root: string;
let nowMs: number;
let one: Stage;
let two: Stage;
/** Set, signer-2 cannot be reached. */
let away: boolean;
const keys = ['signer-1', 'signer-2'].map((_, at) => statementKey(Buffer.alloc(32, at + 1)));

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'holdfast-checkpoints-'));
  nowMs = 1_800_000_000_000;
  away = false;
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  const callOne = (async (_path: string, body: never) => one.checkpoints.cosign('signer-2', body)) as CallPeer;
  const callTwo = (async (_path: string, body: never) => {
    if (away) throw new Failure('signers-unavailable', 'signer-2 cannot be reached');
    return two.checkpoints.cosign('signer-1', body);
  }) as CallPeer;
  one = await open('signer-1', 'signer-2', callTwo);
  two = await open('signer-2', 'signer-1', callOne);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all([one, two].map(({ journal }) => journal.close()));
  rmSync(root, { recursive: true });
});

const keyOf = (name: string): StatementKey => keys[name === 'signer-1' ? 0 : 1] as StatementKey;

async function open(
  name: string,
  peer: string,
  call: CallPeer,
  folder = mkdtempSync(join(root, name)),
): Promise<Stage> {
  const path = join(folder, 'journal.jsonl');
  createJournalFile(path, name, nowMs);
  const journal = await openJournal(
    path,
    () => nowMs,
    () => nowMs,
  );
  const create = () =>
    createCheckpoints({
      dataDir: folder,
      signer: name,
      journal,
      statementKey: keyOf(name),
      verifiers: nobleVerifiers,
      peers: [{ signer: peer, statementKey: keyOf(peer).publicKey, call }],
      everyRecords: 4,
      everyMs: 50,
      monotonicMs: () => performance.now(),
    });
  let checkpoints: Checkpoints;
  try {
    checkpoints = create();
  } catch (error) {
    await journal.close();
    throw error;
  }
  const grow = async (records = 3): Promise<void> => {
    for (let at = 0; at < records; at += 1) {
      await journal.append({ kind: 'started', body: { boot_id: `${at}`, build: '1' } });
    }
  };
  return { name, folder, key: keyOf(name), journal, checkpoints, grow };
}

const lines = ({ folder }: Stage): string[] =>
  readFileSync(join(folder, 'checkpoints.jsonl'), 'utf8').trimEnd().split('\n');

function ask(checkpoint: Checkpoint, from: number, proof: string[] = []): MeshRequest<'/v1/mesh/checkpoint'> {
  return { checkpoint, signature: keyOf('signer-1').sign(statementDigest('checkpoint', checkpoint)), from, proof };
}
const headAt = (size: number): Checkpoint => ({
  version: 1,
  signer: 'signer-1',
  size,
  root: one.journal.audit.rootAt(size),
});

test('the peer cosigns each checkpoint of a log that only grew, and both write it down', async () => {
  await one.grow();
  const first = await one.checkpoints.make();
  expect(first).toMatchObject({ checkpoint: headAt(4), cosignatures: [{ signer: 'signer-2' }] });
  await one.grow();
  const second = await one.checkpoints.make();
  expect(second).toMatchObject({ checkpoint: headAt(7), cosignatures: [{ signer: 'signer-2' }] });
  const digest = statementDigest('checkpoint', second.checkpoint);
  expect(
    nobleVerifiers.ed25519(Buffer.from(two.key.publicKey, 'hex'), digest, second.cosignatures[0]?.signature ?? ''),
  ).toBe(true);
  expect(two.journal.state.cosigned.get('signer-1')).toEqual(headAt(7));
  expect(lines(one).map((line) => JSON.parse(line))).toEqual([first, second]);
});

test('nothing new makes no second checkpoint', async () => {
  const first = await one.checkpoints.make();
  expect(await one.checkpoints.make()).toBe(first);
  expect(lines(one)).toHaveLength(1);
});

test('a peer that is away is left out, and asked from its own last size when it is back', async () => {
  await one.checkpoints.make();
  away = true;
  await one.grow();
  expect((await one.checkpoints.make()).cosignatures).toEqual([]);
  away = false;
  // The same log again: the missing cosignature is fetched.
  expect(await one.checkpoints.make()).toMatchObject({ checkpoint: headAt(4), cosignatures: [{ signer: 'signer-2' }] });
});

test('goes on after a restart, from what the peer says that it cosigned', async () => {
  await one.grow();
  await one.checkpoints.make();
  away = true;
  await one.grow();
  await one.checkpoints.make();
  away = false;
  await one.journal.close();
  appendFileSync(join(one.folder, 'checkpoints.jsonl'), '{"torn');
  one = await open(
    'signer-1',
    'signer-2',
    (async (_: string, body: never) => two.checkpoints.cosign('signer-1', body)) as CallPeer,
    one.folder,
  );
  expect(one.checkpoints.last()).toMatchObject({ checkpoint: { size: 7 } });
  await one.grow();
  expect(await one.checkpoints.make()).toMatchObject({
    checkpoint: { size: 10 },
    cosignatures: [{ signer: 'signer-2' }],
  });
  expect(lines(one).map((line) => (JSON.parse(line) as { checkpoint: Checkpoint }).checkpoint.size)).toEqual([
    4, 7, 10,
  ]);
});

test('refuses to start with a journal that is behind its own checkpoints', async () => {
  const path = join(one.folder, 'journal.jsonl');
  const before = readFileSync(path, 'utf8');
  await one.grow();
  await one.checkpoints.make();
  await one.journal.close();
  writeFileSync(path, before);
  await expect(open('signer-1', 'signer-2', (() => undefined) as never, one.folder)).rejects.toMatchObject({
    code: 'journal-behind',
    message: 'checkpoints.jsonl covers 4 records, the journal has 1',
  });
});

test('a fork, a shrink and a proof that does not hold are refused as reasons to halt', async () => {
  await one.grow(9);
  await one.checkpoints.make();
  const other = { ...headAt(10), root: 'ab'.repeat(32) };
  await one.grow(3);
  const cases: [MeshRequest<'/v1/mesh/checkpoint'>, RegExp][] = [
    [ask(other, 10), /two logs of 10 records/],
    [ask(headAt(5), 5), /5 records after 10/],
    [
      ask({ ...headAt(13), root: other.root }, 10, one.journal.audit.consistency(10, 13)),
      /does not contain the one at 10/,
    ],
    [ask(headAt(13), 10, []), /does not contain the one at 10/],
  ];
  for (const [request, message] of cases) {
    await expect(two.checkpoints.cosign('signer-1', request)).rejects.toMatchObject({
      code: 'audit-invalid',
      message: expect.stringMatching(message),
    });
  }
  expect(two.journal.state.cosigned.get('signer-1')).toEqual(headAt(10));
  const answer = await two.checkpoints.cosign('signer-1', ask(headAt(13), 10, one.journal.audit.consistency(10, 13)));
  expect(answer).toHaveProperty('cosignature');
});

test('names the last size to whoever proves from another', async () => {
  await one.grow();
  await one.checkpoints.make();
  await one.grow();
  expect(await two.checkpoints.cosign('signer-1', ask(headAt(7), 0))).toEqual({ last_size: 4 });
});

test('does not take a checkpoint for another signer’s, nor one without its signature', async () => {
  const request = ask(headAt(1), 0);
  const refusal = { code: 'invalid-request' };
  await expect(
    two.checkpoints.cosign('signer-1', { ...request, checkpoint: { ...headAt(1), signer: 'signer-3' } }),
  ).rejects.toMatchObject(refusal);
  await expect(two.checkpoints.cosign('signer-1', { ...request, signature: '00'.repeat(64) })).rejects.toMatchObject(
    refusal,
  );
  await expect(two.checkpoints.cosign('signer-3', request)).rejects.toMatchObject({ code: 'peer-unknown' });
  expect(two.journal.state.cosigned.size).toBe(0);
});

test('a peer cannot fill the journal with checkpoints', async () => {
  await one.grow(241);
  let refused: unknown = null;
  for (let size = 1; size <= 241; size += 1) {
    await two.checkpoints
      .cosign('signer-1', ask(headAt(size), size - 1, one.journal.audit.consistency(size - 1, size)))
      .catch((error: unknown) => (refused ??= [size, error]));
  }
  expect(refused).toMatchObject([241, { code: 'rate-limited' }]);
  nowMs += 3_600_000;
  const again = await two.checkpoints.cosign(
    'signer-1',
    ask(headAt(241), 240, one.journal.audit.consistency(240, 241)),
  );
  expect(again).toHaveProperty('cosignature');
});

test('paces itself, and two idle signers do not keep each other busy', async () => {
  const stop = new AbortController();
  const running = [one, two].map(({ checkpoints }) => checkpoints.pace(stop.signal));
  await one.grow();
  await vi.waitFor(() => expect(one.checkpoints.last()?.checkpoint.size).toBeGreaterThanOrEqual(4), { timeout: 5_000 });
  await vi.waitFor(() => expect(two.checkpoints.last()).not.toBeNull(), { timeout: 5_000 });
  await new Promise((resolve) => setTimeout(resolve, 300));
  const sizes = [one, two].map(({ journal }) => journal.audit.size());
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect([one, two].map(({ journal }) => journal.audit.size())).toEqual(sizes);
  stop.abort();
  await Promise.all(running);
});
