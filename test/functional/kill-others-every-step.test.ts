import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Step, steps } from '@holdfast/server/context.ts';
import { directKills, type Plan } from '../support/crash-director.ts';
import type { Outcome } from '../support/crash-outcome.ts';
import { type CrashStage, startCrashStage } from '../support/crash-scenario.ts';
import {
  anvilVictim,
  bitcoinVictim,
  postgresVictim,
  signerVictim,
  startMortalPostgres,
  type Victim,
} from '../support/crash-victims.ts';

/*
 * Everything besides the server is killed at the steps of the server: it stands still there until they are dead, and goes on
 * while they are started again.
 */
const plan = {
  beginning: [
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
  ],
  requests: [
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
    'broadcast-after-send',
    'broadcast-after-commit',
    'block-before-apply',
    'block-before-commit',
    'block-after-commit',
    'settle-before-commit',
    'settle-after-commit',
  ],
} as const satisfies Plan;

let folder: string;
let stage: CrashStage;
let undisturbed: Outcome;
let postgres: Victim | undefined;
let victims: Record<'signers' | 'nodes' | 'database', readonly Victim[]>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-kills-'));
  const dataDir = join(folder, 'postgres');
  const started = await startMortalPostgres(dataDir);
  postgres = postgresVictim(dataDir, started);
  stage = await startCrashStage({ databaseUrl: started.url });
  const { system } = stage;
  victims = {
    signers: ['signer-1', 'signer-2', 'signer-3'].map((id) => signerVictim(system, id)),
    nodes: [anvilVictim(system), bitcoinVictim(system, 0), bitcoinVictim(system, 1)],
    database: [postgres],
  };
  undisturbed = await stage.play();
});
afterAll(async () => {
  await stage?.stop();
  for (const victim of victims?.nodes ?? []) await victim.stop?.();
  await postgres?.stop?.();
  rmSync(folder, { recursive: true, force: true });
});

const planned = Object.values(plan).flat();

/**
 * Of each kind one victim a step, in turn. HOLDFAST_KILLS=all (`npm run crash`) goes round until each signer and each node was
 * killed at each step.
 */
const rounds = process.env['HOLDFAST_KILLS'] === 'all' ? 3 : 1;
const plays = (['signers', 'nodes', 'database'] as const).flatMap((kind) =>
  Array.from({ length: kind === 'database' ? 1 : rounds }, (_, round) => ({ kind, round })),
);

describe('killed with SIGKILL at every step of the server', () => {
  it('has every step in the plan', () => {
    expect([...new Set<Step>(planned)].toSorted()).toEqual(steps.toSorted());
  });

  it.each(plays)(
    '$kind, one at a time, round $round: all ends as without a kill',
    async ({ kind, round }) => {
      const of = victims[kind];
      const trouble = directKills(stage.system, plan, (count) => of[(count + round) % of.length]!);
      expect(await stage.play(trouble)).toEqual(undisturbed);
      expect(trouble.kills.toSorted()).toEqual(planned.toSorted());
    },
    300_000,
  );
});
