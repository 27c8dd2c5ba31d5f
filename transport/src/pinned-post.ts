import { Agent, request as httpsRequest } from 'node:https';
import type { Duplex } from 'node:stream';
import { connect, type TLSSocket } from 'node:tls';
import { invariant } from '@holdfast/core/invariant.ts';
import { bodyBytesMax } from '@holdfast/core/signing/messages.ts';
import { fingerprintOf, sameFingerprint, type Identity } from './certificate.ts';

export interface PinnedEndpoint {
  /** What this process shows. */
  readonly identity: Identity;
  /** `https://host:port`. */
  readonly url: string;
  /** SHA-256 of the other side's certificate, 64 hex digits; the only thing about it that is trusted. */
  readonly fingerprint: string;
  readonly timeoutMs: number;
  /** Sockets at a time, 32 when left out; a signer takes 40 of its server and 10 of a peer. */
  readonly socketsMax?: number;
}

export interface PinnedPost {
  /** Sends JSON and gives status and parsed JSON. Rejects with a plain Error when the other side cannot be reached, is another, or answers no JSON. */
  readonly post: (path: string, body: unknown) => Promise<{ readonly status: number; readonly value: unknown }>;
  readonly close: () => void;
}

const socketsDefault = 32;

/** POST over mutual TLS 1.3 with keep-alive. Nothing is written before the pinned certificate was seen. */
export function createPinnedPost(endpoint: PinnedEndpoint): PinnedPost {
  const agent = new PinnedAgent(endpoint);
  const post: PinnedPost['post'] = async (path, body) => {
    const { status, text } = await send(agent, new URL(path, endpoint.url), JSON.stringify(body), endpoint.timeoutMs);
    return { status, value: JSON.parse(text) as unknown };
  };
  return { post, close: () => agent.destroy() };
}

/** Opens TLS itself, so that the fingerprint is compared before the socket is handed to HTTP. */
class PinnedAgent extends Agent {
  readonly #endpoint: PinnedEndpoint;
  /** Sockets that HTTP does not know yet. */
  readonly #handshakes = new Set<TLSSocket>();

  constructor(endpoint: PinnedEndpoint) {
    // A resumed session would not show the certificate again.
    const { socketsMax = socketsDefault, timeoutMs } = endpoint;
    super({ keepAlive: true, maxSockets: socketsMax, maxCachedSessions: 0, timeout: timeoutMs });
    this.#endpoint = endpoint;
  }

  override createConnection(
    options: { host?: string | null; port?: string | number | null },
    callback?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    invariant(callback, 'an agent passes a callback');
    const { identity, fingerprint, timeoutMs } = this.#endpoint;
    const socket = connect({
      host: options.host ?? '',
      port: Number(options.port),
      cert: identity.certificate,
      key: identity.privateKey,
      minVersion: 'TLSv1.3',
      // There is no CA: the fingerprint below decides.
      rejectUnauthorized: false,
    });
    const late = setTimeout(() => socket.destroy(new Error(`no handshake within ${timeoutMs} ms`)), timeoutMs);
    const ended = (): void => {
      clearTimeout(late);
      this.#handshakes.delete(socket);
    };
    const fail = (error: Error): void => {
      ended();
      callback(error, socket);
    };
    this.#handshakes.add(socket);
    socket.once('error', fail);
    socket.once('secureConnect', () => {
      ended();
      socket.removeListener('error', fail);
      const certificate = socket.getPeerX509Certificate();
      if (certificate && sameFingerprint(fingerprintOf(certificate), fingerprint)) return callback(null, socket);
      socket.destroy();
      callback(new Error('the certificate is not the pinned one'), socket);
    });
  }

  override destroy(): void {
    for (const socket of this.#handshakes) socket.destroy(new Error('closed'));
    super.destroy();
  }
}

function send(agent: Agent, url: URL, body: string, timeoutMs: number): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const signal = AbortSignal.timeout(timeoutMs);
    const request = httpsRequest(url, { agent, method: 'POST', headers, signal }, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > bodyBytesMax) request.destroy(new Error('the answer is over 1 MiB'));
        else chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }),
      );
    });
    request.on('error', reject);
    request.end(body);
  });
}
