import { Failure } from '@holdfast/core/failure.ts';

export interface RpcCall {
  readonly method: string;
  readonly params: readonly unknown[];
}

/** One JSON-RPC endpoint. A refusal by the node is RpcError; an endpoint that cannot be reached is Failure node-unavailable. */
export interface RpcEndpoint {
  /** Without credentials, for messages. */
  readonly name: string;
  /** @param timeoutMs for a call that takes a node long; the endpoint's own when left out. */
  call<T>(method: string, params: readonly unknown[], timeoutMs?: number): Promise<T>;
  /** Several calls in one request; rejects when any of them fails. */
  batch<T extends readonly unknown[]>(calls: readonly RpcCall[]): Promise<T>;
  /** Several calls in one request; one that the node refuses has its RpcError in the place of its result. */
  tryBatch(calls: readonly RpcCall[]): Promise<unknown[]>;
}

/** The node understood the call and refused it. */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  readonly code: number;
  readonly data: unknown;

  constructor(method: string, error: { code?: number; message?: string; data?: unknown }) {
    super(`${method}: ${error.message ?? 'no message'}`);
    this.code = error.code ?? 0;
    this.data = error.data;
  }
}

interface Reply {
  id: number;
  result?: unknown;
  error?: { code?: number; message?: string; data?: unknown } | null;
}

/** @param url http(s) address; user and password in it become a Basic authorization header. */
export function rpcEndpoint(url: string, timeoutMs = 10_000): RpcEndpoint {
  const target = new URL(url);
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  if (target.username !== '') {
    const credentials = `${decodeURIComponent(target.username)}:${decodeURIComponent(target.password)}`;
    headers['authorization'] = `Basic ${Buffer.from(credentials).toString('base64')}`;
    target.username = '';
    target.password = '';
  }
  const name = target.host;

  async function send(body: unknown, withinMs = timeoutMs): Promise<unknown> {
    let text: string;
    try {
      const response = await fetch(target, {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(withinMs),
      });
      text = await response.text();
    } catch (cause) {
      throw new Failure('node-unavailable', `${name} does not answer`, { cause });
    }
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw new Failure('node-unavailable', `${name} answered what is not JSON: ${text.slice(0, 80)}`, { cause });
    }
  }

  function resultOf(reply: Reply | undefined, method: string): unknown {
    if (reply?.error) throw new RpcError(method, reply.error);
    if (reply?.result === undefined)
      throw new Failure('node-unavailable', `${name} answered ${method} without a result`);
    return reply.result;
  }

  const tryBatch: RpcEndpoint['tryBatch'] = async (calls) => {
    if (calls.length === 0) return [];
    const replies = (await send(calls.map((call, id) => ({ jsonrpc: '2.0', id, ...call })))) as Reply[];
    if (!Array.isArray(replies)) throw new Failure('node-unavailable', `${name} answered a batch with something else`);
    const byId = new Map(replies.map((reply) => [reply.id, reply]));
    return calls.map(({ method }, id) => {
      try {
        return resultOf(byId.get(id), method);
      } catch (error) {
        if (error instanceof RpcError) return error;
        throw error;
      }
    });
  };

  return {
    name,
    tryBatch,
    async call<T>(method: string, params: readonly unknown[], withinMs?: number): Promise<T> {
      return resultOf((await send({ jsonrpc: '2.0', id: 1, method, params }, withinMs)) as Reply, method) as T;
    },
    async batch<T extends readonly unknown[]>(calls: readonly RpcCall[]): Promise<T> {
      const outcomes = await tryBatch(calls);
      const refusal = outcomes.find((outcome) => outcome instanceof RpcError);
      if (refusal) throw refusal;
      return outcomes as unknown as T;
    },
  };
}
