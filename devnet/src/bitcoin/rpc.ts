import { Failure } from '@holdfast/core/failure.ts';

/** Where a node listens and the log-in of its data folder. */
export interface BitcoinRpcEndpoint {
  readonly rpcUrl: string;
  readonly user: string;
  readonly password: string;
}

/** The node answered with an error: `code` is Bitcoin's RPC code, -28 while it warms up. */
export class BitcoinRpcError extends Error {
  override readonly name = 'BitcoinRpcError';
  readonly code: number;

  constructor(method: string, code: number, message: string) {
    super(`${method}: ${message} (${code})`);
    this.code = code;
  }
}

export type BitcoinRpc = <T = unknown>(method: string, params?: readonly unknown[], wallet?: string) => Promise<T>;

const timeoutMs = 60_000;

/**
 * A caller of Bitcoin's JSON-RPC. Amounts in results are JSON numbers in BTC: for the devnet and tests, not for money.
 * @throws (of the caller) BitcoinRpcError for an error the node reports, Failure node-unavailable when it does not answer.
 */
export function bitcoinRpc({ rpcUrl, user, password }: BitcoinRpcEndpoint): BitcoinRpc {
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  return async <T>(method: string, params: readonly unknown[] = [], wallet?: string): Promise<T> => {
    const url = wallet === undefined ? rpcUrl : `${rpcUrl}/wallet/${encodeURIComponent(wallet)}`;
    const body = JSON.stringify({ jsonrpc: '1.0', id: 0, method, params });
    const answer = await fetch(url, {
      method: 'POST',
      headers: { authorization },
      body,
      signal: AbortSignal.timeout(timeoutMs),
    })
      .then((response) => response.json() as Promise<{ result: T; error: { code: number; message: string } | null }>)
      .catch((cause: unknown) => {
        throw new Failure('node-unavailable', `${method} at ${rpcUrl} got no answer`, { cause });
      });
    if (answer.error) throw new BitcoinRpcError(method, answer.error.code, answer.error.message);
    return answer.result;
  };
}
