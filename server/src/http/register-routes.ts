import type { Route, Scope } from '@holdfast/core/contract/route.ts';
import { type RouteName, routes } from '@holdfast/core/contract/routes.ts';
import { Problem } from '@holdfast/core/contract/problem.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema } from 'fastify';
import { handlers } from './handlers.ts';
import { type IdempotentRunner, requestFingerprint } from './idempotency.ts';
import type { Operations } from './operations.ts';
import { validator } from './validate.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The scope that a caller needs, or `public`. A route without it cannot be registered. */
    access?: Scope | 'public';
  }
  interface FastifyRequest {
    /** Key id of the caller; empty on a public route. */
    callerKeyId: string;
    /** The body's bytes as received. */
    rawBody: Buffer;
    /** Digest to check them against; null when the signature covers none. */
    contentDigest: string | null;
  }
}

type AnyHandler = (operations: Operations, input: Record<string, unknown>, caller: string) => Promise<unknown>;

/** Registers every route of the contract's table. */
export function registerRoutes(app: FastifyInstance, operations: Operations, runner: IdempotentRunner): void {
  for (const name of Object.keys(routes) as RouteName[]) register(app, name, routes[name], operations, runner);
}

function register(
  app: FastifyInstance,
  name: RouteName,
  route: Route,
  operations: Operations,
  runner: IdempotentRunner,
): void {
  const checkParams = route.params && validator(route.params, 'params');
  const checkQuery = validator(route.query ?? noQuery, 'query');
  const checkBody = route.body && validator(route.body, 'body');
  const handle = handlers[name] as AnyHandler;

  const inputOf = (request: FastifyRequest): Record<string, unknown> => ({
    ...checkQuery(request.query),
    ...checkParams?.(request.params),
    ...checkBody?.(request.body),
  });

  const answer = async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    if (route.method !== 'POST') {
      const body = await handle(operations, inputOf(request), request.callerKeyId);
      return reply.code(route.status).send(body);
    }
    const key = { keyId: request.callerKeyId, key: idempotencyKeyOf(request) };
    const input = inputOf(request);
    if (checkBody === undefined && request.rawBody.length > 0) {
      throw new Failure('invalid-request', 'this request takes no body');
    }
    const fingerprint = requestFingerprint(request.method, request.url, request.rawBody);
    const response = await runner.run(key, fingerprint, async () => ({
      status: route.status,
      body: await handle(operations, input, request.callerKeyId),
    }));
    if (response.replayed) reply.header('idempotent-replayed', 'true');
    return reply.code(response.status).send(response.body);
  };

  app.route({
    method: route.method,
    url: route.path.replaceAll(/\{([a-z_]+)\}/g, ':$1'),
    config: { access: route.scope },
    schema: documentation(name, route),
    handler: answer,
  });
}

const noQuery = { type: 'object', properties: {}, additionalProperties: false } as never;

const idempotencyKeyPattern = /^[!-~]{1,255}$/;

function idempotencyKeyOf(request: FastifyRequest): string {
  const key = request.headers['idempotency-key'];
  if (typeof key !== 'string' || !idempotencyKeyPattern.test(key)) {
    throw new Failure('idempotency-key-missing', 'a POST needs one Idempotency-Key of 1 to 255 printable characters');
  }
  return key;
}

/** Schemas for openapi.json and for writing responses; requests are checked by `validator`. */
function documentation(name: RouteName, route: Route): FastifySchema {
  const idempotency = {
    type: 'object',
    properties: { 'idempotency-key': { type: 'string', minLength: 1, maxLength: 255 } },
    required: ['idempotency-key'],
  };
  const success = route.response ?? { type: 'null' };
  return {
    operationId: name,
    summary: route.summary,
    tags: [route.path.split('/')[2] ?? ''],
    security: [{ httpMessageSignature: [route.scope] }],
    ...(route.params && { params: route.params }),
    ...(route.query && { querystring: route.query }),
    ...(route.body && { body: route.body }),
    ...(route.method === 'POST' && { headers: idempotency }),
    response: {
      [route.status]: { 'x-response-description': route.summary, ...success },
      default: {
        description: 'RFC 9457 problem details',
        content: { 'application/problem+json': { schema: Problem } },
      },
    },
  };
}
