import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JournalRecord } from '@holdfast/core/signing/journal-record.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { readServerKeys } from '@holdfast/server/init.ts';
import { createSignerClient } from '@holdfast/server/signers/client.ts';
import type { SignerClient } from '@holdfast/server/signers/panel.ts';
import type { System } from './system.ts';

export const signerIds = ['signer-1', 'signer-2', 'signer-3'] as const;

/** The signers of a running system, called with the server's own TLS key and without the server. */
export function callSigners(system: System): { readonly signers: readonly SignerClient[]; close(): void } {
  const { certificate, privateKey } = readServerKeys(join(system.folder, 'server')).identity;
  const config = JSON.parse(readFileSync(join(system.folder, 'server', 'config.json'), 'utf8')) as {
    signers: { id: string; identifier: number; url: string; fingerprint: string }[];
  };
  const signers = config.signers.map((signer) => createSignerClient({ ...signer, certificate, key: privateKey }));
  return { signers, close: () => signers.forEach((signer) => signer.close()) };
}

/** What a signer has on its disk. */
export function journalOf(system: System, signer: string): JournalRecord[] {
  return readFileSync(join(system.folder, signer, 'journal.jsonl'), 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as JournalRecord);
}

/** Codes of what the signers have refused to sign since each had so many records. */
export function refusalsSince(system: System, mark: ReadonlyMap<string, number>): string[] {
  return signerIds.flatMap((id) =>
    journalOf(system, id)
      .slice(mark.get(id))
      .flatMap((record) => (record.kind === 'refused' ? [record.body.code] : [])),
  );
}

/** Where the journals end now. */
export function journalMark(system: System): Map<string, number> {
  return new Map(signerIds.map((id) => [id, journalOf(system, id).length]));
}

/** Waits until a signer has refused to sign with this code. @returns all codes since the mark. */
export async function awaitRefusal(
  system: System,
  code: string,
  mark: ReadonlyMap<string, number>,
): Promise<Set<string>> {
  return awaitCondition(
    `signers refusing with ${code}`,
    async () => {
      const codes = new Set(refusalsSince(system, mark));
      return codes.has(code) && codes;
    },
    15_000,
    30,
  );
}
