import { once } from 'node:events';
import type { EventResource } from '@holdfast/core/contract/resources.ts';
import { eventStreamPath, StreamEventsQuery } from '@holdfast/core/contract/routes.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Operations } from './operations.ts';
import { validator } from './validate.ts';

export interface EventStreamOptions {
  /** How often new events are looked for. */
  readonly pollMs: number;
  readonly heartbeatMs: number;
  /** Streams open at a time; each reads the database every `pollMs`. */
  readonly streamsMax: number;
}

const batchSize = 200;

/**
 * GET /v1/events/stream: server-sent events whose `id` is the event's seq. It goes on after Last-Event-ID, else after
 * `after`, else from now.
 */
export function registerEventStream(app: FastifyInstance, operations: Operations, options: EventStreamOptions): void {
  const open = new Set<AbortController>();
  const checkQuery = validator(StreamEventsQuery, 'query');

  // Before connections are waited for: a stream never ends by itself.
  app.addHook('preClose', async () => {
    for (const controller of open) controller.abort();
  });

  app.get(eventStreamPath, {
    config: { access: 'read' },
    schema: {
      operationId: 'streamEvents',
      summary: 'Events as server-sent events; the id of each is its seq',
      tags: ['events'],
      security: [{ httpMessageSignature: ['read'] }],
      querystring: StreamEventsQuery,
      headers: { type: 'object', properties: { 'last-event-id': { type: 'string' } } },
      produces: ['text/event-stream'],
    },
    handler: async (request, reply) => {
      const query = checkQuery(request.query) as { after?: string };
      if (open.size >= options.streamsMax) throw new Failure('rate-limited', `${open.size} event streams are open`);
      const controller = new AbortController();
      open.add(controller);
      try {
        const after = await startOf(request, query.after, operations);
        await stream(request, reply, after, operations, options, controller);
      } finally {
        open.delete(controller);
      }
    },
  });
}

async function startOf(request: FastifyRequest, after: string | undefined, operations: Operations): Promise<string> {
  const last = request.headers['last-event-id'];
  if (last === undefined) return after ?? String(await operations.latestEventSeq());
  if (typeof last !== 'string' || !/^(0|[1-9][0-9]{0,15})$/.test(last)) {
    throw new Failure('invalid-request', 'Last-Event-ID is not the id of an event of this stream');
  }
  return last;
}

async function stream(
  request: FastifyRequest,
  reply: FastifyReply,
  start: string,
  operations: Operations,
  options: EventStreamOptions,
  controller: AbortController,
): Promise<void> {
  const { signal } = controller;
  const socket = reply.raw;
  socket.on('close', () => controller.abort());
  reply.hijack();
  socket.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
    'request-id': request.id,
  });
  let after = start;
  let quietMs = 0;
  try {
    // An id without data: a client that is cut off before the first event resumes here.
    await write(socket, `id: ${start}\n\n`, signal);
    while (!signal.aborted) {
      const page = await operations.listEvents({ limit: batchSize, after });
      for (const event of page.data) {
        await write(socket, frame(event), signal);
        after = String(event.seq);
      }
      if (page.data.length > 0) quietMs = 0;
      if (page.next !== null) continue;
      await pause(options.pollMs, signal);
      quietMs += options.pollMs;
      if (quietMs >= options.heartbeatMs) {
        await write(socket, ': heartbeat\n\n', signal);
        quietMs = 0;
      }
    }
  } catch (error) {
    // The headers are out, so there is no status to give: the stream breaks and the client resumes by Last-Event-ID.
    if (!signal.aborted) request.log.error({ err: error }, 'event stream broke');
  } finally {
    socket.end();
  }
}

function frame(event: EventResource): string {
  return `id: ${event.seq}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}

/** Writes and, when the client reads slowly, waits for it. */
async function write(socket: FastifyReply['raw'], text: string, signal: AbortSignal): Promise<void> {
  if (signal.aborted || socket.write(text)) return;
  await once(socket, 'drain', { signal });
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
