import { Agent, request as httpsRequest } from 'node:https';
import type { Identity } from '@holdfast/transport/certificate.ts';

/** What came back, word for word. */
export interface RawAnswer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

/** Sends any bytes to a signer as whoever holds the identity. */
export interface RawCaller {
  /** `null`: the connection was closed without an answer. Rejects when nothing comes within the time. */
  readonly send: (path: string, body: Uint8Array, options?: SendOptions) => Promise<RawAnswer | null>;
  readonly close: () => void;
}

export interface SendOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Hangs up after the body, however long the headers say it is. */
  readonly hangUp?: boolean;
}

const answerMsMax = 15_000;

/** One keep-alive connection: a signer takes ten of a peer. */
export function rawCaller(identity: Identity, url: string): RawCaller {
  const agent = new Agent({
    keepAlive: true,
    maxSockets: 1,
    cert: identity.certificate,
    key: identity.privateKey,
    // Who answers is what tests have started.
    rejectUnauthorized: false,
  });
  const send: RawCaller['send'] = (path, body, { method = 'POST', headers = {}, hangUp = false } = {}) =>
    new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`no answer to ${path} within ${answerMsMax} ms`)), answerMsMax);
      const done = (answer: RawAnswer | null): void => {
        clearTimeout(late);
        resolve(answer);
      };
      const length = { 'content-type': 'application/json', 'content-length': String(body.length), ...headers };
      const request = httpsRequest(new URL(path, url), { agent, method, headers: length }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', () => done(null));
        response.on('end', () =>
          done({
            status: response.statusCode ?? 0,
            type: response.headers['content-type'] ?? '',
            text: Buffer.concat(chunks).toString('utf8'),
          }),
        );
      });
      request.on('error', () => done(null));
      if (hangUp) request.write(body, () => request.destroy());
      else request.end(body);
    });
  return { send, close: () => agent.destroy() };
}
