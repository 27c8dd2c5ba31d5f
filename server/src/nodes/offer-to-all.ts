import type { RpcEndpoint } from './json-rpc.ts';

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
