import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { Route } from '@holdfast/core/contract/route.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { ApiFailure, failureOf, isRefusedUnread, isRetryable } from './api-failure.ts';
import { type RequestSigner, signRequest, type UnsignedRequest } from './sign-request.ts';

export interface RequestOptions {
  /** For a POST; made when not given. Give it to be able to ask again after a crash of your own. */
  readonly idempotencyKey?: string;
  readonly signal?: AbortSignal;
}

/** What the client's calls share. */
export interface Connection {
  /** Without a slash at the end. */
  readonly baseUrl: string;
  readonly signer: RequestSigner;
  /** UTC milliseconds. */
  readonly now: () => number;
  readonly fetch: typeof fetch;
  readonly timeoutMs: number;
  /** In [0, 1), for the jitter of retries. */
  readonly random: () => number;
}

const attemptsMax = 4;
/** A server that wants a longer pause is told of to the caller. */
const retryAfterSMax = 30;

/**
 * Calls one route. A GET that failed for a passing reason is asked again, three times at most; a POST only when the server was too
 * busy to look at it, with the same Idempotency-Key: else its caller decides. Pauses last as long as Retry-After says, 30 s at most.
 * @throws ApiFailure with the server's problem, Failure server-unavailable, or outcome_unknown for a POST or DELETE
 *         whose answer was lost.
 */
export async function send(
  connection: Connection,
  route: Route,
  input: Readonly<Record<string, unknown>>,
  options: RequestOptions,
): Promise<unknown> {
  const request = requestOf(connection, route, input, options);
  for (let attempt = 1; ; attempt += 1) {
    try {
      const response = await sendOnce(connection, request, options.signal);
      if (!response.ok) throw await failureOf(response);
      return response.status === 204 ? undefined : await response.json();
    } catch (error) {
      const mayRepeat = route.method === 'GET' ? isRetryable(error) : isRefusedUnread(error);
      const askedS = error instanceof ApiFailure ? error.retryAfterS : 0;
      if (!mayRepeat || attempt === attemptsMax || askedS > retryAfterSMax) throw error;
      const pauseMs = Math.max(100 * 2 ** attempt, askedS * 1_000);
      await wait(pauseMs * (1 + connection.random() / 2), undefined, { signal: options.signal });
    }
  }
}

/** Signs and sends, with a fresh nonce. */
export async function sendOnce(
  connection: Connection,
  request: UnsignedRequest,
  signal: AbortSignal | undefined,
): Promise<Response> {
  const headers = await signRequest(request, connection.signer, {
    nowMs: connection.now(),
    nonce: randomBytes(18).toString('base64url'),
  });
  const timeout = AbortSignal.timeout(connection.timeoutMs);
  try {
    return await connection.fetch(request.url, {
      method: request.method,
      headers,
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      redirect: 'error',
      ...(request.body !== undefined && { body: request.body }),
    });
  } catch (cause) {
    signal?.throwIfAborted();
    throw unanswered(connection, request, cause);
  }
}

/** A lost answer is not a failure of what was asked: never say "failed" when money may have moved. */
function unanswered(connection: Connection, request: UnsignedRequest, cause: unknown): Failure {
  const code = causeCode(cause);
  const notSent = code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'EAI_AGAIN';
  if (request.method === 'GET' || notSent) {
    return new Failure(
      'server-unavailable',
      `no answer from ${connection.baseUrl}${code === undefined ? '' : ` (${code})`}`,
      { cause },
    );
  }
  return new Failure('outcome_unknown', `no answer to ${request.method} ${request.url}`, {
    cause,
    fix: 'Send the same request with the same Idempotency-Key, or read the resource.',
  });
}

function causeCode(error: unknown): string | undefined {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = (cause as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

function requestOf(
  connection: Connection,
  route: Route,
  input: Readonly<Record<string, unknown>>,
  options: RequestOptions,
): UnsignedRequest {
  const rest = new Map(Object.entries(input).filter(([, value]) => value !== undefined));
  const path = route.path.replaceAll(/\{([a-z_]+)\}/g, (_, name: string) => {
    const value = rest.get(name);
    rest.delete(name);
    return encodeURIComponent(String(value));
  });
  const headers: Record<string, string> = { accept: 'application/json' };
  if (route.method === 'POST') headers['idempotency-key'] = options.idempotencyKey ?? randomUUID();
  if (route.body !== undefined) {
    headers['content-type'] = 'application/json';
    return {
      method: route.method,
      url: connection.baseUrl + path,
      headers,
      body: JSON.stringify(Object.fromEntries(rest)),
    };
  }
  const query = new URLSearchParams(
    Array.from(rest, ([name, value]): [string, string] => [name, String(value)]),
  ).toString();
  const url = `${connection.baseUrl}${path}${query === '' ? '' : `?${query}`}`;
  return { method: route.method, url, headers, body: undefined };
}
