import { Failure } from '@holdfast/core/failure.ts';

const timeoutMs = 10_000;

/** What a node answered in place of a result. */
export interface RpcRefusal {
  readonly message: string;
  /** What the call reverted with, 0x hex; null where the node does not say. */
  readonly data: string | null;
}

/** One endpoint of an EVM node, JSON-RPC 2.0 over HTTP. */
export interface EvmRpc {
  /** @throws Failure node-unavailable also when the node refuses, in its words. */
  readonly ask: <T>(method: string, params: readonly unknown[]) => Promise<T>;
  /** Tries a call. @returns null when it would succeed. @throws Failure node-unavailable. */
  readonly tryCall: (call: object) => Promise<RpcRefusal | null>;
}

export function evmRpc(url: string): EvmRpc {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw new Failure('invalid-request', '--rpc takes the http(s) address of a node');
  const { host } = new URL(url);
  const send = async (method: string, params: readonly unknown[]): Promise<{ result?: unknown; error?: unknown }> => {
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
        signal: AbortSignal.timeout(timeoutMs),
      });
      return (await response.json()) as { result?: unknown; error?: unknown };
    } catch (cause) {
      // Its path may hold a key of the provider.
      throw new Failure('node-unavailable', `the node at ${host} does not answer ${method}`, { cause });
    }
  };
  return {
    ask: async <T>(method: string, params: readonly unknown[]) => {
      const { result, error } = await send(method, params);
      if (error !== undefined) throw new Failure('node-unavailable', `${method}: ${refusalOf(error).message}`);
      return result as T;
    },
    tryCall: async (call) => {
      const { error } = await send('eth_call', [call, 'latest']);
      return error === undefined ? null : refusalOf(error);
    },
  };
}

function refusalOf(error: unknown): RpcRefusal {
  const { message, data } = (error ?? {}) as { message?: unknown; data?: unknown };
  return {
    message: typeof message === 'string' ? message.slice(0, 300) : 'refused',
    data: typeof data === 'string' && /^0x[0-9a-f]*$/i.test(data) ? data.toLowerCase() : null,
  };
}
