import { readFileSync } from 'node:fs';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import type { Step } from '@holdfast/server/context.ts';
import type { Armed, Trouble } from './crash-scenario.ts';
import type { Victim } from './crash-victims.ts';
import type { System } from './system.ts';

/** Steps by the moment from which on they are waited for, each as often as it is listed. */
export type Plan = Partial<Record<Armed, readonly Step[]>>;

/**
 * Plays with a server that stands still at the steps of a plan. There a victim is killed; the server goes on at once, without
 * it, while it is started again. It is up before the next step's victim is killed.
 * @param victimAt is asked with a number that rises at each step.
 */
export function directKills(
  system: System,
  plan: Plan,
  victimAt: (count: number) => Victim,
): Trouble & { readonly kills: readonly Step[] } {
  const kills: Step[] = [];
  const take = oneAtATime();
  let expected = 0;
  let ended = false;
  const broken = Promise.withResolvers<never>();
  let directed: Promise<void> = Promise.resolve();

  async function direct(): Promise<void> {
    while (kills.length < expected && !ended) {
      const step = await pausedAt(system);
      if (step === null) continue;
      await take(async () => {
        const victim = victimAt(kills.length);
        await victim.kill();
        system.server().kill('SIGCONT');
        await victim.restart();
        kills.push(step);
      });
    }
  }

  /** Waits until every step so far was passed. */
  async function passed(): Promise<void> {
    const what = `kills at ${Object.values(plan).flat().join(', ')}`;
    await awaitCondition(what, async () => kills.length === expected, 30_000, 20).catch((error: unknown) => {
      ended = true;
      throw new Error(`${String(error)}; there were: ${kills.join(', ')}`);
    });
    await directed;
  }

  return {
    kills,
    async arm(at) {
      const pauseAt = plan[at];
      if (pauseAt === undefined) return;
      await passed();
      await system.followed();
      await system.server().stop();
      expected += pauseAt.length;
      await system.startServer({ pauseAt });
      directed = direct();
      directed.catch(broken.reject);
    },
    outside: take,
    broken: broken.promise,
    over: passed,
  };
}

/** Each of the functions runs when the one before has ended. */
function oneAtATime(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const result = last.then(work);
    last = result.catch(() => undefined);
    return result;
  };
}

/** The step at which the server stands still now; null while it runs. @throws when it has died, with the end of its log. */
async function pausedAt(system: System): Promise<Step | null> {
  const { pid, logFile, running } = system.server();
  const log = (): string[] => readFileSync(logFile, 'utf8').trimEnd().split('\n');
  if (!running()) throw new Error(`the server died:\n${log().slice(-20).join('\n')}`);
  if (!readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') T ')) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    return null;
  }
  const line = log().findLast((one) => one.includes('"event":"paused"'));
  return (JSON.parse(line!) as { step: Step }).step;
}
