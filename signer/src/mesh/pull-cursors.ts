import { existsSync, readFileSync } from 'node:fs';
import Type from 'typebox';
import { writeFileDurably } from '../durable-file.ts';
import type { Journal } from '../journal/journal.ts';
import { parseValue } from '../parse.ts';
import { durableHead } from './rollback-guard.ts';

/** How far each peer's transcripts were taken over, `pulled.json`; losing it only means asking for all of them again. */
export interface PullCursors {
  readonly of: (peer: string) => number;
  readonly move: (peer: string, seq: number) => void;
  /** Writes them down, with the end of this journal, which holds everything up to them. */
  readonly save: () => Promise<void>;
}

const Stored = Type.Object(
  {
    head: Type.Object({ seq: Type.Integer({ minimum: 0 }), hash: Type.String() }),
    cursors: Type.Record(Type.String(), Type.Integer({ minimum: 0 })),
  },
  { additionalProperties: false },
);

/** Starts from nothing where the file is older than a journal that was set back: what it says was taken over may be gone. */
export function openPullCursors(path: string, journal: Pick<Journal, 'head' | 'hashAt' | 'flushed'>): PullCursors {
  const cursors = new Map<string, number>();
  const stored = readStored(path);
  if (stored && journal.hashAt(stored.head.seq) === stored.head.hash) {
    for (const [peer, seq] of Object.entries(stored.cursors)) cursors.set(peer, seq);
  }
  const save = async (): Promise<void> => {
    // In this order: the end of the journal must be behind what the cursors stand for.
    const saved = Object.fromEntries(cursors);
    const head = await durableHead(journal);
    writeFileDurably(path, JSON.stringify({ head, cursors: saved }));
  };
  return { of: (peer) => cursors.get(peer) ?? 0, move: (peer, seq) => void cursors.set(peer, seq), save };
}

function readStored(path: string): { head: { seq: number; hash: string }; cursors: Record<string, number> } | null {
  if (!existsSync(path)) return null;
  try {
    return parseValue(Stored, JSON.parse(readFileSync(path, 'utf8')), 'journal-broken', path);
  } catch {
    return null;
  }
}
