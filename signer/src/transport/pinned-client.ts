import { Agent, request as httpsRequest } from 'node:https';
import { connect, type ConnectionOptions } from 'node:tls';
import type { Duplex } from 'node:stream';
import { isErrorCode } from '@holdfast/core/contract/error-codes.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import { bodyBytesMax, meshMessages, type MeshPath, type MeshRequest, type MeshResponse } from '@holdfast/core/signing/messages.ts';
import { parseValue } from '../parse.ts';
import { fingerprintOf, sameFingerprint, type Identity } from './certificate.ts';

export interface PeerAddress {
  readonly signer: string;
  readonly url: string;
  readonly fingerprint: string;
}

/** Calls one peer. @throws Failure with the peer's own code, or signers-unavailable when it cannot be reached. */
export type CallPeer = <P extends MeshPath>(path: P, body: MeshRequest<P>) => Promise<MeshResponse<P>>;

/** Client with keep-alive that writes nothing before it has seen the pinned certificate. */
export function createPeerClient(identity: Identity, peer: PeerAddress, timeoutMs: number): { call: CallPeer; close: () => void } {
  const agent = new PinnedAgent(identity, peer.fingerprint, timeoutMs);
  const call = async <P extends MeshPath>(path: P, body: MeshRequest<P>): Promise<MeshResponse<P>> => {
    const { status, text } = await post(agent, new URL(path, peer.url), JSON.stringify(body), timeoutMs).catch((cause: unknown) => {
      throw new Failure('signers-unavailable', `${peer.signer} cannot be reached`, { cause });
    });
    const value = parseJson(text, peer.signer);
    if (status === 200) {
      return parseValue(meshMessages[path].response, value, 'signers-unavailable', `answer of ${peer.signer}`) as MeshResponse<P>;
    }
    const problem = (value ?? {}) as { code?: unknown; message?: unknown };
    const code = typeof problem.code === 'string' && isErrorCode(problem.code) ? problem.code : 'internal';
    throw new Failure(code, `${peer.signer}: ${String(problem.message).slice(0, 300)}`);
  };
  return { call, close: () => agent.destroy() };
}

/** Opens TLS itself, so that the fingerprint is compared before the socket is handed to HTTP. */
class PinnedAgent extends Agent {
  readonly #tls: ConnectionOptions;
  readonly #fingerprint: string;

  constructor(identity: Identity, fingerprint: string, timeoutMs: number) {
    // A resumed session would not show the certificate again.
    super({ keepAlive: true, maxSockets: 16, maxCachedSessions: 0, timeout: timeoutMs });
    this.#tls = { cert: identity.certificate, key: identity.privateKey, minVersion: 'TLSv1.3', rejectUnauthorized: false };
    this.#fingerprint = fingerprint;
  }

  override createConnection(
    options: { host?: string | null; port?: string | number | null },
    callback?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    invariant(callback, 'an agent passes a callback');
    const socket = connect({ ...this.#tls, host: options.host ?? '', port: Number(options.port) });
    const fail = (error: Error): void => callback(error, socket);
    socket.once('error', fail);
    socket.once('secureConnect', () => {
      socket.removeListener('error', fail);
      const certificate = socket.getPeerX509Certificate();
      if (certificate && sameFingerprint(fingerprintOf(certificate), this.#fingerprint)) return callback(null, socket);
      socket.destroy();
      callback(new Error('the certificate is not the pinned one'), socket);
    });
  }
}

function post(agent: Agent, url: URL, body: string, timeoutMs: number): Promise<{ status: number; text: string }> {
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
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }));
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(body);
  });
}

function parseJson(text: string, who: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new Failure('signers-unavailable', `${who} did not answer in JSON`, { cause });
  }
}
