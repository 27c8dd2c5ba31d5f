import { setTimeout as sleep } from 'node:timers/promises';
import type { ErrorCode } from '@holdfast/core/contract/error-codes.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { JournalState } from '@holdfast/core/signing/journal-state.ts';
import type { HaltDesk } from '../halts/halt-desk.ts';
import { errorName, log } from '../log.ts';

/** One network as this signer's own nodes show it. */
export interface NetworkView {
  /** Height of the last block; on an EVM network the Safe there is proven to be what the policy says. */
  readonly tip: () => Promise<number>;
  /** Transactions by which the wallet's funds left in these blocks, both ends included: txids or Safe transaction hashes. */
  readonly outflows: (from: number, to: number) => Promise<readonly string[]>;
  /** Depth below which blocks are final. */
  readonly finalityBlocks: () => number;
}

export interface NetworkWatcher {
  /** Looks at what is new. Never throws: what cannot be looked at now is looked at later. */
  readonly look: () => Promise<void>;
  /** Last block that was seen; 0 before the first. */
  readonly height: () => number;
}

/** Blocks that one reading covers, and readings of one look: a long absence is caught up in bounded steps. */
const blocksMax = 64;
const readingsMax = 32;
/** Blocks that are read again, in case other ones took their place. */
const overlapMax = 6;
/** Between asking the peers for the transcript of an outflow and asking again. */
const askAgainMs = 1_000;
/** The Safe on the chain is not the one of the policy. */
const differsCodes: ReadonlySet<ErrorCode> = new Set(['chain-mismatch'] satisfies ErrorCode[]);
const outflow = 'unsigned outflow';

/** Whether a signer's own halt is for what it saw on a chain. */
export function isWatchReason(reason: string): boolean {
  return [outflow, ...differsCodes].some((start) => reason.startsWith(`${start} `));
}

/**
 * Compares what left the wallet with what was signed. An outflow that no signer has a transcript of, and a Safe that
 * differs from the policy, halt.
 */
export function watchNetwork(input: {
  readonly network: string;
  /** This signer's own id. */
  readonly signer: string;
  readonly view: NetworkView;
  readonly state: Pick<JournalState, 'transactions' | 'accepted' | 'haltReasons'>;
  /** Learns from all peers that can be reached what they have accepted. */
  readonly pullAll: () => Promise<void>;
  /** @throws Failure journal-broken, clock-behind while what peers have accepted cannot be taken over: any payment would look unsigned then. */
  readonly assertLearning: () => void;
  readonly halts: Pick<HaltDesk, 'haltSelf' | 'haltUnexplained'>;
  readonly signal?: AbortSignal;
  readonly waitMs?: number;
}): NetworkWatcher {
  const { network, view, state, halts } = input;
  let seen = 0;
  let looked: number | null = null;
  let trouble = '';
  const reasonOf = (txid: string): string => `${outflow} ${txid} on ${network}`;

  /**
   * Halted for once, by this signer: after people have looked and resumed, the same outflow stops nothing again, over a
   * restart too. That a peer has halted for it says nothing: a stolen one could so excuse what is still to come.
   */
  const isReported = (txid: string): boolean => state.haltReasons.has(`${input.signer} ${reasonOf(txid)}`);
  const isSigned = (txid: string): boolean => state.transactions.has(`${network} ${txid}`) || isReported(txid);

  const judge = async (txids: readonly string[]): Promise<void> => {
    for (let round = 0; round < 2 && !txids.every(isSigned); round += 1) {
      if (round > 0)
        await sleep(input.waitMs ?? askAgainMs, undefined, { ...(input.signal && { signal: input.signal }) });
      await input.pullAll();
    }
    for (const txid of txids.filter((one) => !isSigned(one))) {
      // It says nothing where it can no longer learn.
      await halts.haltUnexplained(reasonOf(txid));
      log('alarm', { alarm: 'unsigned-outflow', network, txid });
    }
  };

  const firstHeight = (tip: number): number => {
    const heightOf = (txid: string): number => state.transactions.get(`${network} ${txid}`)?.height ?? 0;
    // What was taken over from a peer before the first look has no height: it says nothing about what was looked at.
    const last = state.accepted.findLast((one) => one.network === network && heightOf(one.txid) > 0);
    const height = last ? heightOf(last.txid) : 0;
    return Math.max(0, height > 0 && height <= tip ? height : tip - view.finalityBlocks());
  };

  const lookNow = async (): Promise<void> => {
    const tip = await view.tip();
    const isNew = tip !== seen;
    seen = tip;
    looked ??= firstHeight(tip) - 1;
    if (!isNew && looked >= tip) return;
    input.assertLearning();
    const overlap = Math.min(overlapMax, view.finalityBlocks());
    for (let reading = 0; reading < readingsMax; reading += 1) {
      const from: number = Math.max(0, Math.min(looked, tip) + 1 - (reading === 0 ? overlap : 0));
      const to: number = Math.min(tip, from + blocksMax - 1);
      if (from > to) break;
      await judge(await view.outflows(from, to));
      looked = to;
      if (to === tip) break;
    }
  };

  const look = async (): Promise<void> => {
    try {
      await lookNow();
      trouble = '';
    } catch (error) {
      if (input.signal?.aborted) return;
      const code = error instanceof Failure ? error.code : errorName(error);
      const message = error instanceof Failure ? error.message : '';
      // Once a kind: the next look comes in a second.
      if (code !== trouble) log('watch-failed', { network, code, message });
      trouble = code;
      if (!(error instanceof Failure) || !differsCodes.has(error.code)) return;
      const reason = `${error.code} on ${network}`;
      await halts.haltSelf({ network, asset: null }, reason).catch(() => undefined);
    }
  };
  return { look, height: () => seen };
}
