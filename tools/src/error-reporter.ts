import { appendFileSync } from 'node:fs';
import type { Reporter } from 'vitest/node';

/** Names the file that the errors are appended to. */
export const errorsFileVariable = 'HOLDFAST_TEST_ERRORS';

/**
 * The JSON report of Vitest leaves out what failed outside a test; run-tests.ts repeats it at the end of a long log.
 * @public Vitest loads it by its path.
 */
export default class ErrorReporter implements Reporter {
  onTestRunEnd(_modules: unknown, errors: readonly { readonly message: string; readonly stack?: string }[]): void {
    const file = process.env[errorsFileVariable];
    if (file === undefined) return;
    for (const { message, stack } of errors) appendFileSync(file, `${stack ?? message}\n`);
  }
}
