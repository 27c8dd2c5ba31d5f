import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { SignerFiles } from '@holdfast/core/audit/signer-files.ts';
import { Failure } from '@holdfast/core/failure.ts';

const newline = 0x0a;
const blockBytes = 1 << 20;
/** No line of a signer is longer; what is would only fill memory. */
const lineBytesMax = 4 << 20;

/** Opens a signer's data folder for reading. Its keys and its config are not looked at. @throws Failure not-found. */
export function openSignerFiles(folder: string): SignerFiles {
  if (!existsSync(join(folder, 'journal.jsonl'))) {
    throw new Failure('not-found', `${folder} has no journal.jsonl`, {
      fix: "Name a signer's data folder, or a copy of it.",
    });
  }
  const transcripts = join(folder, 'transcripts.jsonl');
  let places: Map<string, { at: number; bytes: number }> | null = null;
  return {
    folder,
    journal: linesOf(join(folder, 'journal.jsonl')),
    request: (hash) => {
      places ??= indexLines(transcripts);
      const place = places.get(hash);
      return place ? readAt(transcripts, place) : null;
    },
    policy: (version) => textOf(join(folder, 'policies', `${version}.json`)),
    ceremony: textOf(join(folder, 'ceremony.json')),
    checkpoints: linesOf(join(folder, 'checkpoints.jsonl')),
  };
}

function textOf(path: string): string | null {
  return existsSync(path) ? readFileSync(path, 'utf8') : null;
}

/** Can be walked again and again. A last line without its newline was never finished and is left out. */
function linesOf(path: string): Iterable<string> {
  return {
    *[Symbol.iterator]() {
      for (const { line } of rawLines(path)) yield line.toString('utf8');
    },
  };
}

function indexLines(path: string): Map<string, { at: number; bytes: number }> {
  const places = new Map<string, { at: number; bytes: number }>();
  for (const { line, at } of rawLines(path)) {
    places.set(createHash('sha256').update(line).digest('hex'), { at, bytes: line.length });
  }
  return places;
}

function* rawLines(path: string): Generator<{ line: Buffer; at: number }> {
  if (!existsSync(path)) return;
  const file = openSync(path, 'r');
  try {
    const block = Buffer.alloc(blockBytes);
    let rest: Buffer = Buffer.alloc(0);
    let start = 0;
    for (let read = readSync(file, block); read > 0; read = readSync(file, block)) {
      rest = Buffer.concat([rest, block.subarray(0, read)]);
      let from = 0;
      for (let end = rest.indexOf(newline); end !== -1; end = rest.indexOf(newline, from)) {
        yield { line: rest.subarray(from, end), at: start + from };
        from = end + 1;
      }
      start += from;
      rest = rest.subarray(from);
      if (rest.length > lineBytesMax) throw new Failure('audit-invalid', `${path} has a line without an end`);
    }
  } finally {
    closeSync(file);
  }
}

function readAt(path: string, { at, bytes }: { at: number; bytes: number }): string {
  const file = openSync(path, 'r');
  try {
    const line = Buffer.alloc(bytes);
    readSync(file, line, 0, bytes, at);
    return line.toString('utf8');
  } finally {
    closeSync(file);
  }
}
