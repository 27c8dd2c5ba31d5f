import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { simulateMachines } from './hooks.ts';
import { mutations } from './mutations.ts';
import type { SeedResult } from './run-seed.ts';

/**
 * Simulates the system, one seed after the other, and stops at the first broken invariant: prints its seed, exits with 1.
 * Usage: node test/simulation/main.ts [--seeds N] [--seed FIRST] [--trace FILE] [--mutation NAME]
 */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    /** Where the trace of the last seed goes, whole. */
    trace: { type: 'string' },
    /** With a mistake of mutations.ts in the production code: a broken invariant is then what is wanted. */
    mutation: { type: 'string' },
  },
});
const edits = values.mutation === undefined ? [] : mutations[values.mutation];
if (!edits) throw new Error(`no mutation ${values.mutation}; there are ${Object.keys(mutations).join(', ')}`);
simulateMachines(edits);
const { withServer } = await import('./with-server.ts');
const { drawBlueprint } = await import('./blueprint.ts');
const { runSeed } = await import('./run-seed.ts');

const startedMs = Date.now();
process.exitCode = await withServer(async (server) => {
  const blueprint = await drawBlueprint();
  const first = Number(values.seed);
  for (let seed = first; seed < first + Number(values.seeds); seed++) {
    const result = await runSeed(
      blueprint,
      server,
      String(seed),
      values.trace === undefined ? undefined : Number.POSITIVE_INFINITY,
    );
    print(result);
    if (values.trace !== undefined) writeFileSync(values.trace, `${result.recent.join('\n')}\n`);
    if (result.broken !== null) {
      console.error(
        `seed ${seed} breaks an invariant: ${result.broken}\nagain: npm run sim -- --seeds 1 --seed ${seed}`,
      );
      return 1;
    }
  }
  console.log(
    `${values.seeds} seeds from ${first} in ${((Date.now() - startedMs) / 1_000).toFixed(1)} s: every invariant held`,
  );
  return 0;
});

function print({ seed, broken, trace, steps, simulatedMs, summary }: SeedResult): void {
  const minutes = (simulatedMs / 60_000).toFixed(1);
  const verdict = broken === null ? 'holds' : 'BROKEN';
  console.log(`seed ${seed}: ${verdict}, ${steps} steps, ${minutes} min, ${summary}, trace ${trace.slice(0, 16)}`);
}
