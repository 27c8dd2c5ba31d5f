import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hexToBytes } from '@noble/hashes/utils.js';
import type { CheckpointLine } from '@holdfast/core/audit/checkpoint-line.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { Checkpoint } from '@holdfast/core/signing/messages.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import type { Verifiers } from '@holdfast/core/signing/verifiers.ts';
import type { Journal } from '../journal/journal.ts';
import type { StatementKey } from '../keys/statement-key.ts';
import { errorName, log } from '../log.ts';
import type { CallPeer } from '../transport/peer-client.ts';
import { appendCheckpoint, checkpointsName, lastCheckpoint } from './checkpoint-file.ts';
import { createCosign, type Cosign } from './cosign-checkpoint.ts';

export interface CheckpointPeer {
  readonly signer: string;
  /** Ed25519, hex, from the ceremony. */
  readonly statementKey: string;
  readonly call: CallPeer;
}

/** Tree heads of this signer's journal, cosigned by its peers. */
export interface Checkpoints {
  /**
   * Makes a checkpoint of what is on the disk and asks every peer to cosign it; peers that do not answer are left out.
   * One at a time; who asks meanwhile gets the next.
   * @throws Failure journal-broken.
   */
  readonly make: () => Promise<CheckpointLine>;
  /** Makes one whenever the journal has grown by `everyRecords`, and after `everyMs` when it has grown at all. */
  readonly pace: (signal: AbortSignal) => Promise<void>;
  /** The mesh handler of '/v1/mesh/checkpoint': see `createCosign`. @throws Failure peer-unknown too. */
  readonly cosign: (peer: string, request: Parameters<Cosign>[1]) => ReturnType<Cosign>;
  /** The newest, or null before the first. */
  readonly last: () => CheckpointLine | null;
}

const pollMs = 1_000;

/**
 * Opens `checkpoints.jsonl`.
 * @throws Failure journal-behind when the newest checkpoint covers more records than the journal has, or others:
 * somebody restored an old journal; audit-invalid when the file's last line is no checkpoint.
 */
export function createCheckpoints(input: {
  readonly dataDir: string;
  /** This signer's id. */
  readonly signer: string;
  readonly journal: Journal;
  readonly statementKey: StatementKey;
  readonly verifiers: Verifiers;
  readonly peers: readonly CheckpointPeer[];
  readonly everyRecords: number;
  readonly everyMs: number;
  /** A clock that is never set. */
  readonly monotonicMs: () => number;
}): Checkpoints {
  const { journal, peers, signer, statementKey, verifiers, everyRecords, everyMs, monotonicMs } = input;
  const path = join(input.dataDir, checkpointsName);
  let newest = lastCheckpoint(path);
  refuseOlderJournal(newest?.checkpoint ?? null, journal);
  /** What each peer cosigned last, as far as this process knows; a peer that knows better says so. */
  const cosignedSize = new Map((newest?.cosignatures ?? []).map((one) => [one.signer, newest?.checkpoint.size ?? 0]));
  /** Records that only say that a peer's checkpoint was cosigned: alone they are no reason for another checkpoint. */
  let cosignedSince = 0;
  let running: Promise<unknown> = Promise.resolve();

  const askPeer = async (peer: CheckpointPeer, checkpoint: Checkpoint, signature: string): Promise<string | null> => {
    let from = Math.min(cosignedSize.get(peer.signer) ?? 0, checkpoint.size);
    // A second time with the size that the peer names; never a third.
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      const proof = journal.audit.consistency(from, checkpoint.size);
      const answer = await peer.call('/v1/mesh/checkpoint', { checkpoint, signature, from, proof });
      if ('cosignature' in answer) {
        const digest = statementDigest('checkpoint', checkpoint);
        if (!verifiers.ed25519(hexToBytes(peer.statementKey), digest, answer.cosignature)) {
          throw new Failure('audit-invalid', `the cosignature of ${peer.signer} does not hold`);
        }
        cosignedSize.set(peer.signer, checkpoint.size);
        return answer.cosignature;
      }
      from = answer.last_size;
      if (!Number.isSafeInteger(from) || from < 0 || from > checkpoint.size) {
        throw new Failure(
          'journal-behind',
          `${peer.signer} has cosigned ${from} records, there are ${checkpoint.size}`,
        );
      }
    }
    return null;
  };

  const cosignature = async (
    peer: CheckpointPeer,
    checkpoint: Checkpoint,
    signature: string,
  ): Promise<CheckpointLine['cosignatures']> => {
    try {
      const given = await askPeer(peer, checkpoint, signature);
      return given === null ? [] : [{ signer: peer.signer, signature: given }];
    } catch (error) {
      // Without it the checkpoint counts less; nothing that is signed depends on it.
      const code = error instanceof Failure ? error.code : errorName(error);
      log('checkpoint-not-cosigned', { peer: peer.signer, size: checkpoint.size, code });
      return [];
    }
  };

  /** Set once a write failed: the next line would continue a torn one, which a restart cuts off. */
  let broken: Failure | null = null;

  const makeOne = async (): Promise<CheckpointLine> => {
    if (broken) throw broken;
    await journal.flushed();
    const size = journal.audit.size();
    if (newest?.checkpoint.size === size && newest.cosignatures.length === peers.length) return newest;
    cosignedSince = 0;
    const checkpoint: Checkpoint = { version: 1, signer, size, root: journal.audit.rootAt(size) };
    const signature = statementKey.sign(statementDigest('checkpoint', checkpoint));
    const given = await Promise.all(peers.map((peer) => cosignature(peer, checkpoint, signature)));
    const line = { checkpoint, signature, cosignatures: given.flat() };
    await appendCheckpoint(path, line).catch((cause: unknown) => {
      broken = new Failure('journal-broken', `${path} could not be written`, {
        fix: 'Make room on the disk or repair it, then restart the signer.',
        cause,
      });
      throw broken;
    });
    newest = line;
    return line;
  };

  const make = (): Promise<CheckpointLine> => {
    const next = running.then(makeOne);
    running = next.catch(() => undefined);
    return next;
  };

  const pace = async (signal: AbortSignal): Promise<void> => {
    let madeAtMs = monotonicMs();
    while (!signal.aborted) {
      await sleep(Math.min(pollMs, everyMs), undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
      const grown = journal.audit.size() - (newest?.checkpoint.size ?? 0) - cosignedSince;
      if (grown < everyRecords && !(grown > 0 && monotonicMs() - madeAtMs >= everyMs)) continue;
      madeAtMs = monotonicMs();
      await make().catch((error: unknown) => log('checkpoint-failed', { error: errorName(error) }));
    }
  };

  const answer = createCosign({ journal, statementKey, verifiers, onCosigned: () => (cosignedSince += 1) });
  const cosign: Checkpoints['cosign'] = async (signerName, request) => {
    const peer = peers.find((one) => one.signer === signerName);
    if (!peer) throw new Failure('peer-unknown', `${signerName} is no peer`);
    return answer(peer, request);
  };
  return { make, pace, cosign, last: () => newest };
}

function refuseOlderJournal(last: Checkpoint | null, journal: Journal): void {
  if (last === null) return;
  const size = journal.audit.size();
  if (last.size <= size && journal.audit.rootAt(last.size) === last.root) return;
  throw new Failure(
    'journal-behind',
    last.size > size
      ? `${checkpointsName} covers ${last.size} records, the journal has ${size}`
      : `the first ${last.size} records of the journal are not those of ${checkpointsName}`,
  );
}
