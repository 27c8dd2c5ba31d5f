import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Failure } from '@holdfast/core/failure.ts';
import { canonicalJson } from '@holdfast/core/signing/intent.ts';
import { SigningRequest } from '@holdfast/core/signing/messages.ts';
import { syncFolder, writeTailAgain } from '../durable-file.ts';
import { cannotWrite } from '../journal/cannot-write.ts';
import { log } from '../log.ts';
import { parseValue } from '../parse.ts';

/** `transcripts.jsonl`: what this signer or a peer was asked to sign, word for word; the journal names a line by its hash. */
export interface TranscriptStore {
  /** Resolves when the request is on the disk; one that is there already is not written again. @throws Failure journal-broken, body-too-large. */
  readonly append: (line: TranscriptLine) => Promise<string>;
  readonly has: (hash: string) => boolean;
  /** @throws Failure journal-broken after a failed write. */
  readonly assertUsable: () => void;
  /** @throws Failure journal-broken when the line is not there or is not what its hash says. */
  readonly read: (hash: string) => Promise<SigningRequest>;
  readonly close: () => Promise<void>;
}

/** A request as the file has it. */
export interface TranscriptLine {
  /** RFC 8785. */
  readonly text: string;
  /** SHA-256 of the text, 64 hex digits. */
  readonly hash: string;
}

interface Place {
  readonly at: number;
  readonly bytes: number;
}

const newline = 0x0a;
const blockBytes = 1 << 20;
/** A message has 1 MiB at most. */
const lineBytesMax = 4 << 20;

/** Below the data folder. */
export const transcriptsName = 'transcripts.jsonl';

/** A longer request could not be handed on to peers: their messages have 1 MiB, and carry more than the request. */
export const requestBytesMax = 1_000_000;

/** A request of a hundred payments takes milliseconds: made once, for the decision and for the file. */
export function transcriptLine(request: SigningRequest): TranscriptLine {
  const text = canonicalJson(request);
  return { text, hash: sha256Hex(Buffer.from(text)) };
}

/** SHA-256 of the request's RFC 8785 text, 64 hex digits. */
export function transcriptHash(request: SigningRequest): string {
  return transcriptLine(request).hash;
}

/** Opens or makes the file. A last line without its newline was never named by the journal and is cut off. @throws Failure journal-broken. */
export async function openTranscriptStore(path: string): Promise<TranscriptStore> {
  const file = await open(path, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT, 0o600).catch(
    (cause: unknown) => {
      throw new Failure('journal-broken', `${path} cannot be opened`, { cause });
    },
  );
  syncFolder(dirname(path));
  const { places, bytes } = await indexLines(file);
  const { size } = await file.stat();
  if (size > bytes) {
    log('transcripts-tail-cut', { bytes: size - bytes });
    await file.truncate(bytes);
    await file.sync();
  }
  await writeTailAgain(path).catch(async (cause: unknown) => {
    await file.close();
    throw cannotWrite(path, cause);
  });
  return createStore(file, places, bytes);
}

function createStore(file: FileHandle, places: Map<string, Place>, start: number): TranscriptStore {
  let bytes = start;
  /** Writes happen one after the other; a failed one breaks the store until the next start. */
  let last: Promise<void> = Promise.resolve();
  let broken: Failure | null = null;
  const assertUsable = (): void => {
    if (broken) throw broken;
  };

  const write = async (hash: string, line: Buffer): Promise<void> => {
    if (places.has(hash)) return;
    await file.appendFile(line);
    await file.datasync();
    places.set(hash, { at: bytes, bytes: line.length - 1 });
    bytes += line.length;
  };

  const append: TranscriptStore['append'] = async ({ text, hash }) => {
    if (places.has(hash)) return hash;
    if (text.length > requestBytesMax) throw new Failure('body-too-large', `a request of ${text.length} bytes`);
    last = last.then(() => write(hash, Buffer.from(`${text}\n`)));
    // Whoever comes later waits for the same failure; it is reported to each of them below.
    last.catch(() => undefined);
    await last.catch((cause: unknown) => {
      if (!broken) log('alarm', { alarm: 'journal-broken', message: cannotWrite('transcripts.jsonl', cause).message });
      broken = cannotWrite('transcripts.jsonl', cause);
      throw broken;
    });
    return hash;
  };

  const read: TranscriptStore['read'] = async (hash) => {
    const place = places.get(hash);
    if (!place) throw new Failure('journal-broken', `transcripts.jsonl has no request ${hash}`, lostTranscripts);
    const line = Buffer.alloc(place.bytes);
    await file.read(line, 0, place.bytes, place.at);
    if (sha256Hex(line) !== hash)
      throw new Failure('journal-broken', `request ${hash} of transcripts.jsonl was changed`, lostTranscripts);
    return parseValue(SigningRequest, JSON.parse(line.toString('utf8')), 'journal-broken', `request ${hash}`);
  };

  const close = async (): Promise<void> => {
    await last.catch(() => undefined);
    await file.close();
  };
  return { append, has: (hash) => places.has(hash), assertUsable, read, close };
}

function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The way out when requests that the journal names are gone. */
export const lostTranscripts = {
  fix: 'Restore transcripts.jsonl together with journal.jsonl from the newest backup.',
};

/** Hashes of the whole lines of the file, and where the last of them ends. Another process may write behind it. */
export async function readTranscriptHashes(path: string): Promise<{ hashes: Set<string>; bytes: number }> {
  const file = await open(path, 'r');
  try {
    const { places, bytes } = await indexLines(file);
    return { hashes: new Set(places.keys()), bytes };
  } finally {
    await file.close();
  }
}

async function indexLines(file: FileHandle): Promise<{ places: Map<string, Place>; bytes: number }> {
  const places = new Map<string, Place>();
  let bytes = 0;
  let rest: Buffer = Buffer.alloc(0);
  const block = Buffer.alloc(blockBytes);
  for (let at = 0; ;) {
    const { bytesRead } = await file.read(block, 0, block.length, at);
    if (bytesRead === 0) return { places, bytes };
    at += bytesRead;
    rest = Buffer.concat([rest, block.subarray(0, bytesRead)]);
    let from = 0;
    for (let end = rest.indexOf(newline); end !== -1; end = rest.indexOf(newline, from)) {
      places.set(sha256Hex(rest.subarray(from, end)), { at: bytes, bytes: end - from });
      bytes += end + 1 - from;
      from = end + 1;
    }
    rest = rest.subarray(from);
    if (rest.length > lineBytesMax) throw new Failure('journal-broken', 'a line of transcripts.jsonl has no end');
  }
}
