import { middleOf } from '@holdfast/core/chains/quorum-answer.ts';
import { quorumHeight } from '@holdfast/core/chains/endpoint-heights.ts';
import {
  type EvmCallFrame,
  type EvmHeader,
  type EvmReceipt,
  type EvmTrace,
  quantity,
} from '@holdfast/core/chains/evm/node-block.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { createContract } from 'micro-eth-signer/abi.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { openEndpoints } from '../../nodes/endpoints.ts';
import { type RpcEndpoint, RpcError } from '../../nodes/json-rpc.ts';
import { blockProof } from './block-proof.ts';
import { balanceOf, type Holding, readBalances } from './read-balances.ts';

/** Addresses asked for in one request. */
const holdingsPerRequest = 500;
/** Calls tried in one request; a node may run them one after the other. */
const simulationsPerRequest = 100;
const zeroAddress = `0x${'0'.repeat(40)}`;

export const hexNumber = (value: number | bigint): string => `0x${value.toString(16)}`;
const hex = (bytes: Uint8Array): string => `0x${bytesToHex(bytes)}`;

const reads = createContract([
  { type: 'function', name: 'getOwners', inputs: [], outputs: [{ name: 'owners', type: 'address[]' }] },
  // VaultGuard.
  { type: 'function', name: 'paused', inputs: [], outputs: [{ name: 'paused', type: 'bool' }] },
  {
    type: 'function',
    name: 'available',
    inputs: [{ name: 'token', type: 'address' }],
    outputs: [{ name: 'amount', type: 'uint256' }],
  },
  { type: 'function', name: 'nonce', inputs: [], outputs: [{ name: 'nonce', type: 'uint256' }] },
] as const);

/** One word of a contract's answer. @throws Failure node-unavailable for another answer, as an address without code gives. */
function wordFrom(contract: string, answer: string | undefined): bigint {
  if (answer !== undefined && /^0x[0-9a-f]{64}$/i.test(answer)) return BigInt(answer);
  throw new Failure('node-unavailable', `${contract} answers no word but ${(answer ?? 'nothing').slice(0, 80)}`, {
    fix: 'Compare the address in config.json with the policy, and ask each node for its code.',
  });
}

/** A call's sender, target, amount (wei) and data. */
export interface EvmCall {
  readonly from: string;
  readonly to: string;
  readonly value: bigint;
  readonly data: string;
}

// Endpoints may run different node software: only the fields that the scan reads have to agree.
const slimHeader = ({ number, hash, parentHash, timestamp, miner, withdrawals }: EvmHeader): EvmHeader => ({
  number,
  hash,
  parentHash,
  timestamp,
  ...(miner && { miner }),
  ...(withdrawals && { withdrawals: withdrawals.map(({ address }) => ({ address })) }),
});
const slimReceipt = (receipt: EvmReceipt): EvmReceipt => ({
  transactionHash: receipt.transactionHash,
  blockHash: receipt.blockHash,
  status: receipt.status,
  from: receipt.from,
  gasUsed: receipt.gasUsed,
  effectiveGasPrice: receipt.effectiveGasPrice,
  logs: receipt.logs.map(({ address, topics, data }) => ({ address, topics, data })),
});
const slimFrame = (frame: EvmCallFrame): EvmCallFrame => ({
  type: frame.type,
  from: frame.from,
  ...(frame.to === undefined ? {} : { to: frame.to }),
  ...(frame.value === undefined ? {} : { value: frame.value }),
  ...(frame.error === undefined ? {} : { error: 'failed' }),
  ...(frame.calls === undefined ? {} : { calls: frame.calls.map(slimFrame) }),
});

/** @throws Failure node-unavailable when the endpoint does not have the block. */
async function hashOf(endpoint: RpcEndpoint, height: number): Promise<string> {
  const block = await endpoint.call<{ hash: string } | null>('eth_getBlockByNumber', [hexNumber(height), false]);
  if (!block) throw new Failure('node-unavailable', `${endpoint.name} has no block ${height}`);
  return block.hash.toLowerCase();
}

function revertDataOf({ name }: RpcEndpoint, outcome: unknown): string {
  if (!(outcome instanceof RpcError))
    throw new Failure('node-unavailable', `${name} ran a simulation that should have reverted`);
  if (typeof outcome.data === 'string') return outcome.data;
  throw new Failure('node-unavailable', `${name}: ${outcome.message}`);
}

/** Of an even number the upper one: nodes refuse what offers too little. One lying endpoint of three moves nothing. */
function upperMiddle(values: readonly bigint[]): bigint {
  return -(middleOf(values.map((value) => -value)) ?? 0n);
}

