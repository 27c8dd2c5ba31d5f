import { bloomMayHold } from '@holdfast/core/chains/evm/bloom-may-hold.ts';
import type { EvmProvenLog } from '@holdfast/core/chains/evm/node-answers.ts';
import type { VerifiedHeader } from '@holdfast/core/chains/evm/verify-header.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { EvmNetworkPolicy } from '@holdfast/core/policy/policy.ts';
import { assertEnoughNodes } from './assert-enough-nodes.ts';
import { agreeOnHeader, readHeaders, readLogs } from './evm-proofs.ts';
import { firstThatProves } from './first-that-proves.ts';
import type { SendRpc } from './json-rpc.ts';

/** Safe.sol: ExecutionSuccess and ExecutionFailure, both with the transaction hash as second topic. */
export const executedTopics: readonly string[] = [
  '0x442e715f626346e8c54381002da614f62bee8d27386535b2521ec8540898556e',
  '0x23428b18acfb3ea64b08dc0c1d296ea9c09702c09083ca5272e64d115b687d23',
];
const headersABatch = 64;

/**
 * Every transaction of the Safe that executed in these blocks (both ends included): Safe transaction hashes, 64 hex digits,
 * oldest first.
 * @throws what `readLogsOf` does.
 */
export async function readSafeExecutions(
  endpoints: readonly SendRpc[],
  network: EvmNetworkPolicy,
  fromHeight: number,
  toHeight: number,
): Promise<string[]> {
  const logs = await readLogsOf(endpoints, network, { address: network.safe, events: executedTopics }, [
    fromHeight,
    toHeight,
  ]);
  return logs.filter(({ topics }) => topics.length === 2).map(({ topics }) => (topics[1] ?? '').slice(2).toLowerCase());
}

interface Wanted {
  readonly address: string;
  /** First topics. */
  readonly events: readonly string[];
}

/**
 * Every log of a contract with one of these events in a range of blocks (both ends included), oldest block first. Nothing
 * can be left out: the headers are linked up to one that all endpoints agree on, their bloom filters say which blocks have no
 * such log, and the receipts of the others are computed up to the header.
 * @throws Failure nodes-too-few, node-unavailable, node-disagreement, node-proof-invalid.
 */
export async function readLogsOf(
  endpoints: readonly SendRpc[],
  network: EvmNetworkPolicy,
  wanted: Wanted,
  [fromHeight, toHeight]: readonly [number, number],
): Promise<EvmProvenLog[]> {
  assertEnoughNodes(endpoints, network);
  if (toHeight < fromHeight) return [];
  let header = await agreeOnHeader(endpoints, toHeight);
  const found: EvmProvenLog[][] = [await logsIn(endpoints, wanted, header)];
  while (header.number > fromHeight) {
    const top: VerifiedHeader = header;
    const linked = await firstThatProves(endpoints, (send) =>
      readLinkedHeaders(send, top, Math.max(fromHeight, top.number - headersABatch)),
    );
    for (const one of linked) found.push(await logsIn(endpoints, wanted, one));
    header = linked.at(-1) ?? header;
  }
  return found.toReversed().flat();
}

/** The headers below `top` down to a height, newest first. */
async function readLinkedHeaders(send: SendRpc, top: VerifiedHeader, lowest: number): Promise<VerifiedHeader[]> {
  const heights = Array.from({ length: top.number - lowest }, (_, at) => top.number - 1 - at);
  const headers = await readHeaders(send, heights);
  let above = top;
  for (const header of headers) {
    if (header.hash !== above.parentHash) {
      throw new Failure('node-proof-invalid', `block ${header.hash} is not below block ${above.hash}`);
    }
    above = header;
  }
  return headers;
}

async function logsIn(
  endpoints: readonly SendRpc[],
  { address, events }: Wanted,
  header: VerifiedHeader,
): Promise<EvmProvenLog[]> {
  const mayHold = (item: string): boolean => bloomMayHold(header.logsBloom, item);
  if (!mayHold(address) || !events.some(mayHold)) return [];
  const logs = await readLogs(endpoints, header);
  return logs.filter(
    (log) => log.address.toLowerCase() === address.toLowerCase() && events.includes(log.topics[0]?.toLowerCase() ?? ''),
  );
}
