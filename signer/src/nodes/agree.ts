import { Failure } from '@holdfast/core/failure.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import { canonicalJson } from '@holdfast/core/signing/intent.ts';
import type { SendRpc } from './json-rpc.ts';

/**
 * Asks every endpoint and demands one answer: a node that is down or lies stops the signer, it never persuades it.
 * @param read what one endpoint says, as a JSON value.
 * @throws Failure node-unavailable, node-disagreement.
 */
export async function askAll<T>(
  what: string,
  endpoints: readonly SendRpc[],
  read: (send: SendRpc) => Promise<T>,
): Promise<T> {
  const answers = await Promise.all(endpoints.map(read));
  const [first] = answers;
  invariant(first !== undefined, 'a network has at least one endpoint');
  const text = canonicalJson(first);
  if (answers.some((answer) => canonicalJson(answer) !== text)) {
    throw new Failure('node-disagreement', `the signer's nodes disagree about ${what}`);
  }
  return first;
}
