import { Failure } from '@holdfast/core/failure.ts';
import { cold } from './cold.ts';
import { createRun } from './create-run.ts';

/** `holdfast cold` alone: nothing that it loads can open a connection. */
export const run = createRun({ cold }, () => {
  throw new Failure('invalid-request', 'holdfast cold asks no server');
});
