import { journalEntries } from '@holdfast/core/signing/journal-record.ts';
import { meshMessages, signerMessages } from '@holdfast/core/signing/messages.ts';
import type { JsonSchema } from './schema-samples.ts';

/** One thing that a process says to another, or to its own successor by the journal. */
export interface InterfaceRow {
  /** `server request /v1/status`, `journal accepted`. */
  readonly name: string;
  readonly schema: JsonSchema;
}

/** Of the code as it is, in the order of its tables. */
export function currentInterface(): InterfaceRow[] {
  const rows: InterfaceRow[] = [];
  for (const [caller, messages] of Object.entries({ server: signerMessages, peer: meshMessages })) {
    for (const [path, message] of Object.entries(messages)) {
      rows.push({ name: `${caller} request ${path}`, schema: plain(message.request) });
      rows.push({ name: `${caller} response ${path}`, schema: plain(message.response) });
    }
  }
  for (const [kind, schema] of Object.entries(journalEntries))
    rows.push({ name: `journal ${kind}`, schema: plain(schema) });
  return rows;
}

/** The schema as JSON Schema alone, as it is kept in a file. */
function plain(schema: object): JsonSchema {
  return JSON.parse(JSON.stringify(schema)) as JsonSchema;
}

/** One row a line. */
export function encodeInterface(rows: readonly InterfaceRow[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}

export function decodeInterface(text: string): InterfaceRow[] {
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as InterfaceRow);
}
