import { createHash, timingSafeEqual } from 'node:crypto';
import { Agent, request as httpsRequest } from 'node:https';
import type { Duplex } from 'node:stream';
import { connect } from 'node:tls';
import { isErrorCode } from '@holdfast/core/contract/error-codes.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import {
  bodyBytesMax,
  signerMessages,
  type SignerPath,
  type SignerRequest,
  type SignerResponse,
} from '@holdfast/core/signing/messages.ts';
import { Compile } from 'typebox/compile';
import type { SignerClient } from './panel.ts';

export interface SignerEndpoint {
  readonly id: string;
  /** FROST identifier. */
  readonly identifier: number;
  /** `https://host:port`. */
  readonly url: string;
  /** SHA-256 of the signer's certificate, 64 hex digits; the only thing that is trusted about it. */
  readonly fingerprint: string;
  /** The server's own certificate, PEM. */
  readonly certificate: string;
  /** Its private key, PEM. */
  readonly key: string;
  /** Signing a large batch takes a signer a second or two. */
  readonly timeoutMs?: number;
}

const responses = new Map(Object.entries(signerMessages).map(([path, message]) => [path, Compile(message.response)]));
const timeoutDefaultMs = 15_000;

/**
 * Caller of one signer: mutual TLS 1.3 with keep-alive. Nothing is written before the pinned certificate was seen.
 * `call` throws a Failure with the signer's own code when it refuses, signers-unavailable when it cannot be reached or
 * answers nonsense.
 */
export function createSignerClient(endpoint: SignerEndpoint): SignerClient & { close(): void } {
  const timeoutMs = endpoint.timeoutMs ?? timeoutDefaultMs;
  const agent = new PinnedAgent(endpoint, timeoutMs);
  const { id, identifier } = endpoint;
  const call = async <P extends SignerPath>(path: P, request: SignerRequest<P>): Promise<SignerResponse<P>> => {
    const { status, value } = await post(agent, new URL(path, endpoint.url), JSON.stringify(request), timeoutMs).catch((cause: unknown) => {
      throw new Failure('signers-unavailable', `${id} cannot be reached`, { cause });
    });
    if (status === 200) {
      if (responses.get(path)?.Check(value)) return value as SignerResponse<P>;
      throw new Failure('signers-unavailable', `${id} answers ${path} with something else`);
    }
    throw refusal(id, value);
  };
  return { id, identifier, call, close: () => agent.destroy() };
}

function refusal(id: string, value: unknown): Failure {
  const { code, message, fix } = (value ?? {}) as { code?: unknown; message?: unknown; fix?: unknown };
  if (typeof code !== 'string' || !isErrorCode(code)) return new Failure('signers-unavailable', `${id} answers with an unknown error`);
  const text = `${id}: ${String(message).slice(0, 500)}`;
  return new Failure(code, text, typeof fix === 'string' ? { fix: fix.slice(0, 500) } : {});
}

/** Opens TLS itself, so that the fingerprint is compared before the socket is handed to HTTP. */
class PinnedAgent extends Agent {
  readonly #endpoint: SignerEndpoint;

  constructor(endpoint: SignerEndpoint, timeoutMs: number) {
    // A resumed session would not show the certificate again.
    super({ keepAlive: true, maxSockets: 32, maxCachedSessions: 0, timeout: timeoutMs });
    this.#endpoint = endpoint;
  }

  override createConnection(
    options: { host?: string | null; port?: string | number | null },
    callback?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    invariant(callback, 'an agent passes a callback');
    const socket = connect({
      host: options.host ?? '',
      port: Number(options.port),
      cert: this.#endpoint.certificate,
      key: this.#endpoint.key,
      minVersion: 'TLSv1.3',
      // There is no CA: the fingerprint below decides.
      rejectUnauthorized: false,
    });
    const fail = (error: Error): void => callback(error, socket);
    socket.once('error', fail);
    socket.once('secureConnect', () => {
      socket.removeListener('error', fail);
      const raw = socket.getPeerX509Certificate()?.raw;
      if (raw && isPinned(raw, this.#endpoint.fingerprint)) return callback(null, socket);
      socket.destroy();
      callback(new Error('the certificate is not the pinned one'), socket);
    });
  }
}

function isPinned(certificate: Buffer, fingerprint: string): boolean {
  const pinned = Buffer.from(fingerprint, 'hex');
  const seen = createHash('sha256').update(certificate).digest();
  return pinned.length === seen.length && timingSafeEqual(pinned, seen);
}

function post(agent: Agent, url: URL, body: string, timeoutMs: number): Promise<{ status: number; value: unknown }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const request = httpsRequest(url, { agent, method: 'POST', headers, signal: AbortSignal.timeout(timeoutMs) }, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > bodyBytesMax) request.destroy(new Error('the answer is over 1 MiB'));
        else chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () => {
        try {
          resolve({ status: response.statusCode ?? 0, value: JSON.parse(Buffer.concat(chunks).toString('utf8')) });
        } catch (error) {
          reject(error instanceof Error ? error : new Error('not JSON'));
        }
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}
