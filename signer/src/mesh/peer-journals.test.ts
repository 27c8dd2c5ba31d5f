import { appendFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JournalPage } from '@holdfast/core/signing/journal-page.ts';
import type { JournalEntry } from '@holdfast/core/signing/journal-record.ts';
import type { MeshRequest, SigningRequest } from '@holdfast/core/signing/messages.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import { opensslVerifiers as verifiers } from '@holdfast/transport/openssl-verifiers.ts';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createJournalFile, openJournal, type Journal } from '../journal/journal.ts';
import { createStatementSecret, statementKey } from '../keys/statement-key.ts';
import {
  openTranscriptStore,
  transcriptHash,
  transcriptLine,
  type TranscriptStore,
} from '../transcripts/transcript-store.ts';
import type { CallPeer } from '../transport/peer-client.ts';
import { journalFeed, type JournalFeed } from './journal-feed.ts';
import { openPeerJournals, type PeerJournals } from './peer-journals.ts';
import { replayLost } from './replay-lost.ts';

/** `signer-1` writes a journal, `signer-2` keeps the copy, and a restored `signer-1` gets it back. */
let folder: string;
let written: Journal;
let transcripts: TranscriptStore;
let keeperTranscripts: TranscriptStore;
let feed: JournalFeed;
let keeper: PeerJournals;
/** Changes what `signer-1` hands out. */
let bend: (page: JournalPage) => JournalPage | Promise<JournalPage>;
/** What `signer-1` was asked. */
let asked: string[];
const open: { close(): Promise<void> }[] = [];

const own = statementKey(createStatementSecret());
const clock = () => 1_000_000;
/** Of the keeper. */
let monotonicMs = 0;
vi.spyOn(process.stdout, 'write').mockReturnValue(true);
const request: SigningRequest = {
  family: 'bitcoin',
  body: { network: 'n', raw_tx: '00', input_paths: [[0, 1]], change: [], intents: [] },
};
const address = (index: number): JournalEntry => ({
  kind: 'address',
  body: { network: 'n', customer: 'c', index, address: `a${index}` },
});
const accepted: JournalEntry = {
  kind: 'accepted',
  body: {
    network: 'n',
    txid: 'ab'.repeat(32),
    conflict_keys: ['k'],
    digests: [],
    height: 1,
    charges: [],
    request: transcriptHash(request),
    policy: 1,
    by: 'signer-1',
    positions: [],
  },
};

const file = (name: string): string => join(folder, name);
async function journalAt(name: string): Promise<Journal> {
  createJournalFile(file(name), 'signer-1', clock());
  const journal = await openJournal(file(name), clock, clock);
  open.push(journal);
  return journal;
}
async function transcriptsAt(name: string): Promise<TranscriptStore> {
  const store = await openTranscriptStore(file(name));
  open.push(store);
  return store;
}
/** The link from signer-2 to signer-1. */
const toWriter = (async (path: string, body: never) => {
  asked.push(path);
  return path === '/v1/mesh/request' ? feed.request(body) : bend(await feed.journal('signer-2', body));
}) as CallPeer;
const openKeeper = (limits: { bytesPerHourMax?: number } = {}): PeerJournals =>
  openPeerJournals({
    ...limits,
    dataDir: folder,
    peers: [{ signer: 'signer-1', statementKey: own.publicKey, call: toWriter }],
    transcripts: keeperTranscripts,
    verifiers,
    monotonicMs: () => monotonicMs,
  });

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-copies-'));
  bend = (page) => page;
  asked = [];
  written = await journalAt('written');
  transcripts = await transcriptsAt('written-transcripts');
  keeperTranscripts = await transcriptsAt('kept-transcripts');
  keeper = openKeeper();
  const copies = { page: async () => ({ lines: [], signed: null }) };
  const parts = { journal: written, journalPath: file('written'), statement: own, transcripts, copies };
  feed = journalFeed({ signer: 'signer-1', ...parts });
  await transcripts.append(transcriptLine(request));
});
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
  rmSync(folder, { recursive: true });
});

