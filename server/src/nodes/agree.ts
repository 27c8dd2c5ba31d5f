import { canonicalJson } from '@holdfast/core/signing/intent.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { RpcEndpoint } from './json-rpc.ts';

/**
 * Asks every endpoint and returns the answer that all of them give. There is no falling back to fewer: an endpoint
 * that is away or differs stops what depends on it.
 * @throws Failure node-unavailable naming the endpoint, node-disagreement with each answer.
 */
export async function agree<T>(
  endpoints: readonly RpcEndpoint[],
  what: string,
  ask: (endpoint: RpcEndpoint) => Promise<T>,
): Promise<T> {
  const answers = await Promise.all(endpoints.map(async (endpoint) => ({ endpoint, answer: await ask(endpoint) })));
  const [first, ...others] = answers;
  if (!first) throw new Failure('node-unavailable', 'no endpoint is configured');
  // Equal nodes print equal text; only where it differs is the order of properties taken out.
  const text = JSON.stringify(first.answer);
  const differs = others.some(
    ({ answer }) =>
      JSON.stringify(answer) !== text && canonicalJson({ answer }) !== canonicalJson({ answer: first.answer }),
  );
  if (differs) {
    const said = answers
      .map(({ endpoint, answer }) => `${endpoint.name} says ${JSON.stringify(answer)?.slice(0, 100)}`)
      .join('; ');
    throw new Failure('node-disagreement', `${what}: ${said}`);
  }
  return first.answer;
}

/** Hands bytes to every endpoint; enough that one takes them. Returns each endpoint's objection. */
export async function offerToAll(
  endpoints: readonly RpcEndpoint[],
  offer: (endpoint: RpcEndpoint) => Promise<unknown>,
): Promise<{ accepted: boolean; objections: string[] }> {
  const outcomes = await Promise.allSettled(endpoints.map(offer));
  return {
    accepted: outcomes.some((outcome) => outcome.status === 'fulfilled'),
    objections: outcomes.flatMap((outcome, at) =>
      outcome.status === 'rejected'
        ? [
            `${endpoints[at]!.name}: ${outcome.reason instanceof Error ? outcome.reason.message : String(outcome.reason)}`,
          ]
        : [],
    ),
  };
}
