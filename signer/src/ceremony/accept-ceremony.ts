import { join } from 'node:path';
import { Failure } from '@holdfast/core/failure.ts';
import { canonicalJson } from '@holdfast/core/signing/intent.ts';
import type { Verifiers } from '@holdfast/core/signing/verifiers.ts';
import type { SignerConfig } from '../config.ts';
import { writeFileDurably } from '../durable-file.ts';
import { journalName, type SignerCardKeys } from '../init.ts';
import { openJournal, type Journal } from '../journal/journal.ts';
import { holdPort } from './hold-port.ts';
import { ceremonyName } from './open-ceremony.ts';
import { prepareCeremony, type PreparedCeremony } from './prepare-ceremony.ts';

/**
 * Fixes the ceremony for good: this signer's administrator has compared the digest with all others out of band. With it
 * version 1 of the policy takes effect. Run again it completes what a crash cut short.
 * @param expected the digest that was compared.
 * @throws Failure ceremony-differs when this signer would come to another digest, or has accepted another; already-running;
 * what `prepareCeremony` and the journal throw.
 */
export async function acceptCeremony(input: {
  readonly dataDir: string;
  readonly config: SignerConfig;
  readonly card: SignerCardKeys;
  readonly verifiers: Verifiers;
  readonly expected: string;
  /** UTC milliseconds. */
  readonly clock: () => number;
  readonly monotonicMs: () => number;
}): Promise<PreparedCeremony> {
  const { dataDir, config, card, verifiers, expected, clock, monotonicMs } = input;
  const prepared = prepareCeremony(dataDir, config, card, verifiers);
  if (prepared.digest !== expected)
    throw new Failure('ceremony-differs', `this signer comes to ${prepared.digest}, not to ${expected.slice(0, 80)}`);
  const givePortBack = await holdPort(config.listen);
  try {
    const journal = await openJournal(join(dataDir, journalName), clock, monotonicMs);
    try {
      await record(dataDir, journal, prepared);
    } finally {
      await journal.close();
    }
  } finally {
    await givePortBack();
  }
  return prepared;
}

async function record(dataDir: string, journal: Journal, { transcript, digest }: PreparedCeremony): Promise<void> {
  const { ceremony, policies } = journal.state;
  if (ceremony !== null && ceremony !== digest)
    throw new Failure('ceremony-differs', `this signer has accepted ${ceremony} for good`, {
      fix: 'Make a new signer for a new ceremony; this one keeps its own.',
    });
  journal.assertUsable();
  const nowMs = journal.nowMs();
  // Before the journal names it, so that a crash in between leaves a file and no ceremony.
  writeFileDurably(join(dataDir, ceremonyName), `${canonicalJson(transcript)}\n`);
  if (ceremony === null) await journal.append({ kind: 'ceremony', body: { transcript: digest } }, nowMs);
  if (policies.has(1)) return;
  const body = { version: 1, digest: transcript.policy, change: 'first' as const, effective_at_ms: nowMs };
  await journal.append({ kind: 'policy', body });
}
