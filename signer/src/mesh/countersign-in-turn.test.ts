import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createJournalFile, openJournal, type Journal } from '../journal/journal.ts';
import { createStatementSecret, statementKey } from '../keys/statement-key.ts';
import { countersignInTurn } from './reservation-desk.ts';

const statement = statementKey(createStatementSecret());
const head = (seq: number) => ({ seq, hash: 'ab'.repeat(32) });
let folder: string;
let journal: Journal;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-countersign-'));
  createJournalFile(join(folder, 'journal'), 'signer-2', 1);
  journal = await openJournal(join(folder, 'journal'), Date.now, () => performance.now());
});
afterEach(async () => {
  await journal.close();
  rmSync(folder, { recursive: true });
});

test('a payment does not wait for the copy of its own record, the next one does', async () => {
  const copy = Promise.withResolvers<void>();
  let copied = 0;
  const copyJournal = async (_: string, seq: number): Promise<void> => {
    if (seq <= copied) return;
    await copy.promise;
    copied = seq;
  };
  const countersigned = () => journal.state.countersigned.get('signer-1')?.seq;
  const deps = { journal, statement, copyJournal };
  await countersignInTurn(deps, 'signer-1', head(5));
  expect(countersigned()).toBe(5);
  const next = countersignInTurn(deps, 'signer-1', head(6));
  await journal.flushed();
  await new Promise((resolve) => setImmediate(resolve));
  expect(countersigned()).toBe(5);
  copy.resolve();
  await next;
  expect(countersigned()).toBe(6);
  expect(copied).toBeGreaterThanOrEqual(5);
});
