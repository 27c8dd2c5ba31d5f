import type { FastifyServerOptions } from 'fastify';

/**
 * Options of pino for the API: one JSON line an entry on standard output, without what would let a reader of logs act
 * for someone else: signatures, secrets, authorisations.
 */
export function loggerOptions(
  now: () => number,
  level: 'debug' | 'info' | 'warn' | 'error' = 'info',
): FastifyServerOptions['logger'] {
  return {
    level,
    base: { process: 'server' },
    timestamp: () => `,"time":"${new Date(now()).toISOString()}"`,
    redact: {
      paths: [
        'req.headers.authorization',
        'req.headers.signature',
        'req.headers["signature-input"]',
        'req.headers.cookie',
        '*.hmac_secret',
        '*.signature',
        '*.passphrase',
        '*.privateKey',
        '*.private_key',
      ],
      censor: '[redacted]',
    },
    serializers: {
      // The query stays out: it may name customers.
      req: (request: { method: string; url: string; id: string }) => ({
        id: request.id,
        method: request.method,
        path: request.url.split('?')[0],
      }),
    },
  };
}
