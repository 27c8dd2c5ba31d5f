import { setTimeout as wait } from 'node:timers/promises';
import type { EventResource } from '@holdfast/core/contract/resources.ts';
import { eventStreamPath } from '@holdfast/core/contract/routes.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { failureOf, isRetryable } from './api-failure.ts';
import { type Connection, sendOnce } from './send.ts';

export interface ReadEventsOptions {
  /** Seq to go on after; without it the stream begins now. */
  readonly after?: number;
  /** Ends the stream: the iterator returns. */
  readonly signal?: AbortSignal;
}

/** The server sends a heartbeat every 15 s; a connection silent for longer is dead. */
const silenceMsMax = 45_000;
const delayMsMax = 10_000;

/**
 * Events as they happen, each once and in order; goes on where it was after a lost connection, for as long as it is
 * read. Keep the seq of the last one and give it as `after` to lose none over a restart of your own.
 * @throws Failure when the server refuses for good (key, scope).
 */
export async function* readEvents(
  connection: Connection,
  options: ReadEventsOptions = {},
): AsyncGenerator<EventResource, void> {
  let last = options.after;
  let delayMs = 0;
  const { signal } = options;
  const ended = (): boolean => signal?.aborted ?? false;
  while (!ended()) {
    try {
      for await (const { seq, event } of connectOnce(connection, last, signal)) {
        delayMs = 0;
        if (event !== undefined && (last === undefined || seq > last)) yield event;
        last = seq;
      }
    } catch (error) {
      if (ended()) return;
      if (error instanceof Failure && !isRetryable(error)) throw error;
    }
    // Without jitter every reader would come back to a restarted server at once.
    delayMs = Math.min(delayMsMax, Math.max(100, delayMs * 2));
    await wait(delayMs * (0.5 + connection.random()), undefined, { signal }).catch(() => undefined);
  }
}

/** The first frame of a stream has no event: its seq is where the stream began. */
interface Frame {
  readonly seq: number;
  readonly event: EventResource | undefined;
}

/** Undefined for comments, the heartbeat. */
function parseFrame(text: string): Frame | undefined {
  const fields = new Map(
    text.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
  );
  const id = fields.get('id');
  if (id === undefined) return undefined;
  const data = fields.get('data');
  return { seq: Number(id), event: data === undefined ? undefined : (JSON.parse(data) as EventResource) };
}

async function* connectOnce(
  connection: Connection,
  last: number | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<Frame, void> {
  const silence = new AbortController();
  const either = signal === undefined ? silence.signal : AbortSignal.any([signal, silence.signal]);
  let timer = setTimeout(() => silence.abort(), silenceMsMax);
  const headers: Record<string, string> = { accept: 'text/event-stream' };
  if (last !== undefined) headers['last-event-id'] = String(last);
  const request = { method: 'GET', url: connection.baseUrl + eventStreamPath, headers, body: undefined };
  try {
    // The stream has no end, so the time limit of requests does not apply to it.
    const response = await sendOnce({ ...connection, timeoutMs: 2 ** 31 - 1 }, request, either);
    if (!response.ok) throw await failureOf(response);
    if (response.body === null) return;
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of response.body) {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), silenceMsMax);
      const frames = (text + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n\n');
      text = frames.pop() ?? '';
      yield* frames.map(parseFrame).filter((frame) => frame !== undefined);
    }
  } finally {
    clearTimeout(timer);
    // Leaving the loop early closes the connection.
    silence.abort();
  }
}
