import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ChildExit } from '@holdfast/devnet/processes.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { type Step, steps } from '@holdfast/server/context.ts';
import type { Outcome } from '../support/crash-outcome.ts';
import {
  type Armed,
  type CrashStage,
  startCrashStage,
  type Trouble,
  undisturbedBalances,
} from '../support/crash-scenario.ts';

/* A server that kills itself at one place, is started again, and kills itself at the next of its places. */

/** As the scenario passes them. */
const inOrder: readonly Step[] = [
  'address-before-insert',
  'address-before-activate',
  'record-before-commit',
  'record-after-commit',
  'tell-before-commit',
  'tell-after-commit',
  'block-before-apply',
  'block-before-commit',
  'block-after-commit',
  'credit-before-commit',
  'credit-after-commit',
  'sweep-before-commit',
  'sweep-after-commit',
  'broadcast-after-send',
  'broadcast-after-commit',
  'settle-before-commit',
  'settle-after-commit',
  'settlement-before-commit',
  'settlement-after-commit',
  'withdrawal-before-commit',
  'withdrawal-after-commit',
  'approval-before-commit',
  'approval-after-commit',
  'batch-before-commit',
  'batch-after-commit',
  'sign-before-request',
  'sign-after-quorum',
  'sign-before-commit',
  'sign-after-commit',
];
/** Steps that follow each other closely are in different runs, so that most deaths hit a server that has recovered. */
const chains = 4;
interface Run {
  readonly armed: Armed;
  readonly deaths: readonly Step[];
}
const runs: readonly Run[] = [
  ...Array.from({ length: chains }, (_, chain) => ({
    armed: 'beginning' as const,
    deaths: inOrder.filter((_step, at) => at % chains === chain),
  })),
  // Flows that a deposit passes first (its sweep is broadcast and settled too) are killed in a withdrawal as well.
  { armed: 'requests', deaths: ['broadcast-after-send', 'broadcast-after-commit'] },
  {
    armed: 'in flight',
    deaths: [
      'block-before-apply',
      'block-before-commit',
      'block-after-commit',
      'settle-before-commit',
      'settle-after-commit',
    ],
  },
];

let stage: CrashStage;
let undisturbed: Outcome;

beforeAll(async () => {
  stage = await startCrashStage();
  undisturbed = await stage.play();
});
afterAll(() => stage?.stop());

describe('a server killed with SIGKILL', () => {
  it('has something to compare with', () => {
    expect(undisturbed).toMatchObject({
      customer: undisturbedBalances,
      withdrawals: ['BTC settled', 'ETH settled', 'USDC settled'],
      deposits: ['BTC credited 1', 'ETH credited 1', 'USDC credited 1'],
    });
  });

  it('has every step in one of the runs', () => {
    expect(inOrder.toSorted()).toEqual(steps.toSorted());
  });

  it.each(runs)('armed at the $armed, at $deaths, ends as without a kill', async (run) => {
    const life = mortal(run);
    expect(await stage.play(life)).toEqual(undisturbed);
    expect(life.exits).toEqual(run.deaths.map(() => ({ code: null, signal: 'SIGKILL' })));
  });
});

/** The server under test: dies at each of the steps once, in their order, and is started again whenever that happens. */
function mortal({ armed, deaths }: Run): Trouble & { readonly exits: readonly ChildExit[] } {
  const { system } = stage;
  const exits: ChildExit[] = [];
  const left = [...deaths];
  let revived: Promise<unknown> = Promise.resolve();
  const start = async (killAt: Step | undefined): Promise<void> => {
    const child = await system.startServer(killAt === undefined ? {} : { killAt });
    if (killAt === undefined) return;
    revived = child.exited.then(async (exit) => {
      exits.push(exit);
      await start(left.shift());
    });
    // Awaited at the end; this keeps a failure from ending the test run before.
    revived.catch(() => undefined);
  };
  return {
    exits,
    async arm(at) {
      if (at !== armed) return;
      await system.followed();
      await system.server().stop();
      await start(left.shift());
    },
    outside: (act) => act(),
    async over() {
      await awaitCondition(`death at ${deaths.join(', ')}`, async () => exits.length === deaths.length, 5_000, 20);
      await revived;
    },
  };
}
