import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const main = fileURLToPath(new URL('main.ts', import.meta.url));

/** In a process of its own: the simulation replaces clocks, disks and randomness of its whole process. */
function simulate(...options: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...options], { encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

const traces = (output: string): string[] => [...output.matchAll(/trace ([0-9a-f]{16})/g)].map(([, trace]) => trace!);

test('every invariant holds under the faults of a few seeds', () => {
  const { status, output } = simulate('--seeds', '3', '--seed', '24');
  expect({ status, output }).toMatchObject({ status: 0 });
  expect(traces(output)).toHaveLength(3);
});

test('a seed is the same run again, also behind another one', () => {
  const alone = simulate('--seeds', '1', '--seed', '3');
  const second = simulate('--seeds', '2', '--seed', '2');
  expect(traces(alone.output)).toHaveLength(1);
  expect(traces(second.output).at(-1)).toBe(traces(alone.output)[0]);
});

test('a journal that is not synced breaks an invariant, and the seed is printed', () => {
  const { status, output } = simulate('--seeds', '4', '--mutation', 'unsynced-journal');
  expect(status).toBe(1);
  expect(output).toMatch(/seed [0-9]+ breaks an invariant: /);
  expect(output).toMatch(/npm run sim -- --seeds 1 --seed [0-9]+/);
});