const linesOf = (name: string): string[] => readFileSync(file(name), 'utf8').trim().split('\n');

describe('a copy', () => {
  test('holds what the peer wrote, goes on after a restart, and writes over what a crash left', async () => {
    await written.append(address(1));
    await keeper.copy('signer-1', 2);
    appendFileSync(file('peers/signer-1.jsonl'), 'left over, longer than what comes');
    await written.append(address(2));
    keeper = openKeeper();
    await keeper.copy('signer-1', 3);
    const { lines, signed } = await keeper.page('signer-1', 0);
    expect(lines).toEqual(linesOf('written'));
    expect(signed?.head).toEqual({ seq: 3, hash: written.head().hash });
    expect((await keeper.page('signer-1', 2)).lines).toEqual(lines.slice(2));
  });

  test.each(['jsonl', 'json'])('of which the %s is cut is made again at the next start', async (ending) => {
    await written.append(address(1));
    await keeper.copy('signer-1', 2);
    truncateSync(file(`peers/signer-1.${ending}`), 9);
    keeper = openKeeper();
    expect((await keeper.page('signer-1', 0)).signed).toBeNull();
    await keeper.copy('signer-1', 2);
    expect((await keeper.page('signer-1', 0)).lines).toEqual(linesOf('written'));
  });

  test('holds the requests too that the lines name', async () => {
    await written.append(accepted);
    await keeper.copy('signer-1', 2);
    expect(keeperTranscripts.has(transcriptHash(request))).toBe(true);
  });

  test.each<[string, (page: JournalPage) => JournalPage]>([
    ['a line changed', (page) => ({ ...page, lines: page.lines.map((line) => line.replace('a1', 'a9')) })],
    ['a line left out', (page) => ({ ...page, lines: page.lines.slice(0, -1) })],
    ['nobody’s word for it', (page) => ({ ...page, signed: null })],
    [
      'another’s word for it',
      ({ lines, signed }) => ({ lines, signed: signed && { ...signed, signature: '00'.repeat(64) } }),
    ],
  ])('takes nothing with %s, and later what is right', async (_, change) => {
    await written.append(address(1));
    bend = change;
    await keeper.copy('signer-1', 2);
    expect(await keeper.page('signer-1', 0)).toEqual({ lines: [], signed: null });
    bend = (page) => page;
    await keeper.copy('signer-1', 2);
    expect((await keeper.page('signer-1', 0)).lines).toHaveLength(2);
  });

  test('counts the requests too in what a peer may make it write in an hour, and asks for nothing more before the next', async () => {
    await written.append(accepted);
    await written.append(address(1));
    const bytes = readFileSync(file('written')).length;
    keeper = openKeeper({ bytesPerHourMax: bytes });
    await keeper.copy('signer-1', 3);
    expect(asked).toEqual(['/v1/mesh/journal', '/v1/mesh/request']);
    await keeper.copy('signer-1', 3);
    expect(asked).toHaveLength(2);
    expect((await keeper.page('signer-1', 0)).lines).toEqual([]);
    monotonicMs += 3_600_000;
    await keeper.copy('signer-1', 3);
    expect((await keeper.page('signer-1', 0)).lines).toHaveLength(3);
  });

  test('of a peer that hangs is waited for once, and goes on when it answers', async () => {
    const answer = Promise.withResolvers<void>();
    bend = async (page) => answer.promise.then(() => page);
    await written.append(address(1));
    void keeper.copy('signer-1', 2);
    monotonicMs += 499;
    await keeper.copySoon('signer-1', 2);
    monotonicMs += 1;
    const waited = new Promise((resolve) => setImmediate(resolve, 'waited'));
    expect(await Promise.race([keeper.copySoon('signer-1', 3), waited])).toBeUndefined();
    answer.resolve();
    await vi.waitFor(async () => expect((await keeper.page('signer-1', 0)).lines).toHaveLength(2));
  });

  test('that runs already takes along what is asked for meanwhile', async () => {
    await written.append(address(1));
    const first = keeper.copy('signer-1', 2);
    bend = async (page) => {
      bend = (next) => next;
      await written.append(address(2));
      second = keeper.copy('signer-1', 3);
      return page;
    };
    let second: Promise<void> | undefined;
    await first;
    await second;
    expect((await keeper.page('signer-1', 0)).lines).toHaveLength(3);
    expect(asked).toHaveLength(2);
  });

  test('is handed to the signer whose journal it is, and to nobody else', async () => {
    const asked = { signer: 'signer-3', after: 0 };
    await expect(feed.journal('signer-2', asked)).rejects.toMatchObject({ code: 'peer-unknown' });
    await expect(feed.journal('signer-2', { ...asked, signer: 'signer-2' })).resolves.toMatchObject({ signed: null });
  });
});

