import { network } from '../world/machines.ts';
import { timeoutOf } from '../world/globals.ts';
import type { Process } from '../world/world.ts';
import { type BitcoinNode, NodeRefusal } from './node.ts';
import type { Outside } from './outside.ts';

interface Call {
  readonly id: number;
  readonly method: string;
  readonly params: readonly unknown[];
}

/** Answers the JSON-RPC that simulated processes send to `http://<node>` by fetch. */
export function rpcOver(outside: () => Outside) {
  return async (owner: Process, url: string, init: RequestInit): Promise<unknown> => {
    const host = new URL(url).hostname;
    const asked = JSON.parse(init.body as string) as Call | Call[];
    const calls = Array.isArray(asked) ? asked : [asked];
    const what = `${owner.name} -> ${host} ${calls
      .map(({ method }) => method)
      .join(' ')
      .slice(0, 80)}`;
    const text = await network().exchange<string>(what, host, timeoutOf(init.signal), (hand) => {
      const node = outside().nodes.get(host)!;
      const replies = calls.map((call) => replyOf(node, call));
      outside().onServed(owner.name, calls[0]?.method ?? '');
      hand(JSON.stringify(Array.isArray(asked) ? replies : replies[0]));
    });
    return {
      text: async () => text,
      body: (async function* body() {
        yield Buffer.from(text);
      })(),
    };
  };
}

function replyOf(node: BitcoinNode, { id, method, params }: Call): object {
  try {
    return { jsonrpc: '2.0', id, result: node.answer(method, params) };
  } catch (error) {
    if (!(error instanceof NodeRefusal)) throw error;
    return { jsonrpc: '2.0', id, error: { code: -1, message: error.message } };
  }
}
