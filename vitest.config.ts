import { defineConfig } from 'vitest/config';

/** One project a tier; a tier is chosen by name: `npm run test:unit`, `npm run test:functional`, ... */
export default defineConfig({
  test: {
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
          fileParallelism: false,
        },
      },
    ],
  },
});
