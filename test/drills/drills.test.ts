import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adversaries } from './adversaries.ts';
import { type DrillStage, startDrillStage } from './drill-stage.ts';
import { runAttack } from './run-adversary.ts';

it('tries every adversary, with three attacks at least', () => {
  expect(adversaries.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
  expect(adversaries.filter(({ attacks }) => attacks.length < 3)).toEqual([]);
});

describe.each(adversaries.map((adversary) => ({ adversary, name: `${adversary.number}: ${adversary.has}` })))(
  'adversary $name',
  ({ adversary }) => {
    let stage: DrillStage;
    beforeAll(async () => {
      stage = await startDrillStage(adversary);
    });
    afterAll(() => stage?.stop());
    it.each(adversary.attacks.map((attack) => ({ attack, name: attack.name })))('$name', async ({ attack }) => {
      expect((await runAttack(stage, adversary, attack)).broken).toBeNull();
    });
  },
);
