import { Failure } from '@holdfast/core/failure.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import type { SendRpc } from './json-rpc.ts';

/** A second round, because an honest endpoint may answer from the block that it has just moved on to. */
const rounds = 2;

/**
 * Asks one endpoint after the other until one gives an answer that proves itself: it does not matter who brings a proof.
 * One whose answer proves nothing is asked once more; one that does not answer is not.
 * @param read one endpoint's answer, verified.
 * @throws Failure of `read`: node-proof-invalid if one endpoint's answer was wrong, else that of the last endpoint.
 */
export async function firstThatProves<T>(
  endpoints: readonly SendRpc[],
  read: (send: SendRpc) => Promise<T>,
): Promise<T> {
  let worst: Failure | undefined;
  let asked = endpoints;
  for (let round = 0; round < rounds; round++) {
    const again: SendRpc[] = [];
    for (const send of asked) {
      try {
        return await read(send);
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        if (worst?.code !== 'node-proof-invalid') worst = error;
        if (error.code === 'node-proof-invalid') again.push(send);
      }
    }
    asked = again;
  }
  invariant(worst, 'a network has at least one endpoint');
  throw worst;
}