describe('a restored journal', () => {
  let restored: Journal;
  let store: TranscriptStore;
  /** Answers in the name of the peers. */
  let answers: Record<string, (body: MeshRequest<'/v1/mesh/journal'>) => Promise<JournalPage>>;

  beforeEach(async () => {
    writeFileSync(file('restored'), readFileSync(file('written')));
    restored = await journalAt('restored');
    store = await transcriptsAt('restored-transcripts');
    await written.append(address(1));
    await written.append(accepted);
    await written.append(address(2));
    await keeper.copy('signer-1', 4);
    const kept = async ({ after }: MeshRequest<'/v1/mesh/journal'>) => keeper.page('signer-1', after);
    answers = { 'signer-2': kept, 'signer-3': async () => ({ lines: [], signed: null }) };
  });

  const replay = async (): Promise<void> => {
    const peers = Object.entries(answers).map(([signer, answer]) => {
      const call = (async (path: string, body: never) =>
        path === '/v1/mesh/request' ? { request } : answer(body)) as CallPeer;
      return { signer, call };
    });
    const deps = { signer: 'signer-1', statementKey: own.publicKey, journal: restored, transcripts: store, verifiers };
    await replayLost(
      deps,
      peers,
      () => undefined,
      async () => undefined,
    );
  };

  test('gets back line for line what it lacks, with the requests; a second time there is nothing to get', async () => {
    await replay();
    expect(linesOf('restored')).toEqual(linesOf('written'));
    expect(store.has(transcriptHash(request))).toBe(true);
    expect(restored.state.transactions.size).toBe(1);
    await replay();
    expect(linesOf('restored')).toEqual(linesOf('written'));
  });

  test.each<[string, (page: JournalPage) => JournalPage]>([
    ['made up a line', (page) => ({ ...page, lines: page.lines.map((line) => line.replace('a1', 'a9')) })],
    ['keeps all lines back', (page) => ({ ...page, lines: [] })],
    ['cut the last line off', (page) => ({ ...page, lines: page.lines.slice(0, -1) })],
    [
      'vouches for it itself',
      ({ lines, signed }) => ({ lines, signed: signed && { ...signed, signature: '00'.repeat(64) } }),
    ],
  ])('takes nothing from a peer that %s, and asks it again', async (_, change) => {
    const honest = answers['signer-2']!;
    let lies = 2;
    answers['signer-2'] = async (body) => (lies-- > 0 ? change(await honest(body)) : honest(body));
    await replay();
    expect(lies).toBeLessThan(0);
    expect(linesOf('restored')).toEqual(linesOf('written'));
  });

  test('waits for a peer that does not answer', async () => {
    let attempts = 0;
    answers['signer-3'] = async () => {
      attempts += 1;
      if (attempts < 3) throw new Error('away');
      return { lines: [], signed: null };
    };
    await replay();
    expect(attempts).toBe(3);
  });

  test('refuses for good when it has vouched for another history', async () => {
    const head = { seq: 1, hash: 'ee'.repeat(32) };
    const signature = own.sign(statementDigest('head', { version: 1, signer: 'signer-1', head }));
    answers['signer-3'] = async () => ({ lines: [], signed: { head, signature } });
    await expect(replay()).rejects.toMatchObject({ code: 'audit-invalid' });
  });
});
