import { setTimeout as sleep } from 'node:timers/promises';
import { openAlarms } from '../support/chain-steps.ts';
import { awaitRest, differences, holdingsOf } from './check.ts';
import { faults } from './faults.ts';
import { startLoad } from './load.ts';
import { createRandom } from './random.ts';
import { type SoakStage, startSoakStage } from './stage.ts';

export interface SoakReport {
  readonly deposits: number;
  readonly withdrawals: number;
  readonly refused: readonly string[];
  /** How often each fault was made. */
  readonly faults: ReadonlyMap<string, number>;
  /** Open alarms at the end, `code subject: message`. */
  readonly alarms: readonly string[];
  /** From the end of the load until nothing was under way. */
  readonly restMs: number;
  readonly differences: readonly string[];
}

export interface SoakOptions {
  readonly seed: number;
  readonly seconds: number;
  /** Between two requests or deposits of the load. */
  readonly everyMs: number;
  readonly log: (line: string) => void;
}

const restWithinMs = 240_000;

/** The whole system on real nodes under load, with one random fault after the other; then everything is compared. */
export async function runSoak(options: SoakOptions): Promise<SoakReport> {
  const stage = await startSoakStage(options.seed);
  try {
    const before = await holdingsOf(stage);
    const { load, end } = startLoad(stage, createRandom(options.seed + 1), options.everyMs);
    const made = await makeFaults(stage, options);
    options.log('no more faults: waiting until nothing is under way');
    await end();
    const restBeganMs = performance.now();
    await awaitRest(stage, load, restWithinMs);
    const restMs = Math.round(performance.now() - restBeganMs);
    await stage.standStill();
    return {
      deposits: load.deposits.length,
      withdrawals: load.withdrawals.length,
      refused: load.refused,
      faults: made,
      alarms: (await openAlarms(stage.system)).map(({ code, subject, message }) => `${code} ${subject}: ${message}`),
      restMs,
      differences: await differences(stage, load, before),
    };
  } finally {
    await stage.stop();
  }
}

async function makeFaults(stage: SoakStage, { seconds, log }: SoakOptions): Promise<Map<string, number>> {
  const made = new Map<string, number>();
  const beganMs = performance.now();
  const names = Object.keys(faults);
  while (performance.now() - beganMs < seconds * 1_000) {
    await sleep(stage.random.between(500, 4_000));
    const name = stage.random.pick(names);
    const hit = await faults[name]!(stage);
    made.set(name, (made.get(name) ?? 0) + 1);
    const atS = ((performance.now() - beganMs) / 1_000).toFixed(1);
    log(`${atS.padStart(6)} s  ${name}${hit === '' ? '' : ` (${hit})`}`);
  }
  return made;
}
