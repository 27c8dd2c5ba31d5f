import { open } from 'node:fs/promises';

const newline = 0x0a;
const blockBytes = 1 << 20;
/** With its quotes escaped, a page fits into a message of 1 MiB. */
const pageBytesMax = 400_000;
/** The place of every so many lines is kept, so no reader makes another one wait for more than that. */
const placeEvery = 64;

/** Reads a file of lines that only grows; line n is record n of a journal. */
export interface LinePages {
  /** So many whole lines after line `after` as fit into a message, none beyond line `upTo`. */
  readonly page: (after: number, upTo: number) => Promise<string[]>;
}

export function openLinePages(path: string): LinePages {
  /** Where line `placeEvery` * n, counted from 0, begins. */
  const places = [0];
  let last: Promise<unknown> = Promise.resolve();

  const read = async (after: number, upTo: number): Promise<string[]> => {
    if (after >= upTo) return [];
    const from = Math.min(Math.floor(after / placeEvery), places.length - 1);
    let line = from * placeEvery;
    let at = places[from] ?? 0;
    const lines: string[] = [];
    let bytes = 0;
    const take = (text: Buffer): boolean => {
      if (line >= upTo || (bytes > 0 && bytes + text.length > pageBytesMax)) return false;
      line += 1;
      at += text.length + 1;
      if (line === places.length * placeEvery) places.push(at);
      if (line <= after) return true;
      lines.push(text.toString('utf8'));
      bytes += text.length;
      return true;
    };
    await eachLine(path, at, take);
    return lines;
  };

  return {
    page: async (after, upTo) => {
      const own = last.then(async () => read(after, upTo));
      last = own.catch(() => undefined);
      return own;
    },
  };
}

/** Whole lines from a byte on, until `take` wants no more. */
async function eachLine(path: string, from: number, take: (text: Buffer) => boolean): Promise<void> {
  const file = await open(path, 'r');
  try {
    const block = Buffer.alloc(blockBytes);
    let rest: Buffer = Buffer.alloc(0);
    for (let at = from; ;) {
      const { bytesRead } = await file.read(block, 0, block.length, at);
      if (bytesRead === 0) return;
      at += bytesRead;
      rest = Buffer.concat([rest, block.subarray(0, bytesRead)]);
      let begin = 0;
      for (let end = rest.indexOf(newline); end !== -1; end = rest.indexOf(newline, begin)) {
        if (!take(rest.subarray(begin, end))) return;
        begin = end + 1;
      }
      rest = rest.subarray(begin);
    }
  } finally {
    await file.close();
  }
}
