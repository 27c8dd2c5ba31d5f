import { Agent, createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/**
 * Rewrites the result of one JSON-RPC call. It gets the node's own result and returns the lie, or the result itself
 * where it has nothing to hide. An error of the node passes unchanged. Decimals whose text a JavaScript number would
 * not reproduce (`0.10000000`) arrive as `{ rawJSON }` objects and leave as they came.
 */
export type Lie = (method: string, params: readonly unknown[], result: unknown) => unknown;

/** What the proxy does to the traffic. */
export type Fault =
  | { readonly kind: 'none' }
  /** Every connection is destroyed: the node seems to be off. */
  | { readonly kind: 'down' }
  /** Every answer leaves this much later. */
  | { readonly kind: 'lag'; readonly delayMs: number }
  | { readonly kind: 'lie'; readonly lie: Lie };

export interface RpcProxy {
  readonly url: string;
  readonly port: number;
  /** Takes effect for the answers not yet sent; `down` also cuts the open connections. */
  setFault(fault: Fault): void;
  /** HTTP requests that arrived so far. */
  requestCount(): number;
  close(): Promise<void>;
}

export interface RpcProxyOptions {
  /** The node, `http://127.0.0.1:8545`. Credentials stay with the caller: its Authorization header is passed on. */
  readonly target: string;
  /** 0 or left out: any free port. */
  readonly port?: number;
}

/**
 * Starts a JSON-RPC proxy on 127.0.0.1 between one party and one chain node, so that a drill can make that party's
 * view lie, lag or die. Several proxies before one node are not several independent nodes.
 */
export async function startRpcProxy(options: RpcProxyOptions): Promise<RpcProxy> {
  const target = new URL(options.target);
  // bitcoind closes a connection after 30 idle seconds; letting go earlier avoids a request onto a closing one.
  const agent = new Agent({ keepAlive: true, maxSockets: 64, timeout: 15_000 });
  const sockets = new Set<Socket>();
  let fault: Fault = { kind: 'none' };
  let requests = 0;

  const server = createServer((incoming, outgoing) => {
    requests += 1;
    const { socket } = incoming;
    const destroy = (): void => void socket.destroy();
    if (fault.kind === 'down') return destroy();
    forward(incoming, target, agent)
      .then(async (answer) => {
        if (fault.kind === 'lag') await delay(fault.delayMs);
        if (fault.kind === 'down') return destroy();
        send(outgoing, answer, fault.kind === 'lie' ? tell(fault.lie, answer) : answer.body);
      })
      // A node that cannot be reached looks through the proxy as it would without it.
      .catch(destroy);
  });
  server.keepAliveTimeout = 60_000;
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    if (fault.kind === 'down') socket.destroy();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const cut = (): void => sockets.forEach((socket) => socket.destroy());

  return {
    url: `http://127.0.0.1:${port}`,
    port,
    setFault(next) {
      fault = next;
      if (next.kind === 'down') cut();
    },
    requestCount: () => requests,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      cut();
      agent.destroy();
      await closed;
    },
  };
}

interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly sent: Buffer;
  readonly body: Buffer;
}

/** Headers that belong to one connection, RFC 9110 section 7.6.1, and the lengths, which are set anew. */
const perHop = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'host',
  'content-length',
]);

function passedOn(headers: NodeJS.Dict<string | string[]>): NodeJS.Dict<string | string[]> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !perHop.has(name)));
}

async function forward(incoming: IncomingMessage, target: URL, agent: Agent): Promise<Answer> {
  const sent = await bodyOf(incoming);
  // bitcoind names a wallet in the path: /wallet/<name>.
  const path = target.pathname.replace(/\/$/, '') + (incoming.url ?? '/');
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const onward = request(
      {
        agent,
        host: target.hostname,
        port: target.port || 80,
        method: incoming.method,
        path,
        headers: { ...passedOn(incoming.headers), 'content-length': sent.length, 'accept-encoding': 'identity' },
      },
      resolve,
    );
    onward.on('error', reject);
    onward.end(sent);
  });
  return {
    status: answer.statusCode ?? 502,
    headers: passedOn(answer.headers),
    sent,
    body: await bodyOf(answer),
  };
}

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function send(outgoing: ServerResponse, answer: Answer, body: Buffer): void {
  outgoing.writeHead(answer.status, { ...answer.headers, 'content-length': body.length });
  outgoing.end(body);
}

interface Call {
  readonly id?: unknown;
  readonly method?: unknown;
  readonly params?: unknown;
}
interface Reply {
  readonly id?: unknown;
  readonly result?: unknown;
  readonly error?: unknown;
}

/** The answer's body with every result rewritten; bodies that are not JSON-RPC (bitcoind's 401 page) stay as they are. */
function tell(lie: Lie, answer: Answer): Buffer {
  let calls: Call | Call[];
  let replies: Reply | Reply[];
  try {
    calls = JSON.parse(answer.sent.toString('utf8'), exactly) as Call | Call[];
    replies = JSON.parse(answer.body.toString('utf8'), exactly) as Reply | Reply[];
  } catch {
    return answer.body;
  }
  const byId = new Map([calls].flat().map((call) => [String(call.id), call]));
  const told = (reply: Reply): Reply => {
    const call = byId.get(String(reply.id));
    if (!call || typeof call.method !== 'string' || (reply.error !== undefined && reply.error !== null)) return reply;
    const params = Array.isArray(call.params) ? (call.params as unknown[]) : [call.params];
    return { ...reply, result: lie(call.method, params, reply.result) };
  };
  return Buffer.from(JSON.stringify(Array.isArray(replies) ? replies.map(told) : told(replies)));
}

/**
 * Keeps numbers as the node wrote them: bitcoind's amounts are decimals of eight places, and a rewritten answer must
 * differ from the true one in nothing but the lie.
 */
function exactly(_key: string, value: unknown, context?: { source?: string }): unknown {
  const source = context?.source;
  if (typeof value !== 'number' || source === undefined || String(value) === source) return value;
  return rawJson(source);
}

/** JSON.rawJSON (ECMAScript, JSON.parse source text access), which TypeScript's es2024 library does not know yet. */
const { rawJSON: rawJson } = JSON as unknown as { rawJSON(text: string): unknown };

const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
