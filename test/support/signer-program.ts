import type { SignerProgram } from '@holdfast/devnet/signer-program.ts';

/** Handed from the set-up of a tier to its test files. */
export const programVariable = 'HOLDFAST_TEST_SIGNER';

/** The bundle that the tier was set up with; undefined where nothing was set up (`npm run drills`, benchmarks). */
export function preparedProgram(): SignerProgram | undefined {
  const text = process.env[programVariable];
  return text === undefined ? undefined : (JSON.parse(text) as SignerProgram);
}
