import type { Adversary, DrillRow } from './attack.ts';
import { type DrillStage, startDrillStage } from './drill-stage.ts';
import { failedRow, judge } from './judge.ts';

/** Runs every attack of one adversary, each against a fresh look at one running system. */
export async function runAdversary(adversary: Adversary, say: (line: string) => void): Promise<DrillRow[]> {
  const stage = await startDrillStage(adversary);
  try {
    const rows: DrillRow[] = [];
    for (const attack of adversary.attacks) {
      say(`  ${adversary.number}: ${attack.name}`);
      rows.push(await runAttack(stage, adversary, attack));
    }
    return rows;
  } finally {
    await stage.stop();
  }
}

export async function runAttack(
  stage: DrillStage,
  adversary: Adversary,
  attack: Adversary['attacks'][number],
): Promise<DrillRow> {
  try {
    await stage.calm();
    const hot = await stage.hotBalances();
    return judge(adversary, attack, hot, await attack.run(stage));
  } catch (error) {
    return failedRow(adversary, attack, error);
  }
}
