import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '@holdfast/core/failure.ts';
import { errorRow } from '@holdfast/core/contract/error-codes.ts';
import type { MeshPath, MeshRequest } from '@holdfast/core/signing/messages.ts';
import { errorName, log } from '../log.ts';
import type { CallPeer } from '../transport/peer-client.ts';

/** Tells all peers, in the background. What it says must do no harm when it comes twice. */
export type Spread = <P extends MeshPath>(path: P, message: MeshRequest<P>) => void;

const attemptsMax = 6;
const waitMsMin = 500;

/**
 * @param signal ends the attempts when the signer stops.
 * @param firstWaitMs before the second attempt; doubles from one attempt to the next.
 */
export function createSpread(
  peers: readonly { readonly signer: string; readonly call: CallPeer }[],
  signal: AbortSignal,
  firstWaitMs = waitMsMin,
): Spread {
  return (path, message) => {
    for (const { signer, call } of peers) void tell(signer, async () => call(path, message), path, signal, firstWaitMs);
  };
}

/** Never rejects: nobody waits for it. */
async function tell(
  signer: string,
  send: () => Promise<unknown>,
  path: MeshPath,
  signal: AbortSignal,
  firstWaitMs: number,
): Promise<void> {
  for (let attempt = 1; !signal.aborted; attempt += 1) {
    try {
      await send();
      return;
    } catch (error) {
      const code = error instanceof Failure ? error.code : errorName(error);
      const isFinal = attempt === attemptsMax || !(error instanceof Failure) || !errorRow(error.code).retryable;
      if (isFinal) {
        log('peer-not-told', { peer: signer, path, code, attempts: attempt });
        return;
      }
    }
    await sleep(firstWaitMs * 2 ** (attempt - 1), undefined, { signal }).catch(() => undefined);
  }
}
