import { eventStreamPath } from '@holdfast/core/contract/routes.ts';
import { bodyBytesMax } from '@holdfast/core/signing/messages.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import swagger from '@fastify/swagger';
import Fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerOptions,
} from 'fastify';
import { type ApiKey, authenticator } from './authenticate.ts';
import { checkContentDigest } from './content-digest.ts';
import { registerEventStream, type EventStreamOptions } from './event-stream.ts';
import { type IdempotencyStore, idempotentRunner } from './idempotency.ts';
import { openapiOptions, tidyOpenapi } from './openapi.ts';
import type { Operations } from './operations.ts';
import { overload, overloadDefaults, type OverloadLimits, retryAfterS } from './overload.ts';
import { isUnexpected, problemOf } from './problem.ts';
import { registerRoutes } from './register-routes.ts';

export interface HttpOptions {
  readonly keys: readonly ApiKey[];
  readonly idempotency: IdempotencyStore;
  /** UTC milliseconds. */
  readonly now: () => number;
  /** UUIDv7, for request ids. */
  readonly newId: () => string;
  /** What clients see in front of the path; see AuthenticatorOptions. */
  readonly origin?: string | undefined;
  /** Options of pino, see telemetry/logger.ts; false for none. */
  readonly logger?: FastifyServerOptions['logger'];
  /** What /readyz answers. Without it the server is ready when it listens. */
  readonly readiness?: () => Promise<Readiness>;
  readonly metrics?: HttpMetrics;
  /** What is refused when more comes than can be answered; the defaults when left out. */
  readonly limits?: OverloadLimits;
  readonly eventStream?: Partial<EventStreamOptions>;
}

export interface Readiness {
  readonly ready: boolean;
  /** One line a part: `database: ok`. */
  readonly checks: Readonly<Record<string, string>>;
}

export interface HttpMetrics {
  /** Prometheus text. */
  text(): Promise<string>;
  /** `route` is the template, never the path: ids are not labels. */
  observeRequest(method: string, route: string, status: number, seconds: number): void;
}

/** The API as a Fastify instance, ready to listen or to be injected into. It knows no store, chain or signer. */
export async function buildHttp(operations: Operations, options: HttpOptions): Promise<FastifyInstance> {
  const app = Fastify({
    logger: options.logger ?? false,
    bodyLimit: bodyBytesMax,
    genReqId: () => `req_${options.newId()}`,
    requestIdHeader: false,
    requestTimeout: 30_000,
    forceCloseConnections: true,
    frameworkErrors: (error, request, reply) => sendProblem(error, request, reply as FastifyReply),
  });
  // Requests are checked by `validator`, which takes bodies as they are; the schemas of routes only document and write.
  app.setValidatorCompiler(() => (value) => ({ value }));
  app.setErrorHandler(sendProblem);
  guard(app, options);
  takeJsonOnly(app);
  if (options.metrics !== undefined) observe(app, options.metrics);

  await app.register(swagger, openapiOptions());
  registerRoutes(app, operations, idempotentRunner(options.idempotency));
  registerEventStream(app, operations, { pollMs: 250, heartbeatMs: 15_000, streamsMax: 100, ...options.eventStream });
  registerPublic(app, options);
  await app.ready();
  return app;
}

/** Deny by default: a route without an access rule cannot exist, and a caller needs the scope that the rule names. */
function guard(app: FastifyInstance, options: HttpOptions): void {
  const authenticate = authenticator(options);
  const load = overload(options.limits ?? overloadDefaults, options.now);
  app.decorateRequest('callerKeyId', '');
  app.decorateRequest('contentDigest', null);
  app.decorateRequest('rawBody');
  app.addHook('onRoute', (route) => {
    invariant(route.config?.access !== undefined, `route ${route.url} has no access rule`);
  });
  app.addHook('onRequest', async (request, reply) => {
    request.rawBody = Buffer.alloc(0);
    reply.header('request-id', request.id);
    const access = request.routeOptions.config.access;
    // Before its body is read: without a route there is no access rule to read it under.
    if (request.is404) throw new Failure('not-found', `no such route: ${request.method} ${request.url.slice(0, 200)}`);
    if (access === 'public') return;
    invariant(access !== undefined, 'a request reached a route without access rule');
    // Before the costly check of the signature. Streams have a bound of their own.
    if (request.routeOptions.url !== eventStreamPath) reply.raw.once('close', load.enter(access));
    const caller = authenticate({ method: request.method, target: request.url, headers: request.headers });
    if (!caller.scopes.has(access)) {
      throw new Failure('forbidden', `key ${caller.keyId} lacks the scope ${access}`);
    }
    load.spend(caller.keyId, access);
    request.callerKeyId = caller.keyId;
    request.contentDigest = caller.contentDigest;
  });
}

/** One parser: JSON whose bytes are those that the signature covers. */
function takeJsonOnly(app: FastifyInstance): void {
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    const bytes = body as Buffer;
    request.rawBody = bytes;
    if (bytes.length === 0) {
      done(null, undefined);
      return;
    }
    let text: string;
    try {
      if (request.contentDigest === null)
        throw new Failure('unauthenticated', 'the signature must cover content-digest');
      checkContentDigest(request.contentDigest, bytes);
      text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    } catch (error) {
      done(error instanceof Failure ? error : new Failure('invalid-request', 'the body is not UTF-8'));
      return;
    }
    void parseJson(request, text, done);
  });
}

function observe(app: FastifyInstance, metrics: HttpMetrics): void {
  app.addHook('onResponse', async (request, reply) => {
    const route = request.is404 ? 'none' : (request.routeOptions.url ?? 'none');
    // A stream's duration is its client's patience, not our latency.
    if (route === eventStreamPath) return;
    metrics.observeRequest(request.method, route, reply.statusCode, reply.elapsedTime / 1000);
  });
}

function registerPublic(app: FastifyInstance, options: HttpOptions): void {
  const config = { access: 'public' as const };
  const schema = { hide: true } as object;
  app.get('/livez', { config, schema, handler: async () => ({ status: 'ok' }) });
  app.get('/readyz', {
    config,
    schema,
    handler: async (_request, reply) => {
      const { ready, checks } = (await options.readiness?.()) ?? { ready: true, checks: {} };
      return reply.code(ready ? 200 : 503).send({ status: ready ? 'ok' : 'unavailable', checks });
    },
  });
  app.get('/metrics', {
    config,
    schema,
    handler: async (_request, reply) =>
      reply.type('text/plain; version=0.0.4; charset=utf-8').send((await options.metrics?.text()) ?? ''),
  });
  app.get('/openapi.json', { config, schema, handler: async () => tidyOpenapi(app.swagger()) });
}

function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const problem = problemOf(error, request.id);
  if (isUnexpected(error)) request.log.error({ err: error }, 'unexpected error');
  if (problem.status === 401) void reply.header('www-authenticate', 'Signature');
  if (problem.retryable && problem.status !== 202) void reply.header('retry-after', String(retryAfterS(error)));
  void reply
    .code(problem.status)
    .header('request-id', request.id)
    // Set at the socket's level: Fastify would look for a serializer of the success schema.
    .serializer((body: unknown) => JSON.stringify(body))
    .type('application/problem+json; charset=utf-8')
    .send(problem);
}
