import { join } from 'node:path';
import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js';
import { encodeSegwit } from '@holdfast/core/chains/bitcoin/address.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { type Miner, openMiner } from './bitcoin/miner.ts';
import { type BitcoinNode, startBitcoindPair } from './bitcoin/start.ts';
import { addressOfKey } from './evm/accounts.ts';
import { type AnvilNode, startAnvil } from './evm/start-anvil.ts';
import { keepFile, randomHex } from './private-files.ts';
import type { Supervisor } from './processes.ts';
import { type RpcProxy, startRpcProxy } from './proxy.ts';

/** The chain nodes of a devnet. */
export interface Chains {
  readonly anvil: AnvilNode;
  /** Two peered nodes and the miner of the first; null when there is no bitcoind on this machine. */
  readonly bitcoin: { readonly nodes: readonly [BitcoinNode, BitcoinNode]; readonly miner: Miner } | null;
  /** Why Bitcoin is missing. */
  readonly bitcoinProblem: string | null;
  stop(): Promise<void>;
}

export interface ChainOptions {
  readonly supervisor: Supervisor;
  /** Seconds between EVM blocks; undefined: blocks only when asked for. */
  readonly blockTimeS?: number;
  readonly log: (line: string) => void;
}

/** Starts the nodes below `folder`, continuing the chains that are there. */
export async function startChains(folder: string, options: ChainOptions): Promise<Chains> {
  const starting = startBitcoin(folder, options);
  // Whoever waits for it hears of what went wrong.
  starting.catch(() => undefined);
  const anvil = await startAnvil({
    stateFile: join(folder, 'anvil', 'state.json'),
    ...(options.blockTimeS === undefined ? { noMining: true } : { blockTimeS: options.blockTimeS }),
  });
  try {
    const { nodes, miner } = await starting;
    const stop = async (): Promise<void> =>
      void (await Promise.all([anvil.stop(), ...nodes.map((node) => node.stop())]));
    return { anvil, bitcoin: { nodes, miner }, bitcoinProblem: null, stop };
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'node-unavailable') {
      await anvil.stop();
      throw error;
    }
    return { anvil, bitcoin: null, bitcoinProblem: error.message, stop: () => anvil.stop() };
  }
}

async function startBitcoin(folder: string, { supervisor, log }: ChainOptions) {
  const nodes = await startBitcoindPair({ supervisor, dataDir: join(folder, 'bitcoin'), log });
  return { nodes, miner: await openMiner(nodes[0].rpc) };
}

/** Keys of the custodians. On a devnet they lie on this disk, which is why no other chain id accepts them. */
export interface ColdKeys {
  /** secp256k1, 0x hex; owners of the cold Safe. */
  readonly evm: readonly string[];
  readonly evmOwners: readonly string[];
  /** Owners of the governance Safe: other keys, since who may change the vault must not be whom it is emptied to. */
  readonly governance: readonly string[];
  readonly governanceOwners: readonly string[];
  /** x-only public keys, hex, of the 3-of-5 leaf in every Bitcoin address. */
  readonly bitcoin: readonly string[];
  /** P2WSH 3-of-5 of the same keys, regtest: where an evacuation goes. */
  readonly bitcoinAddress: string;
}

export function keepColdKeys(folder: string): ColdKeys {
  const keys = [1, 2, 3, 4, 5].map((n) => keepFile(join(folder, `custodian-${n}.key`), () => randomHex(32)));
  const governance = keys.map((_, at) => `0x${keepFile(join(folder, `governor-${at + 1}.key`), () => randomHex(32))}`);
  return {
    evm: keys.map((key) => `0x${key}`),
    evmOwners: keys.map((key) => addressOfKey(`0x${key}`)),
    governance,
    governanceOwners: governance.map(addressOfKey),
    bitcoin: keys.map((key) => bytesToHex(schnorr.getPublicKey(hexToBytes(key)))),
    bitcoinAddress: coldAddress(keys.map((key) => secp256k1.getPublicKey(hexToBytes(key)))),
  };
}

/** BIP-67 order, BIP-141 script hash: OP_3 <5 keys> OP_5 OP_CHECKMULTISIG. */
function coldAddress(keys: readonly Uint8Array[]): string {
  const sorted = keys.toSorted((a, b) => Buffer.compare(a, b));
  const script = concatBytes(
    Uint8Array.of(0x53),
    ...sorted.flatMap((key) => [Uint8Array.of(key.length), key]),
    Uint8Array.of(0x55, 0xae),
  );
  return encodeSegwit({ prefix: 'bcrt', version: 0, program: sha256(script) });
}

/**
 * One loopback proxy per party and node, so that a test can make one party's view lie, lag or die. All of them lead to
 * the same few nodes: this is not independence, which takes nodes of one's own on hosts of one's own.
 */
export interface PartyView {
  readonly evm: readonly RpcProxy[];
  readonly bitcoin: readonly RpcProxy[];
  /** Endpoint URLs with credentials, for a configuration. */
  readonly evmUrls: readonly string[];
  readonly bitcoinUrls: readonly string[];
  close(): Promise<void>;
}

/** @param count of endpoints a network; two, so that agreement has something to compare. */
export async function openView(chains: Chains, count = 2): Promise<PartyView> {
  const evm = await Promise.all(Array.from({ length: count }, () => startRpcProxy({ target: chains.anvil.url })));
  const pair = chains.bitcoin?.nodes ?? [];
  const nodes = pair.length === 0 ? [] : Array.from({ length: count }, (_, at) => pair[at % 2]!);
  const bitcoin = await Promise.all(nodes.map((node) => startRpcProxy({ target: node.rpcUrl })));
  const withCredentials = (proxy: RpcProxy, node: BitcoinNode): string => {
    const url = new URL(proxy.url);
    url.username = node.user;
    url.password = node.password;
    return url.href;
  };
  return {
    evm,
    bitcoin,
    evmUrls: evm.map((proxy) => proxy.url),
    bitcoinUrls: bitcoin.map((proxy, i) => withCredentials(proxy, nodes[i]!)),
    close: async () => void (await Promise.all([...evm, ...bitcoin].map((proxy) => proxy.close()))),
  };
}
