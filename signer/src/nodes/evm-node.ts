import { checkSafeStorage, safeSlots } from '@holdfast/core/chains/evm/safe-storage.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { evmChainId, parseNetworkId } from '@holdfast/core/money/network.ts';
import type { EvmNetworkPolicy } from '@holdfast/core/policy/policy.ts';
import Type from 'typebox';
import { parseValue } from '../parse.ts';
import { assertEnoughNodes } from './assert-enough-nodes.ts';
import { agreeOnHeader, readAccount } from './evm-proofs.ts';
import type { SendRpc } from './json-rpc.ts';

const Quantity = Type.String({ pattern: '^0x[0-9a-f]{1,64}$' });
const Height = Type.String({ pattern: '^0x[0-9a-f]{1,13}$' });
const Word = Type.String({ pattern: '^0x[0-9a-f]{64}$' });
const Block = Type.Object({ number: Height });
/** Safe.sol: nonce(). */
const nonceSelector = '0xaffed0e0';

export interface SafeView {
  /** The smallest tip of any endpoint; what follows is of this block. */
  readonly height: number;
  /** 0x hex. */
  readonly blockHash: string;
  readonly blockTimeMs: number;
  /** The Safe's next nonce. */
  readonly nonce: bigint;
}

/**
 * Proves the Safe at the newest block that all endpoints have, and compares it with the policy.
 * @throws Failure nodes-too-few, node-unavailable, node-disagreement, node-proof-invalid; chain-mismatch when the chain or
 * the Safe is not the one of the policy.
 */
export async function readSafe(endpoints: readonly SendRpc[], network: EvmNetworkPolicy): Promise<SafeView> {
  assertEnoughNodes(endpoints, network);
  const height = await lowestTip(endpoints, network);
  const header = await agreeOnHeader(endpoints, height);
  const account = await readAccount(endpoints, header, network.safe, safeSlots(network));
  const nonce = checkSafeStorage(account, network);
  return { height, blockHash: header.hash, blockTimeMs: header.timeMs, nonce };
}

/** The smallest tip of any endpoint. @throws Failure chain-mismatch when one serves another chain, node-unavailable. */
export async function lowestTip(
  endpoints: readonly SendRpc[],
  network: Pick<EvmNetworkPolicy, 'network'>,
): Promise<number> {
  const expected = evmChainId(parseNetworkId(network.network));
  const tips = endpoints.map(async (send) => {
    const [chain, tip] = await send([
      { method: 'eth_chainId', params: [] },
      { method: 'eth_blockNumber', params: [] },
    ]);
    const chainId = BigInt(parseValue(Quantity, chain, 'node-unavailable', 'eth_chainId'));
    if (chainId !== expected) throw new Failure('chain-mismatch', `a node serves chain ${chainId}, not ${expected}`);
    return Number(parseValue(Height, tip, 'node-unavailable', 'eth_blockNumber'));
  });
  return Math.min(...(await Promise.all(tips)));
}

export async function readHeight(send: SendRpc): Promise<number> {
  const [tip] = await send([{ method: 'eth_blockNumber', params: [] }]);
  return Number(parseValue(Height, tip, 'node-unavailable', 'eth_blockNumber'));
}

/**
 * The last block that one endpoint calls final: `finalityBlocks` below its tip, and not above its block `finalized`
 * (Engine API) where it answers that tag; a proof-of-stake chain that has stopped finalising is not deep but undecided.
 */
export async function readFinalHeight(send: SendRpc, finalityBlocks: number): Promise<number> {
  const finalized = send([{ method: 'eth_getBlockByNumber', params: ['finalized', false] }]).then(
    ([block]) => Number(parseValue(Block, block, 'node-unavailable', 'eth_getBlockByNumber').number),
    () => Number.POSITIVE_INFINITY,
  );
  return Math.min((await readHeight(send)) - finalityBlocks, await finalized);
}

/** The Safe's next nonce after a block, by one endpoint. */
export async function nonceAt(send: SendRpc, safe: string, height: number): Promise<bigint> {
  const call = { to: safe, data: nonceSelector };
  const [word] = await send([{ method: 'eth_call', params: [call, `0x${height.toString(16)}`] }]);
  return BigInt(parseValue(Word, word, 'node-unavailable', 'nonce of the Safe'));
}
