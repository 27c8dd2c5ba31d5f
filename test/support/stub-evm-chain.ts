import { keccak_256 } from '@noble/hashes/sha3.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { bloomBits } from '@holdfast/core/chains/evm/bloom-may-hold.ts';
import type { EvmBlockAnswer, EvmReceiptAnswer, EvmTransactionAnswer } from '@holdfast/core/chains/evm/node-answers.ts';
import { safeProxyCodeHash } from '@holdfast/core/chains/evm/safe-storage.ts';
import { orderedTrieRootHex } from '@holdfast/core/chains/evm/trie-root.ts';
import { encodeReceipt, encodeTransaction } from '@holdfast/core/chains/evm/verify-block-lists.ts';
import { headerHash } from '@holdfast/core/chains/evm/verify-header.ts';
import { RLP } from 'micro-eth-signer/core/rlp.js';
import { stateTrie, type StateTrie } from './state-trie.ts';

/** What a stub's Safe has in its storage; change it while the stub runs. */
export interface StubSafe {
  safe: string;
  singleton: string;
  owners: readonly string[];
  threshold: bigint;
  safeNonce: bigint;
  guard: string;
  handler: string;
  modules: readonly string[];
  moduleGuard: string;
}

/** A payment of the outside world into a block. */
export interface StubDeposit {
  /** null: the native coin. */
  readonly contract: string | null;
  readonly address: string;
  readonly height: number;
  readonly amount: bigint;
}

export interface StubEvmState extends StubSafe {
  height: number;
  chainId: bigint;
  finalized: number | null;
  /** The Safe's executed transactions, hash without 0x. `log` replaces fields of the log in eth_getLogs. */
  executions: { height: number; safeTxHash: string; log?: object }[];
  deposits: StubDeposit[];
}

/** Answers as the chain is now, for one batch of calls. */
export type EvmChain = () => (method: string, params: readonly unknown[]) => unknown;

const none = `0x${'0'.repeat(40)}`;
const executedTopic = '0x442e715f626346e8c54381002da614f62bee8d27386535b2521ec8540898556e';
const transferTopic = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef';
const zeroWord = `0x${'0'.repeat(64)}`;
const quantity = (value: number | bigint): string => `0x${value.toString(16)}`;
const word = (value: bigint): string => value.toString(16).padStart(64, '0');

interface StubBlock {
  readonly block: EvmBlockAnswer & { transactions: EvmTransactionAnswer[] };
  readonly receipts: EvmReceiptAnswer[];
  readonly state: StubState;
}

interface StubState {
  readonly accounts: StateTrie;
  /** Of the Safe. */
  readonly storage: StateTrie;
}

/** Block 200, where stubs start, has the time of their start; each other one is a second off. */
const firstHeight = 200;

/** An EVM chain whose answers can be proven: headers hash, receipts and state have the roots that the headers name. */
export function stubEvmChain(node: StubEvmState): EvmChain {
  const startS = Math.floor(Date.now() / 1_000);
  /** The Safe as it was when somebody asked at this tip. */
  const history = new Map<number, StubSafe>();
  const made = new Map<string, StubBlock>();
  const states = new Map<string, StubState>();

  const safeAt = (height: number): StubSafe => {
    const known = [...history.keys()].filter((one) => one <= height).toSorted((a, b) => b - a);
    return history.get(known[0] ?? Math.min(...history.keys())) ?? node;
  };
  const stateAt = (height: number): StubState => {
    const safe = safeAt(height);
    const deposits = node.deposits.filter((one) => one.contract === null && one.height <= height);
    const key = print([safe, deposits]);
    const state = states.get(key) ?? makeState(safe, deposits);
    states.set(key, state);
    return state;
  };
  const chain = (): StubBlock[] => {
    history.set(node.height, snapshot(node));
    for (const height of history.keys()) if (height > node.height) history.delete(height);
    const blocks: StubBlock[] = [];
    for (let height = 0; height <= node.height; height++) {
      const parentHash = blocks.at(-1)?.block.hash ?? zeroWord;
      const state = stateAt(height);
      const receipts = receiptsAt(node, height);
      const key = print([parentHash, bytesToHex(state.accounts.root), receipts]);
      const block =
        made.get(key) ?? makeBlock({ height, parentHash, state, receipts, timeS: startS + height - firstHeight });
      made.set(key, block);
      blocks.push(block);
    }
    return blocks;
  };
  let last: { key: string; blocks: StubBlock[] } | undefined;
  return () => {
    const key = print([node.height, snapshot(node), node.executions, node.deposits]);
    last = last?.key === key ? last : { key, blocks: chain() };
    const { blocks } = last;
    return (method, params) => answer(node, blocks, method, params);
  };
}

