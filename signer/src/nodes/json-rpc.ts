import { Failure } from '@holdfast/core/failure.ts';

export interface RpcCall {
  readonly method: string;
  readonly params: readonly unknown[];
}

/** Sends calls to one endpoint as one batch and gives their results in order. @throws Failure node-unavailable. */
export type SendRpc = (calls: readonly RpcCall[]) => Promise<unknown[]>;

const answerBytesMax = 4 << 20;
/** A whole block as JSON, with the outputs that it spends, is larger. */
const blockBytesMax = 96 << 20;
const blockMethods = new Set(['getblock', 'eth_getBlockReceipts']);

/**
 * One endpoint of a chain node, JSON-RPC 2.0 over HTTP. User and password of the URL become basic authentication and
 * never show in an error.
 */
export function createRpc(url: string, timeoutMs: number): SendRpc {
  const parsed = new URL(url);
  const credentials = `${decodeURIComponent(parsed.username)}:${decodeURIComponent(parsed.password)}`;
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  if (parsed.username !== '') headers['authorization'] = `Basic ${Buffer.from(credentials).toString('base64')}`;
  parsed.username = '';
  parsed.password = '';
  return async (calls) => {
    const body = JSON.stringify(calls.map((call, id) => ({ jsonrpc: '2.0', id, ...call })));
    let answers: unknown;
    try {
      const signal = AbortSignal.timeout(timeoutMs);
      // The endpoint is the one in the config: no other is followed to.
      const response = await fetch(parsed, { method: 'POST', headers, body, signal, redirect: 'error' });
      const bytesMax = calls.some(({ method }) => blockMethods.has(method)) ? blockBytesMax : answerBytesMax;
      answers = JSON.parse(await readBounded(response, bytesMax));
    } catch (cause) {
      throw new Failure('node-unavailable', `the node at ${parsed.host} does not answer`, { cause });
    }
    return calls.map((call, id) => resultOf(answers, id, call, parsed.host));
  };
}

async function readBounded(response: Response, bytesMax: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new Error('answer too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function resultOf(answers: unknown, id: number, call: RpcCall, host: string): unknown {
  const found: unknown = Array.isArray(answers) ? answers.find((one: unknown) => fieldOf(one, 'id') === id) : undefined;
  const error = fieldOf(found, 'error');
  const result = fieldOf(found, 'result');
  if (result === undefined || (error !== undefined && error !== null)) {
    const said = fieldOf(error, 'message');
    const message = typeof said === 'string' ? said.slice(0, 200) : 'no result';
    throw new Failure('node-unavailable', `the node at ${host} cannot answer ${call.method}: ${message}`);
  }
  return result;
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
