import { doneTimestamp, graceS, scheduledWords, type ScheduledCall } from '@holdfast/core/cold/scheduled-call.ts';
import type { GovernanceView } from '@holdfast/core/cold/inspect-governance.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { governanceMax, type GovernanceOperation } from '@holdfast/core/signing/emergency.ts';
import { errorName, log } from '../log.ts';

/** The time lock of one network as this signer's own nodes show it. */
export interface TimelockView {
  readonly tip: () => Promise<number>;
  /** Calls that were scheduled in these blocks, both ends included. */
  readonly scheduled: (from: number, to: number) => Promise<readonly ScheduledCall[]>;
  /** `_timestamps` of each operation (seconds; 0 unknown, 1 done) at a block, and its time in seconds. */
  readonly stateAt: (
    height: number,
    operations: readonly string[],
  ) => Promise<{ readonly timeS: bigint; readonly timestamps: readonly bigint[] }>;
  readonly names: () => GovernanceView;
  readonly finalityBlocks: () => number;
}

/** What a signer remembers of one time lock over a restart. */
export interface GovernanceMemory {
  /** All blocks up to this one were looked at. */
  readonly height: number;
  readonly scheduled: readonly { readonly height: number; readonly call: ScheduledCall }[];
}

export interface GovernanceWatch {
  /** Looks at what is new. Never throws. */
  readonly look: () => Promise<void>;
  /** What may still be executed, newest first. */
  readonly pending: () => GovernanceOperation[];
}

/** Before anything was looked at: a week of blocks of 12 seconds, longer than a governance delay ought to be. */
const lookbackBlocks = 50_400;
const blocksMax = 64;
const readingsMax = 32;
const overlapMax = 6;
/** The position is kept so often; what was scheduled, at once. */
const keepEveryBlocks = 100;
const callsMax = 32;
const wordsMax = 1_000;

/**
 * Watches a time lock, so that a person has the whole delay to veto what nobody expected. Vetoes nothing by itself: a signer that
 * was taken over would keep governance from removing it, and what is right is for people to know.
 * @param input.memory from the last run; null for none. @param input.keep must survive a crash.
 */
export function watchGovernance(input: {
  /** CAIP-2. */
  readonly network: string;
  readonly view: TimelockView;
  readonly memory: GovernanceMemory | null;
  readonly keep: (memory: GovernanceMemory) => void;
  readonly signal?: AbortSignal;
}): GovernanceWatch {
  const { network, view } = input;
  let height = input.memory?.height ?? null;
  let keptHeight = height ?? 0;
  let scheduled = [...(input.memory?.scheduled ?? [])];
  let shown: GovernanceOperation[] = [];
  let trouble = '';
  let judged: number | null = null;
  const told = new Set<string>();

  const take = (calls: readonly ScheduledCall[], at: number): boolean => {
    const known = new Set(scheduled.map(({ call }) => `${call.operation} ${call.index}`));
    const added = calls.filter((call) => !known.has(`${call.operation} ${call.index}`));
    scheduled.push(...added.map((call) => ({ height: at, call })));
    return added.length > 0;
  };

  const readOn = async (tip: number): Promise<void> => {
    height ??= Math.max(0, tip - lookbackBlocks) - 1;
    const overlap = Math.min(overlapMax, view.finalityBlocks());
    for (let reading = 0; reading < readingsMax; reading += 1) {
      const from: number = Math.max(0, Math.min(height, tip) + 1 - (reading === 0 ? overlap : 0));
      const to: number = Math.min(tip, from + blocksMax - 1);
      const isNew = from <= to && take(await view.scheduled(from, to), to);
      height = to;
      if (isNew || height - keptHeight >= keepEveryBlocks) {
        input.keep({ height, scheduled });
        keptHeight = height;
      }
      if (to >= tip) break;
    }
  };

  const judge = async (tip: number): Promise<void> => {
    const operations = [...new Set(scheduled.map(({ call }) => call.operation))];
    if (operations.length === 0) return void (shown = []);
    const { timeS, timestamps } = await view.stateAt(tip, operations);
    const stateOf = new Map(operations.map((operation, at) => [operation, timestamps[at] ?? 0n]));
    const isOpen = (operation: string): boolean => {
      const readyS = stateOf.get(operation) ?? 0n;
      return readyS > doneTimestamp && timeS <= readyS + graceS;
    };
    // One that is over may come back with a reorg; scheduled anew, it is in a log again.
    scheduled = scheduled.filter(({ call, height: at }) => isOpen(call.operation) || tip - at <= view.finalityBlocks());
    const names = view.names();
    shown = operations
      .filter(isOpen)
      .toReversed()
      .map((operation) => ({
        network,
        operation,
        calls: scheduled
          .filter(({ call }) => call.operation === operation)
          .toSorted((a, b) => a.call.index - b.call.index)
          .slice(0, callsMax)
          .map(({ call }) => scheduledWords(call, names).slice(0, wordsMax)),
        ready_at_ms: Number((stateOf.get(operation) ?? 0n) * 1_000n),
      }));
    for (const { operation, calls, ready_at_ms: readyAtMs } of shown) {
      const name = `${operation} ${readyAtMs}`;
      if (told.has(name)) continue;
      told.add(name);
      const ready = new Date(readyAtMs).toISOString();
      log('alarm', { alarm: 'governance-scheduled', network, operation, ready, calls: calls.join('; ') });
    }
  };

  const look = async (): Promise<void> => {
    try {
      const tip = await view.tip();
      if (tip === judged) return;
      await readOn(tip);
      await judge(tip);
      judged = tip;
      trouble = '';
    } catch (error) {
      if (input.signal?.aborted) return;
      const code = error instanceof Failure ? error.code : errorName(error);
      if (code !== trouble)
        log('governance-watch-failed', { network, code, message: error instanceof Failure ? error.message : '' });
      trouble = code;
    }
  };
  return { look, pending: () => shown.slice(0, governanceMax) };
}