function answer(node: StubEvmState, chain: readonly StubBlock[], method: string, params: readonly unknown[]): unknown {
  const byHash = (hash: unknown): StubBlock | undefined => chain.find(({ block }) => block.hash === hash);
  const shown = (found: StubBlock | undefined): unknown =>
    found && (params[1] === true ? found.block : { ...found.block, transactions: [] });
  if (method === 'eth_chainId') return quantity(node.chainId);
  if (method === 'eth_blockNumber') return quantity(node.height);
  if (method === 'eth_getBlockByNumber' && params[0] === 'finalized') {
    return node.finalized === null ? undefined : { number: quantity(node.finalized) };
  }
  if (method === 'eth_getBlockByNumber') return shown(chain[Number(params[0])]);
  if (method === 'eth_getBlockByHash') return shown(byHash(params[0]));
  if (method === 'eth_getBlockReceipts') return byHash(params[0])?.receipts;
  if (method === 'eth_getProof') return proofOf(node, byHash((params[2] as { blockHash: string }).blockHash), params);
  if (method === 'eth_getLogs')
    return logsOf(node, params[0] as { address: string; fromBlock: string; toBlock: string });
  if (method === 'eth_call') {
    const [{ to, data }, at] = params as [{ to: string; data: string }, string | { blockHash: string }];
    if (data === '0xaffed0e0') return `0x${word(node.safeNonce)}`;
    const height = typeof at === 'string' ? node.height : Number(byHash(at.blockHash)?.block.number);
    const received = node.deposits.filter(
      (one) => one.height <= height && one.contract?.toLowerCase() === to.toLowerCase(),
    );
    const owner = BigInt(`0x${data.slice(10)}`);
    return `0x${word(received.filter(({ address }) => BigInt(address) === owner).reduce((sum, one) => sum + one.amount, 0n))}`;
  }
  return undefined;
}

function proofOf(node: StubEvmState, at: StubBlock | undefined, params: readonly unknown[]): unknown {
  if (!at) return undefined;
  const [address, slots] = params as [string, string[]];
  const isSafe = address.toLowerCase() === node.safe.toLowerCase();
  return {
    accountProof: at.state.accounts.prove(keccak_256(hexToBytes(address.slice(2)))),
    storageProof: slots.map((key) => ({
      key,
      proof: isSafe ? at.state.storage.prove(keccak_256(hexToBytes(key.slice(2)))) : [],
    })),
  };
}

function logsOf(node: StubEvmState, asked: { address: string; fromBlock: string; toBlock: string }): unknown {
  return node.executions
    .filter(({ height }) => height >= Number(asked.fromBlock) && height <= Number(asked.toBlock))
    .map(({ height, safeTxHash, log }) => ({
      address: asked.address.toLowerCase(),
      blockNumber: quantity(height),
      removed: false,
      topics: [executedTopic, `0x${safeTxHash}`],
      ...log,
    }));
}

function snapshot(node: StubSafe): StubSafe {
  const { safe, singleton, owners, threshold, safeNonce, guard, handler, modules, moduleGuard } = node;
  return {
    safe,
    singleton,
    owners: [...owners],
    threshold,
    safeNonce,
    guard,
    handler,
    modules: [...modules],
    moduleGuard,
  };
}

function makeState(safe: StubSafe, deposits: readonly StubDeposit[]): StubState {
  const storage = stateTrie(
    [...storageOf(safe)]
      .filter(([, value]) => value !== 0n)
      .map(([slot, value]) => [keccak_256(hexToBytes(slot)), RLP.encode(value)] as const),
  );
  const balances = new Map<string, bigint>();
  for (const { address, amount } of deposits) {
    balances.set(address.toLowerCase(), (balances.get(address.toLowerCase()) ?? 0n) + amount);
  }
  const account = (balance: bigint, root: Uint8Array, codeHash: string): Uint8Array =>
    RLP.encode([1n, balance, root, hexToBytes(codeHash)]);
  const own = safe.safe.toLowerCase();
  const accounts = new Map([[own, account(balances.get(own) ?? 0n, storage.root, safeProxyCodeHash)]]);
  const empty = stateTrie([]).root;
  const noCode = bytesToHex(keccak_256(new Uint8Array()));
  for (const [address, balance] of balances)
    if (address !== own) accounts.set(address, account(balance, empty, noCode));
  const entries = [...accounts].map(([address, value]) => [keccak_256(hexToBytes(address.slice(2))), value] as const);
  return { storage, accounts: stateTrie(entries) };
}

