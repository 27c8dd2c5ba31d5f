import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { checkWebhookUrl, hostOf, publicLookup } from './public-address.ts';

export interface PostOptions {
  /** Development: addresses that are not on the public internet may be called. */
  readonly allowPrivate: boolean;
  /** From the look-up to the answer's headers. */
  readonly timeoutMs: number;
}

/**
 * Posts one delivery. Redirects are not followed: they would lead past the address check. The answer's body is not read.
 * @returns the HTTP status.
 * @throws Error when there is no answer in time, or the URL may not be called.
 */
export async function postWebhook(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: string,
  options: PostOptions,
): Promise<number> {
  const target = checkWebhookUrl(url, options.allowPrivate);
  const request = target.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise<number>((resolve, reject) => {
    const call = request(
      {
        method: 'POST',
        protocol: target.protocol,
        hostname: hostOf(target),
        port: target.port,
        path: target.pathname + target.search,
        headers: {
          ...headers,
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
          'user-agent': 'holdfast-webhooks/1',
        },
        // A connection of its own: a pooled one would skip the look-up.
        agent: false,
        signal: AbortSignal.timeout(options.timeoutMs),
        ...(!options.allowPrivate && { lookup: publicLookup }),
      },
      (response) => {
        resolve(response.statusCode ?? 0);
        response.destroy();
      },
    );
    call.on('error', reject);
    call.end(body);
  });
}
