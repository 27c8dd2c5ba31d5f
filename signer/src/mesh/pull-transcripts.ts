import type { MeshResponse } from '@holdfast/core/signing/messages.ts';
import { log } from '../log.ts';
import type { CallPeer } from '../transport/peer-client.ts';
import { createPatience } from './patience.ts';
import type { PullCursors } from './pull-cursors.ts';

type Transcript = MeshResponse<'/v1/mesh/transcripts'>['transcripts'][number];

export interface TranscriptPull {
  /** Takes over what is new at a peer; calls for one peer run one after the other. @throws Failure signers-unavailable. */
  readonly pull: (peer: string) => Promise<void>;
  /** Whether a transcript of the peer still lacks what verifies it. */
  readonly isWaiting: (peer: string) => boolean;
  /** All peers; resolves when each has answered or is known to be away. */
  readonly pullAll: () => Promise<void>;
}

/** Pages of 20 that one call asks for; what is left comes with the next. */
const pagesMax = 500;

export function createTranscriptPull(input: {
  readonly peers: readonly { readonly signer: string; readonly call: CallPeer }[];
  readonly cursors: PullCursors;
  readonly learn: (peer: string, transcript: Transcript) => Promise<'taken' | 'later' | 'unverifiable'>;
  /** A transcript that could not be verified in all that time, and that somebody has signed. */
  readonly giveUp: (peer: string, txid: string) => Promise<void>;
  readonly monotonicMs: () => number;
}): TranscriptPull {
  const { peers, cursors } = input;
  const turns = new Map<string, Promise<void>>();
  /** With transcripts that lack what verifies them, such as a customer's record that the server has not handed over yet. */
  const patience = createPatience(input.monotonicMs);

  /** @returns whether to go on behind it. */
  const takeOne = async (peer: string, transcript: Transcript): Promise<boolean> => {
    const { seq, txid, signed } = transcript;
    const name = `${peer} ${seq}`;
    if ((await input.learn(peer, transcript)) === 'later') {
      if (!patience.isOver(name)) return false;
      log('alarm', { alarm: 'transcript-unverifiable', peer, txid, signed: signed.length });
      if (signed.length > 0) await input.giveUp(peer, txid);
    }
    patience.forget(name);
    cursors.move(peer, seq);
    return true;
  };

  const pullNow = async (peer: string, call: CallPeer): Promise<void> => {
    let moved = false;
    try {
      for (let page = 0; page < pagesMax; page += 1) {
        const after = cursors.of(peer);
        const { transcripts, done } = await call('/v1/mesh/transcripts', { after });
        for (const one of transcripts.filter(({ seq }) => seq > after)) {
          if (!(await takeOne(peer, one))) return;
          moved = true;
        }
        if (done || cursors.of(peer) === after) return;
      }
    } finally {
      if (moved) await cursors.save();
    }
  };

  const pull: TranscriptPull['pull'] = async (peer) => {
    const found = peers.find((one) => one.signer === peer);
    if (!found) return;
    const before = turns.get(peer) ?? Promise.resolve();
    const own = before.catch(() => undefined).then(() => pullNow(peer, found.call));
    turns.set(peer, own);
    await own;
  };

  const pullAll = async (): Promise<void> => {
    await Promise.allSettled(peers.map(({ signer }) => pull(signer)));
  };
  const isWaiting = (peer: string): boolean => patience.names().some((name) => name.startsWith(`${peer} `));
  return { pull, isWaiting, pullAll };
}
