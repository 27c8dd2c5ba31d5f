import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { JournalRecord } from '@holdfast/core/signing/journal-record.ts';
import type { MeshHello, SignerStatus } from '@holdfast/core/signing/messages.ts';
import { unlockSigner, type UnlockedSigner } from '@holdfast/signer/init.ts';
import { rawCaller, type RawCaller } from './raw-messages.ts';
import { startStage, type SignerStage } from './signer-stage.ts';
import { waitFor, type SignerProcess } from './signers.ts';

/**
 * `signer-2` is fuzzed. The test speaks as the server, and with the keys of `signer-1`, whose process is stopped, as the
 * peer that paces key generation; `signer-3` answers reservations.
 */
export interface FuzzStage {
  readonly stage: SignerStage;
  readonly target: SignerProcess;
  readonly other: SignerProcess;
  /** Of `signer-1`. */
  readonly peerSecrets: UnlockedSigner;
  readonly callers: Readonly<Record<'server' | 'peer', RawCaller>>;
  /** Sends a message as it is. @throws for anything but an accepted one. */
  readonly accepted: (as: 'server' | 'peer', path: string, body: unknown) => Promise<unknown>;
  /** A true hello of signer-1. */
  readonly hello: () => Promise<MeshHello>;
  readonly journal: JournalTail;
  readonly stop: () => Promise<void>;
}

export async function startFuzzStage(): Promise<FuzzStage> {
  const stage = await startStage();
  const [first, target, other] = stage.cluster.signers as [SignerProcess, SignerProcess, SignerProcess];
  const passphrase = readFileSync(join(stage.folder, 'passphrase'), 'utf8').trim();
  const peerSecrets = await unlockSigner(first.dataDir, Buffer.from(passphrase));
  const status = await first.client.call('/v1/status', {});
  await first.stop();
  await waitFor('signer-1 to be missed', 20_000, async () => {
    const { peers_reachable: reachable } = await target.client.call('/v1/status', {});
    return reachable === 1;
  });
  const { url } = target;
  const callers = {
    server: rawCaller(stage.cluster.serverIdentity, url),
    peer: rawCaller(peerSecrets.identity, url),
  };
  const accepted: FuzzStage['accepted'] = async (as, path, body) => {
    const answer = await callers[as].send(path, Buffer.from(JSON.stringify(body)));
    if (answer?.status !== 200) throw new Error(`${path} was refused: ${answer?.text}`);
    return JSON.parse(answer.text) as unknown;
  };
  const hello = async (): Promise<MeshHello> => helloOf(status);
  const stop = async (): Promise<void> => {
    for (const caller of Object.values(callers)) caller.close();
    await stage.stop();
  };
  return {
    stage,
    target,
    other,
    peerSecrets,
    callers,
    accepted,
    hello,
    journal: journalTail(join(target.dataDir, 'journal.jsonl')),
    stop,
  };
}

function helloOf({ signer, boot_id, build, ceremony, policy, journal }: SignerStatus): MeshHello {
  const own = { signer, boot_id, build, ceremony, policy, head: journal };
  return { ...own, now_ms: Date.now(), your_head: null, halts: 0 };
}

/** What was written to a journal since the last look. */
export interface JournalTail {
  readonly news: () => JournalRecord[];
  readonly all: () => JournalRecord[];
}

function journalTail(path: string): JournalTail {
  let seen = 0;
  const all = (): JournalRecord[] =>
    readFileSync(path, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as JournalRecord);
  const news = (): JournalRecord[] => {
    const { size } = statSync(path);
    if (size === seen) return [];
    const added = readFileSync(path).subarray(seen).toString('utf8');
    seen = size;
    return added
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as JournalRecord);
  };
  return { news, all };
}
