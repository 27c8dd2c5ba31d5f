import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig, type ViteUserConfig } from 'vitest/config';

/** Of tools/src/run-tests.ts: it counts by the JSON report, which leaves out what failed outside a test. */
const reportFolder = process.env['HOLDFAST_TEST_REPORT'];
const forRunTests = (folder: string): NonNullable<NonNullable<ViteUserConfig['test']>['reporters']> => [
  'default',
  ['json', { outputFile: join(folder, 'report.json') }],
  {
    onTestRunEnd: (_modules: unknown, errors: readonly { readonly message: string; readonly stack?: string }[]): void =>
      writeFileSync(join(folder, 'errors.txt'), errors.map(({ message, stack }) => stack ?? message).join('\n')),
  },
];

/** One project a tier; a tier is chosen by name: `npm run test:unit`, `npm run test:functional`, ... */
export default defineConfig({
  test: {
    ...(reportFolder === undefined ? {} : { reporters: forRunTests(reportFolder) }),
    projects: [
      {
        test: {
          name: 'core',
          include: ['core/src/**/*.test.ts'],
          setupFiles: ['tools/src/purity-canary.ts'],
        },
      },
      {
        test: {
          name: 'unit',
          include: ['{server,signer,transport,client,cli,contracts,devnet,tools}/src/**/*.test.ts'],
        },
      },
      { test: { name: 'vectors', include: ['test/vectors/**/*.test.ts'] } },
      {
        test: {
          name: 'simulation',
          include: ['test/simulation/**/*.test.ts'],
          testTimeout: 480_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'drills',
          globalSetup: ['test/support/prepare-tier.ts'],
          include: ['test/drills/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'functional',
          globalSetup: ['test/support/prepare-tier.ts'],
          include: ['test/functional/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 180_000,
          // Tests wait for nodes and polls more than they compute: two files at a time keep both cores of a small machine busy.
          maxWorkers: 2,
        },
      },
    ],
  },
});