/**
 * Reads of an Ethereum node, each agreed by a quorum of the endpoints unless said otherwise. JSON-RPC method names in the body.
 * @param rules see EndpointsOptions.
 */
export function evmNode(endpoints: readonly RpcEndpoint[], rules: { quorum: number; returnAfterBlocks: number }) {
  const nodes = openEndpoints(endpoints, {
    ...rules,
    heightOf: async (endpoint) => Number(await endpoint.call<string>('eth_blockNumber', [])),
    hashOf,
  });

  /** At each endpoint's newest block: honest ones differ for moments. */
  const newest = <T>(kind: string, what: string, ask: (endpoint: RpcEndpoint) => Promise<T>): Promise<T> =>
    nodes.agree(kind, what, ask, false);

  return {
    nodes,
    /** Height that a quorum has reached. */
    height: () => nodes.height(),

    /**
     * The highest block that a quorum calls so, or something above it. @throws Failure node-quorum-lost, also where too few
     * serve the tag.
     */
    async taggedBlock(tag: 'safe' | 'finalized'): Promise<{ height: number; hash: string }> {
      const what = `block ${tag}`;
      const seen = await nodes.each(what, async (endpoint) => {
        const block = await endpoint
          .call<{ number: string } | null>('eth_getBlockByNumber', [tag, false])
          .catch((error: unknown) => {
            throw error instanceof RpcError
              ? new Failure('node-unavailable', `${endpoint.name}: ${error.message}`)
              : error;
          });
        if (!block) throw new Failure('node-unavailable', `${endpoint.name} has no ${what}`);
        return { height: Number(quantity(block.number, what)) };
      });
      const height = quorumHeight(seen, nodes.quorum) ?? 0;
      return { height, hash: await this.hashAt(height) };
    },

    async hashAt(height: number): Promise<string> {
      return nodes.agree('hash', `hash of block ${height}`, (endpoint) => hashOf(endpoint, height));
    },

    /**
     * Block content by hash: header, receipts and call traces, the same from a quorum in all that a scan reads. Header and
     * receipts are computed up to the hash; traces and token balances have no proof but the agreement.
     */
    async block(hash: string): Promise<{ header: EvmHeader; receipts: EvmReceipt[]; traces: EvmTrace[] }> {
      const proof = blockProof(hash);
      return nodes.agree('content', `content of block ${hash}`, async (endpoint) => {
        const [header, receipts, traces] = await endpoint.batch<
          [EvmHeader | null, EvmReceipt[] | null, EvmTrace[] | null]
        >([
          { method: 'eth_getBlockByHash', params: [hash, false] },
          { method: 'eth_getBlockReceipts', params: [hash] },
          { method: 'debug_traceBlockByHash', params: [hash, { tracer: 'callTracer' }] },
        ]);
        if (!header || !receipts || !traces)
          throw new Failure('node-unavailable', `${endpoint.name} does not have block ${hash} whole`);
        proof.check(header, receipts);
        return {
          header: slimHeader(header),
          receipts: receipts.map(slimReceipt),
          traces: traces.map(({ txHash, result }) => ({ txHash, result: slimFrame(result) })),
        };
      });
    },

    /** What a token that nobody has vetted answers at a block. @throws RpcError when it answers nothing. */
    async tokenHolding(contract: string, address: string, blockHash: string): Promise<bigint> {
      const word = await nodes.agree('holding', `holding of ${contract}`, (endpoint) =>
        endpoint.call<string>('eth_call', [balanceOf(contract, address), { blockHash }]),
      );
      return BigInt(word === '0x' ? '0x0' : word);
    },

    /** Base units held at a block, by its hash (EIP-1898), in the order asked; null where the token answers no balance. */
    async balances(holdings: readonly Holding[], blockHash: string): Promise<(bigint | null)[]> {
      const at = { blockHash };
      const found: (bigint | null)[] = [];
      // Nodes bound the size of a batch.
      for (let from = 0; from < holdings.length; from += holdingsPerRequest) {
        const part = holdings.slice(from, from + holdingsPerRequest);
        const values = await nodes.agree('balances', `balances at block ${blockHash}`, (endpoint) =>
          readBalances(endpoint, part, at),
        );
        found.push(...values.map((value) => (value === null ? null : BigInt(value))));
      }
      return found;
    },

    /**
     * What the vault's guard lets through at a block, base units in the order asked.
     * @param tokens null for the native coin.
     * @returns null while it is paused.
     */
    async guardRoom(guard: string, tokens: readonly (string | null)[], blockHash: string): Promise<bigint[] | null> {
      const call = (data: Uint8Array) => ({
        method: 'eth_call',
        params: [{ to: guard, data: hex(data) }, { blockHash }],
      });
      const [paused, ...room] = await nodes.agree('guard', `limits of the guard ${guard}`, (endpoint) =>
        endpoint.batch<string[]>([
          call(reads.paused.encodeInput()),
          ...tokens.map((token) => call(reads.available.encodeInput(token ?? zeroAddress))),
        ]),
      );
      const isPaused = wordFrom(guard, paused) !== 0n;
      return isPaused ? null : room.map((word) => wordFrom(guard, word));
    },

    async safeNonce(safe: string): Promise<bigint> {
      const nonce = await newest('Safe', `nonce of Safe ${safe}`, (endpoint) =>
        endpoint.call<string>('eth_call', [{ to: safe, data: hex(reads.nonce.encodeInput()) }, 'latest']),
      );
      return reads.nonce.decodeOutput(hexToBytes(nonce.slice(2)));
    },

    /** A function without arguments that answers one word, at the newest block. @param selector 0x and 8 hex digits. */
    async wordOf(contract: string, selector: string): Promise<bigint> {
      const word = await newest('word', `${selector} of ${contract}`, (endpoint) =>
        endpoint.call<string>('eth_call', [{ to: contract, data: selector }, 'latest']),
      );
      return wordFrom(contract, word);
    },

    /**
     * Runs calls that revert by design, each from the newest block's state, and returns their revert data (0x hex) in the
     * order asked, agreed by all endpoints.
     * @throws Failure node-unavailable when a node gives no revert data.
     */
    async revertData(calls: readonly EvmCall[], gasMax: bigint): Promise<string[]> {
      const requests = calls.map(({ from, to, value, data }) => ({
        method: 'eth_call',
        params: [{ from, to, value: hexNumber(value), data, gas: hexNumber(gasMax) }, 'latest'],
      }));
      const found: string[] = [];
      for (let at = 0; at < requests.length; at += simulationsPerRequest) {
        const some = requests.slice(at, at + simulationsPerRequest);
        const data = await newest('simulation', 'outcome of a simulation', async (endpoint) =>
          (await endpoint.tryBatch(some)).map((outcome) => revertDataOf(endpoint, outcome)),
        );
        found.push(...data);
      }
      return found;
    },

    /** Gas that a call takes: the middle of what the endpoints say. @throws RpcError when it would revert for a quorum. */
    async estimateGas(call: EvmCall): Promise<bigint> {
      const estimates = await nodes.each('estimate of gas', (endpoint) =>
        endpoint.call<string>('eth_estimateGas', [
          { from: call.from, to: call.to, value: hexNumber(call.value), data: call.data },
          'latest',
        ]),
      );
      return upperMiddle(estimates.map(BigInt));
    },

    /** Wei per gas: base fee of the newest block and the suggested tip (EIP-1559), the middle of what the endpoints say. */
    async fees(): Promise<{ baseFee: bigint; tip: bigint }> {
      const seen = await nodes.each('fees', (endpoint) =>
        endpoint.batch<[{ baseFeePerGas?: string }, string]>([
          { method: 'eth_getBlockByNumber', params: ['latest', false] },
          { method: 'eth_maxPriorityFeePerGas', params: [] },
        ]),
      );
      return {
        baseFee: upperMiddle(seen.map(([block]) => BigInt(block.baseFeePerGas ?? '0x0'))),
        tip: upperMiddle(seen.map(([, tip]) => BigInt(tip))),
      };
    },

    /** Transactions of an account in the chain, up to a block by its hash (EIP-1898) or to the newest. */
    async accountNonce(address: string, blockHash?: string): Promise<bigint> {
      return BigInt(
        await newest('nonce', `nonce of ${address}`, (endpoint) =>
          endpoint.call<string>('eth_getTransactionCount', [
            address,
            blockHash === undefined ? 'latest' : { blockHash },
          ]),
        ),
      );
    },

    /** Owners of a Safe, lower case. */
    async safeOwners(safe: string): Promise<string[]> {
      const owners = await newest('owners', `owners of Safe ${safe}`, (endpoint) =>
        endpoint.call<string>('eth_call', [{ to: safe, data: hex(reads.getOwners.encodeInput()) }, 'latest']),
      );
      return reads.getOwners.decodeOutput(hexToBytes(owners.slice(2))).map((owner) => owner.toLowerCase());
    },
  };
}
export type EvmNode = ReturnType<typeof evmNode>;
