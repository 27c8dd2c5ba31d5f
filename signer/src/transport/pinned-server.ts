import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { errorRow } from '@holdfast/core/contract/error-codes.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { bodyBytesMax } from '@holdfast/core/signing/messages.ts';
import type { TSchema } from 'typebox';
import { errorName, log } from '../log.ts';
import { parseValue } from '../parse.ts';
import { parseMessage } from './parse-message.ts';
import { fingerprintOf, sameFingerprint, type Identity } from '@holdfast/transport/certificate.ts';

/** Who is at the other end, by the certificate that this signer's own config pins. */
export interface Caller {
  readonly role: 'server' | 'peer';
  /** `server` or the peer's id. */
  readonly name: string;
  readonly fingerprint: string;
}

export interface Route {
  readonly role: Caller['role'];
  readonly request: TSchema;
  /** `body` fits `request`. */
  readonly handle: (body: never, caller: Caller) => Promise<unknown>;
}

/** Sockets that one caller may have open: the server's client opens 32 at most, a peer asks little. */
const socketsMax = { server: 40, peer: 10 } as const;
/** Sockets of one address that have not shown a certificate yet. On a development machine all callers share one. */
const strangersMax = 64;

/**
 * HTTPS with mutual TLS 1.3. TLS proves that the caller holds its certificate's key; trust comes from the pinned
 * fingerprint alone, there is no CA. A stranger's connection is closed before a byte of HTTP is read.
 */
export function createPinnedServer(
  identity: Identity,
  callers: readonly Caller[],
  routes: ReadonlyMap<string, Route>,
): Server {
  const known = new WeakMap<TLSSocket, Caller>();
  const server = createServer(
    {
      cert: identity.certificate,
      key: identity.privateKey,
      minVersion: 'TLSv1.3',
      requestCert: true,
      // No CA to check against: `secureConnection` below decides.
      rejectUnauthorized: false,
      handshakeTimeout: 5_000,
      headersTimeout: 10_000,
      requestTimeout: 20_000,
      keepAliveTimeout: 60_000,
    },
    (request, response) => void respond(request, response, known, routes),
  );
  server.maxConnections = 256;
  limitStrangers(server);
  const open = new Map<string, number>();
  server.on('secureConnection', (socket) => {
    const certificate = socket.getPeerX509Certificate();
    const fingerprint = certificate ? fingerprintOf(certificate) : '';
    const caller = callers.find((one) => sameFingerprint(one.fingerprint, fingerprint));
    if (!caller) {
      log('peer-unknown', { fingerprint });
      socket.destroy();
      return;
    }
    const count = (open.get(caller.name) ?? 0) + 1;
    if (count > socketsMax[caller.role]) {
      socket.destroy();
      return;
    }
    open.set(caller.name, count);
    socket.once('close', () => open.set(caller.name, (open.get(caller.name) ?? 1) - 1));
    known.set(socket, caller);
  });
  return server;
}

/** A socket counts as a stranger's from its first packet until TLS has seen its certificate. */
function limitStrangers(server: Server): void {
  const strangers = new Map<string, Set<number>>();
  const forget = (address: string, port: number): void => {
    const ports = strangers.get(address);
    ports?.delete(port);
    if (ports?.size === 0) strangers.delete(address);
  };
  server.on('connection', (socket: Socket) => {
    const { remoteAddress: address, remotePort: port } = socket;
    if (address === undefined || port === undefined) return;
    const ports = strangers.get(address) ?? new Set<number>();
    if (ports.size >= strangersMax) {
      socket.destroy();
      return;
    }
    strangers.set(address, ports.add(port));
    socket.once('close', () => forget(address, port));
  });
  server.on('secureConnection', ({ remoteAddress, remotePort }) => forget(remoteAddress ?? '', remotePort ?? 0));
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  known: WeakMap<TLSSocket, Caller>,
  routes: ReadonlyMap<string, Route>,
): Promise<void> {
  const path = request.url ?? '';
  let answer: Answer;
  try {
    const caller = known.get(request.socket as TLSSocket);
    if (!caller) throw new Failure('peer-unknown', 'the certificate is not pinned');
    // Also of what is refused unread: a caller that is still writing when the connection closes does not get to see why.
    const bytes = await readBody(request);
    if (request.method !== 'POST') throw unknownMessage(path);
    answer = await answerMessage(routes, caller, { path, bytes });
  } catch (error) {
    answer = problemOf(error, path);
  }
  // What was not read of the body must not be taken for the next request.
  if (!request.complete) response.setHeader('connection', 'close');
  send(response, answer);
}

/** What one message gets, whatever carried it. Never rejects: a refusal is an answer too. */
export async function answerMessage(
  routes: ReadonlyMap<string, Route>,
  caller: Caller,
  { path, bytes }: { readonly path: string; readonly bytes: Buffer },
): Promise<Answer> {
  try {
    if (routes.size === 0) throw new Failure('signers-unavailable', 'this signer is still starting');
    const route = routes.get(path);
    if (!route) throw unknownMessage(path);
    if (route.role !== caller.role) throw new Failure('peer-unknown', `${caller.name} may not call ${path}`);
    const body = parseValue(route.request, parseMessage(bytes), 'invalid-request', path);
    return { status: 200, body: await route.handle(body as never, caller) };
  } catch (error) {
    return problemOf(error, path);
  }
}

interface Answer {
  /** Of HTTP. */
  readonly status: number;
  readonly body: unknown;
}

const unknownMessage = (path: string): Failure => new Failure('not-found', `no message ${path.slice(0, 80)}`);

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > bodyBytesMax) throw new Failure('body-too-large', `over ${bodyBytesMax} bytes`);
      chunks.push(chunk);
    }
  } catch (cause) {
    if (cause instanceof Failure) throw cause;
    // The caller hung up in the middle: its doing, not a bug of this signer.
    throw new Failure('invalid-request', 'the body was cut off', { cause });
  }
  return Buffer.concat(chunks);
}

function problemOf(error: unknown, path: string): Answer {
  if (!(error instanceof Failure)) log('internal', { path: path.slice(0, 80), error: errorName(error) });
  const failure = error instanceof Failure ? error : new Failure('internal', 'internal error');
  const row = errorRow(failure.code);
  return { status: row.status, body: { code: failure.code, message: failure.message, fix: failure.fix ?? row.fix } };
}

function send(response: ServerResponse, { status, body }: Answer): void {
  if (response.writableEnded || response.destroyed) return;
  const text = JSON.stringify(body);
  const type = status < 400 ? 'application/json' : 'application/problem+json';
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) });
  response.end(text);
}
