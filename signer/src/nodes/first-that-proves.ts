import { Failure } from '@holdfast/core/failure.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import type { SendRpc } from './json-rpc.ts';

/**
 * Asks one endpoint after the other until one gives an answer that proves itself: it does not matter who brings a proof.
 * @param read one endpoint's answer, verified.
 * @throws Failure of `read`: node-proof-invalid if one endpoint's answer was wrong, else that of the last endpoint.
 */
export async function firstThatProves<T>(
  endpoints: readonly SendRpc[],
  read: (send: SendRpc) => Promise<T>,
): Promise<T> {
  let worst: Failure | undefined;
  for (const send of endpoints) {
    try {
      return await read(send);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (worst?.code !== 'node-proof-invalid') worst = error;
    }
  }
  invariant(worst, 'a network has at least one endpoint');
  throw worst;
}
