/**
 * `npm run interface`: writes the schemas of the interface version that the code names, and a journal with every kind of its
 * records. A released version's files never change.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { emptyHead, encodeRecord, type JournalEntry } from '@holdfast/core/signing/journal-record.ts';
import { interfaceVersion } from '@holdfast/core/signing/messages.ts';
import { currentInterface, encodeInterface, type InterfaceRow } from './interface-schemas.ts';
import { samplesOf } from './schema-samples.ts';

const seed = 20_260;
const firstMs = Date.UTC(2026, 0, 1);

/** Each kind with all that it may have, and with no more than it must. */
function journalOf(rows: readonly InterfaceRow[]): string {
  let head = emptyHead;
  const lines: string[] = [];
  for (const { name, schema } of rows.filter((row) => row.name.startsWith('journal '))) {
    for (const optional of ['all', 'none'] as const) {
      const [entry] = fc.sample(samplesOf(schema, optional), { seed: seed + lines.length, numRuns: 1 });
      const encoded = encodeRecord(head, entry as JournalEntry, firstMs + lines.length);
      ({ head } = encoded);
      lines.push(`${encoded.line}\n`);
    }
    console.log(name);
  }
  return lines.join('');
}

const rows = currentInterface();
for (const [suffix, text] of [
  ['', encodeInterface(rows)],
  ['-journal', journalOf(rows)],
] as const) {
  const path = fileURLToPath(new URL(`../vectors/data/interface-${interfaceVersion}${suffix}.jsonl`, import.meta.url));
  writeFileSync(path, text);
  console.log(path);
}
