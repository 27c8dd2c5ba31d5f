import { constants, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { open, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hexToBytes } from '@noble/hashes/utils.js';
import { Failure } from '@holdfast/core/failure.ts';
import type { JournalPage } from '@holdfast/core/signing/journal-page.ts';
import { decodeRecord, emptyHead, type JournalHead } from '@holdfast/core/signing/journal-record.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import type { Verifiers } from '@holdfast/core/signing/verifiers.ts';
import Type from 'typebox';
import { syncFolder } from '../durable-file.ts';
import { errorName, log } from '../log.ts';
import { parseValue } from '../parse.ts';
import { transcriptLine, type TranscriptStore } from '../transcripts/transcript-store.ts';
import type { CallPeer } from '../transport/peer-client.ts';
import { openLinePages, type LinePages } from './line-pages.ts';

/** Copies of the peers' journals, `peers/<signer>.jsonl`: what a peer that comes out of a backup lacks is here. */
export interface PeerJournals {
  /** Copies the peer's journal up to record `seq` and what follows by now; who asks while a copy runs waits for it. Never fails. */
  readonly copy: (peer: string, seq: number) => Promise<void>;
  /**
   * The same, for who would countersign that record: waits no longer for a copy that has stood still for half a second, so that a
   * peer that hangs holds up one payment and not each.
   */
  readonly copySoon: (peer: string, seq: number) => Promise<void>;
  /** Of the copy of that peer's journal. */
  readonly page: (peer: string, after: number) => Promise<JournalPage>;
}

export interface CopiedPeer {
  readonly signer: string;
  /** Ed25519, 64 hex digits. */
  readonly statementKey: string;
  readonly call: CallPeer;
}

const folderName = 'peers';
const soonMs = 500;
const hourMs = 3_600_000;
/** Lines and requests: a peer that writes more in an hour is not to fill this signer's disk; the rest is copied later. */
const bytesPerHour = 256 << 20;
const hex = (bytes: number) => Type.String({ pattern: `^[0-9a-f]{${bytes * 2}}$` });

/** `peers/<signer>.json`: how much of the copy counts. */
const Stored = Type.Object(
  {
    bytes: Type.Integer({ minimum: 0 }),
    seq: Type.Integer({ minimum: 0 }),
    hash: hex(32),
    at_ms: Type.Integer({ minimum: 0 }),
    signature: hex(64),
  },
  { additionalProperties: false },
);

interface Copy {
  readonly peer: CopiedPeer;
  readonly path: string;
  readonly pages: LinePages;
  bytes: number;
  head: JournalHead;
  /** By the peer, over the head; empty before the first line. */
  signature: string;
  /** The hour that `hourBytes` were copied in. */
  hour: number;
  hourBytes: number;
  /** What is to be copied, while it runs. */
  wanted: number;
  running: Promise<void> | null;
  /** When it began or last got something. */
  movedMs: number;
}

export function openPeerJournals(input: {
  readonly dataDir: string;
  readonly peers: readonly CopiedPeer[];
  readonly transcripts: Pick<TranscriptStore, 'has' | 'append'>;
  readonly verifiers: Pick<Verifiers, 'ed25519'>;
  /** A clock that is never set. */
  readonly monotonicMs: () => number;
  readonly bytesPerHourMax?: number;
}): PeerJournals {
  const { peers, transcripts, verifiers, monotonicMs, bytesPerHourMax = bytesPerHour } = input;
  const folder = join(input.dataDir, folderName);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const copies = new Map(peers.map((peer) => [peer.signer, openCopy(folder, peer)]));

  /** Counts also what is refused: nothing more is asked for in that hour. @throws Failure rate-limited. */
  const spend = (copy: Copy, bytes: number): void => {
    const hour = Math.floor(monotonicMs() / hourMs);
    copy.hourBytes = (copy.hour === hour ? copy.hourBytes : 0) + bytes;
    copy.hour = hour;
    if (copy.hourBytes > bytesPerHourMax)
      throw new Failure('rate-limited', `${copy.peer.signer} writes too much in an hour`);
  };

  const take = async (copy: Copy, page: JournalPage): Promise<void> => {
    const { head, requests } = readPage(copy, page, verifiers);
    for (const hash of requests) {
      if (transcripts.has(hash)) continue;
      const line = await requestOf(copy.peer.call, hash);
      spend(copy, line.text.length);
      await transcripts.append(line);
    }
    const text = Buffer.from(page.lines.map((line) => `${line}\n`).join(''));
    spend(copy, text.length);
    await store(copy, text, head, page.signed?.signature ?? '');
    copy.movedMs = monotonicMs();
  };

  /** No await between the last look at what is wanted and the end: who asks in between would wait for nothing. */
  const run = async (copy: Copy): Promise<void> => {
    const { signer, call } = copy.peer;
    try {
      while (copy.head.seq < copy.wanted) {
        const { wanted } = copy;
        spend(copy, 0);
        const page = await call('/v1/mesh/journal', { signer, after: copy.head.seq });
        if (page.lines.length > 0) await take(copy, page);
        // Whoever came meanwhile wants what this answer may not have yet.
        else if (wanted === copy.wanted) break;
      }
    } catch (error) {
      const code = error instanceof Failure ? error.code : errorName(error);
      // Who is away, or of a version that knows nothing of copies, is no news.
      if (code !== 'signers-unavailable' && code !== 'not-found') log('journal-not-copied', { peer: signer, code });
    } finally {
      copy.wanted = 0;
      copy.running = null;
    }
  };

  const copy: PeerJournals['copy'] = async (peer, seq) => {
    const found = copies.get(peer);
    if (!found || found.head.seq >= seq) return;
    found.wanted = Math.max(found.wanted, seq);
    if (!found.running) {
      found.movedMs = monotonicMs();
      found.running = Promise.resolve(found).then(run);
    }
    await found.running;
  };

  return {
    copy,
    copySoon: async (peer, seq) => {
      const copied = copy(peer, seq);
      const found = copies.get(peer);
      const leftMs = found?.running ? found.movedMs + soonMs - monotonicMs() : 0;
      if (leftMs <= 0) return;
      const ended = new AbortController();
      const late = sleep(leftMs, undefined, { signal: ended.signal, ref: false }).catch(() => undefined);
      await Promise.race([copied, late]).finally(() => ended.abort());
    },
    page: async (peer, after) => {
      const found = copies.get(peer);
      if (!found || found.head.seq === 0) return { lines: [], signed: null };
      const { seq, hash } = found.head;
      const { signature, pages } = found;
      return { lines: await pages.page(after, seq), signed: { head: { seq, hash }, signature } };
    },
  };
}

/** Reads a request that a journal names from a signer that has it. @throws Failure invalid-request when it is not that one. */
export async function requestOf(call: CallPeer, hash: string): Promise<ReturnType<typeof transcriptLine>> {
  const { request } = await call('/v1/mesh/request', { hash });
  const line = request && transcriptLine(request);
  if (line?.hash !== hash) throw new Failure('invalid-request', `the request ${hash} of a journal is not to be had`);
  return line;
}

/** Whether a signer has said that its journal ends there. */
export function isHeadOf(
  { signer, statementKey }: Pick<CopiedPeer, 'signer' | 'statementKey'>,
  { head, signature }: NonNullable<JournalPage['signed']>,
  { ed25519 }: Pick<Verifiers, 'ed25519'>,
): boolean {
  return ed25519(hexToBytes(statementKey), statementDigest('head', { version: 1, signer, head }), signature);
}

/** @throws Failure journal-broken when the lines do not follow what is copied, or are not the peer's. */
function readPage(
  { peer, head: start }: Copy,
  { lines, signed }: JournalPage,
  verifiers: Pick<Verifiers, 'ed25519'>,
): { head: JournalHead; requests: string[] } {
  const requests: string[] = [];
  let head = start;
  for (const line of lines) {
    const decoded = decodeRecord(head, line);
    ({ head } = decoded);
    if (decoded.record.kind === 'accepted') requests.push(decoded.record.body.request);
  }
  const isEnd = signed?.head.seq === head.seq && signed.head.hash === head.hash;
  if (!isEnd || !isHeadOf(peer, signed, verifiers))
    throw new Failure('journal-broken', `${peer.signer} does not vouch for its record ${head.seq}`);
  return { head, requests };
}

/** The lines are on the disk before what says that they count; what a crash leaves behind them is written over. */
async function store(copy: Copy, text: Buffer, head: JournalHead, signature: string): Promise<void> {
  const file = await open(copy.path, constants.O_RDWR | constants.O_CREAT, 0o600);
  try {
    // Whatever it takes to write all of it.
    for (let done = 0; done < text.length;) {
      done += (await file.write(text, done, text.length - done, copy.bytes + done)).bytesWritten;
    }
    await file.datasync();
  } finally {
    await file.close();
  }
  const bytes = copy.bytes + text.length;
  const { seq, hash, atMs } = head;
  await replaceFile(metaPath(copy.path), JSON.stringify({ bytes, seq, hash, at_ms: atMs, signature }));
  Object.assign(copy, { bytes, head, signature });
}

/** Like `writeFileDurably`, but payments go on meanwhile. */
async function replaceFile(path: string, text: string): Promise<void> {
  await writeFile(`${path}.tmp`, text, { mode: 0o600, flush: true });
  await rename(`${path}.tmp`, path);
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function openCopy(folder: string, peer: CopiedPeer): Copy {
  const path = join(folder, `${peer.signer}.jsonl`);
  const stored = readStored(path);
  if (!stored) syncFolder(folder);
  return {
    peer,
    path,
    pages: openLinePages(path),
    bytes: stored?.bytes ?? 0,
    head: stored ? { seq: stored.seq, hash: stored.hash, atMs: stored.at_ms } : emptyHead,
    signature: stored?.signature ?? '',
    hour: 0,
    hourBytes: 0,
    wanted: 0,
    running: null,
    movedMs: 0,
  };
}

function metaPath(path: string): string {
  return path.replace(/l$/, '');
}

/** A file that says nothing sensible, or lines that are gone, are no reason not to start: all is copied again. */
function readStored(path: string) {
  const meta = metaPath(path);
  if (!existsSync(meta)) return null;
  try {
    const stored = parseValue(Stored, JSON.parse(readFileSync(meta, 'utf8')), 'journal-broken', meta);
    if (statSync(path).size >= stored.bytes) return stored;
  } catch {
    // Logged below.
  }
  log('journal-copy-lost', { path });
  return null;
}
