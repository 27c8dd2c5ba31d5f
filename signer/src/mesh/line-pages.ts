import { open } from 'node:fs/promises';

const newline = 0x0a;
const blockBytes = 1 << 20;
/** With its quotes escaped, a page fits into a message of 1 MiB. */
const pageBytesMax = 400_000;
/** Places that readers stopped at; there are eight peers at most. */
const placesMax = 8;

/** Reads a file of lines that only grows; line n is record n of a journal. */
export interface LinePages {
  /** So many whole lines after line `after` as fit into a message, none beyond line `upTo`. */
  readonly page: (after: number, upTo: number) => Promise<string[]>;
}

export function openLinePages(path: string): LinePages {
  /** By number of a line: where the next one begins. */
  const places = new Map<number, number>();
  /** One reader at a time: whoever asks for other lines again and again reads the whole file every time. */
  let last: Promise<unknown> = Promise.resolve();

  const startOf = (after: number): { line: number; at: number } => {
    const line = Math.max(0, ...[...places.keys()].filter((known) => known <= after));
    return { line, at: places.get(line) ?? 0 };
  };
  const remember = (line: number, at: number): void => {
    places.delete(line);
    places.set(line, at);
    for (const oldest of places.keys()) {
      if (places.size <= placesMax) break;
      places.delete(oldest);
    }
  };

  const read = async (after: number, upTo: number): Promise<string[]> => {
    let { line, at } = startOf(after);
    const lines: string[] = [];
    let bytes = 0;
    const take = (text: Buffer): boolean => {
      if (line >= upTo || (bytes > 0 && bytes + text.length > pageBytesMax)) return false;
      line += 1;
      at += text.length + 1;
      if (line <= after) return true;
      lines.push(text.toString('utf8'));
      bytes += text.length;
      return true;
    };
    await eachLine(path, at, take);
    remember(line, at);
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