/** SafeStorage.sol. */
function storageOf(safe: StubSafe): Map<string, bigint> {
  const named = (name: string): string => bytesToHex(keccak_256(new TextEncoder().encode(name)));
  const entry = (key: bigint, slot: bigint): string => bytesToHex(keccak_256(hexToBytes(word(key) + word(slot))));
  const linked = (members: readonly string[], slot: bigint): [string, bigint][] => {
    const ring = [1n, ...members.map(BigInt)];
    return ring.map((member, at) => [entry(member, slot), ring[at + 1] ?? 1n]);
  };
  return new Map<string, bigint>([
    [word(0n), BigInt(safe.singleton)],
    [word(3n), BigInt(safe.owners.length)],
    [word(4n), safe.threshold],
    [word(5n), safe.safeNonce],
    [named('guard_manager.guard.address'), BigInt(safe.guard)],
    [named('fallback_manager.handler.address'), BigInt(safe.handler)],
    [named('module_manager.module_guard.address'), BigInt(safe.moduleGuard)],
    ...linked(safe.modules, 1n),
    ...linked(safe.owners, 2n),
  ]);
}

/** One transaction an execution of the Safe or a token's payment. */
function receiptsAt(node: StubEvmState, height: number): EvmReceiptAnswer[] {
  const padded = (address: string): string => `0x${word(BigInt(address))}`;
  const logs = [
    ...node.executions
      .filter((one) => one.height === height)
      .map(({ safeTxHash }) => ({
        address: node.safe.toLowerCase(),
        topics: [executedTopic, `0x${safeTxHash}`],
        data: zeroWord,
      })),
    ...node.deposits
      .filter((one) => one.height === height)
      .flatMap(({ contract, address, amount }) =>
        contract === null
          ? []
          : [
              {
                address: contract.toLowerCase(),
                topics: [transferTopic, padded(node.singleton), padded(address)],
                data: `0x${word(amount)}`,
              },
            ],
      ),
  ];
  return logs.map((log, at) => ({
    type: '0x0',
    status: '0x1',
    cumulativeGasUsed: quantity(21_000 * (at + 1)),
    logsBloom: bloomOf([log.address, ...log.topics]),
    logs: [log],
  }));
}

function bloomOf(items: readonly string[]): string {
  const bloom = new Uint8Array(256);
  for (const bit of items.flatMap(bloomBits))
    bloom[255 - (bit >> 3)] = (bloom[255 - (bit >> 3)] ?? 0) | (1 << (bit & 7));
  return `0x${bytesToHex(bloom)}`;
}

function makeBlock(parts: {
  height: number;
  parentHash: string;
  state: StubState;
  receipts: EvmReceiptAnswer[];
  timeS: number;
}): StubBlock {
  const { height, parentHash, state, receipts, timeS } = parts;
  const transactions = receipts.map((_, at): EvmTransactionAnswer => ({
    hash: zeroWord,
    type: '0x0',
    nonce: quantity(at),
    gas: '0x5208',
    gasPrice: '0x1',
    to: none,
    value: '0x0',
    input: '0x',
    v: '0x1b',
    r: '0x1',
    s: '0x1',
  }));
  const block = {
    hash: zeroWord,
    parentHash,
    sha3Uncles: zeroWord,
    miner: none,
    stateRoot: `0x${bytesToHex(state.accounts.root)}`,
    transactionsRoot: orderedTrieRootHex(transactions.map(encodeTransaction)),
    receiptsRoot: orderedTrieRootHex(receipts.map(encodeReceipt)),
    logsBloom: bloomOf(receipts.flatMap(({ logs }) => logs.flatMap(({ address, topics }) => [address, ...topics]))),
    difficulty: '0x0',
    number: quantity(height),
    gasLimit: '0x1c9c380',
    gasUsed: '0x0',
    timestamp: quantity(timeS),
    extraData: '0x',
    mixHash: zeroWord,
    nonce: '0x0000000000000000',
    baseFeePerGas: '0x7',
  };
  return { block: { ...block, hash: headerHash(block), transactions }, receipts, state };
}

function print(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? String(item) : item));
}
