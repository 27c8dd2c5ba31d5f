import { randomBytes } from 'node:crypto';
import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js';
import { workTarget } from '@holdfast/core/chains/bitcoin/block-header.ts';
import { parseBitcoinTransaction } from '@holdfast/core/chains/bitcoin/parse-transaction.ts';
import { doubleSha256, hashToText } from '@holdfast/core/chains/bitcoin/txid.ts';
import { compactSize, u32le, u64le } from '@holdfast/core/chains/bitcoin/wire.ts';

/** A coin as a Bitcoin node reports it. */
export interface StubCoin {
  readonly amountSats: bigint;
  readonly script: string;
  /** 0: not in a block. */
  readonly confirmations: number;
  readonly coinbase?: boolean;
}

export interface StubBitcoinState {
  height: number;
  /** Unspent, by `txid:vout`. Only coins of `addCoin` can be proven; `confirmations` may be set at any time. */
  readonly coins: Map<string, StubCoin>;
  /** Raw transactions, hex, by txid. */
  readonly rawTransactions: Map<string, string>;
  /** Confirmations of other transactions, by txid: what `getrawtransaction` says, and where those of `addSpend` stand. */
  readonly confirmed: Map<string, number>;
  /** What `estimatesmartfee` says; null: no estimate. */
  feeRateSatVb: number | null;
}

/** The outputs of a stub's transaction that spends a coin, and the coin. */
const prevouts = new WeakMap<StubBitcoinState, Map<string, StubCoin>>();

/** Answers as the chain is now, for one batch of calls. */
export type BitcoinChain = () => (method: string, params: readonly unknown[]) => unknown;

const bits = 0x207fffff;
const firstHeight = 200;
const outpointOfNone = concatBytes(new Uint8Array(32), u32le(0xffff_ffff));

interface StubBlock {
  readonly hash: string;
  readonly header: Uint8Array;
  readonly txids: readonly string[];
  /** Of the merkle tree, from the leaves up. */
  readonly levels: readonly (readonly Uint8Array[])[];
}

/** Makes a transaction that pays the coin and puts it below the tip. */
export function addStubCoin(
  node: StubBitcoinState,
  coin: Omit<StubCoin, 'confirmations'> & { readonly confirmations?: number; readonly vout?: number },
): { txid: string; vout: number } {
  const vout = coin.vout ?? 1;
  const outputs = Array.from({ length: vout + 1 }, (_, at) =>
    at === vout ? { amountSats: coin.amountSats, script: coin.script } : { amountSats: 0n, script: '6a' },
  );
  const from = coin.coinbase ? outpointOfNone : concatBytes(randomBytes(32), u32le(0));
  const txid = keep(node, rawTransaction(from, bytesToHex(randomBytes(8)), outputs));
  const { amountSats, script, confirmations = 6, coinbase = false } = coin;
  node.coins.set(`${txid}:${vout}`, { amountSats, script, confirmations, coinbase });
  return { txid, vout };
}

/** Spends a coin in a block: `confirmations` deep, 1 when left out. */
export function addStubSpend(
  node: StubBitcoinState,
  { txid, vout }: { readonly txid: string; readonly vout: number },
  confirmations = 1,
): string {
  const key = `${txid}:${vout}`;
  const coin = node.coins.get(key);
  if (!coin) throw new Error(`no coin ${key}`);
  const from = concatBytes(hexToBytes(txid).reverse(), u32le(vout));
  const spend = keep(node, rawTransaction(from, '', [{ amountSats: coin.amountSats, script: '6a' }]));
  node.coins.delete(key);
  const spent = prevouts.get(node) ?? new Map<string, StubCoin>();
  prevouts.set(node, spent.set(key, coin));
  node.confirmed.set(spend, confirmations);
  return spend;
}

function keep(node: StubBitcoinState, raw: string): string {
  const { txid } = parseBitcoinTransaction(raw);
  node.rawTransactions.set(txid, raw);
  return txid;
}

function rawTransaction(
  from: Uint8Array,
  scriptSig: string,
  outputs: readonly { amountSats: bigint; script: string }[],
): string {
  const sized = (hex: string): Uint8Array => concatBytes(compactSize(hex.length / 2), hexToBytes(hex));
  return bytesToHex(
    concatBytes(
      u32le(2),
      compactSize(1),
      from,
      sized(scriptSig),
      u32le(0xffff_ffff),
      compactSize(outputs.length),
      ...outputs.flatMap(({ amountSats, script }) => [u64le(amountSats), sized(script)]),
      u32le(0),
    ),
  );
}

/** A regtest chain whose answers can be proven: headers with work, merkle roots over real transactions. */
export function stubBitcoinChain(node: StubBitcoinState): BitcoinChain {
  const startS = Math.floor(Date.now() / 1_000);
  const mined = new Map<string, StubBlock>();
  const coinbases = new Map<number, string>();
  const coinbaseAt = (height: number): string => {
    const known = coinbases.get(height);
    if (known !== undefined) return known;
    const txid = keep(
      node,
      rawTransaction(outpointOfNone, bytesToHex(u32le(height)), [{ amountSats: 0n, script: '6a' }]),
    );
    coinbases.set(height, txid);
    return txid;
  };
  const chain = (placed: ReadonlyMap<number, readonly string[]>): StubBlock[] => {
    const blocks: StubBlock[] = [];
    for (let height = 0; height <= node.height; height++) {
      const prev = blocks.at(-1)?.header;
      const own = placed.get(height) ?? [];
      const isCoinbase = (txid: string): boolean => node.rawTransactions.get(txid)?.slice(10, 74) === '0'.repeat(64);
      const first = own.find(isCoinbase) ?? coinbaseAt(height);
      const txids = [first, ...own.filter((txid) => txid !== first)];
      const key = `${prev ? bytesToHex(prev) : ''} ${txids.join()}`;
      const block = mined.get(key) ?? mineBlock(prev, txids, startS + height - firstHeight);
      mined.set(key, block);
      blocks.push(block);
    }
    return blocks;
  };
  let last: { places: readonly (string | number)[]; blocks: StubBlock[] } | undefined;
  return () => {
    // Compared for every batch: benchmarks put thousands of coins on one chain.
    const places = placesOf(node);
    const isSame = last?.places.length === places.length && places.every((one, at) => one === last?.places[at]);
    last = last && isSame ? last : { places, blocks: chain(transactionsByHeight(node)) };
    const { blocks } = last;
    return (method, params) => answer(node, blocks, method, params);
  };
}

/** All that the blocks depend on. */
function placesOf(node: StubBitcoinState): (string | number)[] {
  const places: (string | number)[] = [node.height, node.rawTransactions.size];
  for (const [key, { confirmations }] of node.coins) places.push(key, confirmations);
  for (const [txid, confirmations] of node.confirmed) places.push(txid, confirmations);
  return places;
}

function transactionsByHeight(node: StubBitcoinState): Map<number, string[]> {
  const depths = new Map<string, number>();
  for (const [key, { confirmations }] of node.coins) depths.set(key.split(':')[0] ?? '', confirmations);
  for (const [txid, confirmations] of node.confirmed) depths.set(txid, confirmations);
  const placed = new Map<number, string[]>();
  for (const [txid, confirmations] of depths) {
    if (confirmations === 0 || !node.rawTransactions.has(txid)) continue;
    const height = node.height - confirmations + 1;
    const block = placed.get(height) ?? [];
    block.push(txid);
    placed.set(height, block);
  }
  for (const block of placed.values()) block.sort();
  return placed;
}

function mineBlock(prev: Uint8Array | undefined, txids: readonly string[], timeS: number): StubBlock {
  const levels = merkleLevels(txids);
  const root = levels.at(-1)?.[0] ?? new Uint8Array(32);
  const before = prev ? doubleSha256(prev) : new Uint8Array(32);
  for (let nonce = 0; ; nonce++) {
    const header = concatBytes(u32le(0x2000_0000), before, root, u32le(timeS), u32le(bits), u32le(nonce));
    const hash = hashToText(doubleSha256(header));
    if (BigInt(`0x${hash}`) <= workTarget(bits)) return { hash, header, txids, levels };
  }
}

function merkleLevels(txids: readonly string[]): Uint8Array[][] {
  const levels: Uint8Array[][] = [txids.map((txid) => hexToBytes(txid).reverse())];
  for (let level = levels[0] ?? []; level.length > 1; level = levels.at(-1) ?? []) {
    const pairs = Array.from({ length: Math.ceil(level.length / 2) }, (_, at) => {
      const left = level[2 * at] as Uint8Array;
      return doubleSha256(concatBytes(left, level[2 * at + 1] ?? left));
    });
    levels.push(pairs);
  }
  return levels;
}

/** CMerkleBlock of BIP-37 for one transaction. */
function merkleBlock({ header, txids, levels }: StubBlock, txid: string): string {
  const leaf = txids.indexOf(txid);
  const flags: number[] = [];
  const hashes: Uint8Array[] = [];
  const visit = (height: number, position: number): void => {
    const isAbove = leaf >> height === position;
    flags.push(isAbove ? 1 : 0);
    const hash = levels[height]?.[position];
    if (!hash) throw new Error('no such node');
    if (!isAbove || height === 0) {
      hashes.push(hash);
      return;
    }
    visit(height - 1, 2 * position);
    if (levels[height - 1]?.[2 * position + 1]) visit(height - 1, 2 * position + 1);
  };
  visit(levels.length - 1, 0);
  const bytes = new Uint8Array(Math.ceil(flags.length / 8));
  for (const [at, flag] of flags.entries()) bytes[at >> 3] = (bytes[at >> 3] ?? 0) | (flag << (at & 7));
  return bytesToHex(
    concatBytes(header, u32le(txids.length), compactSize(hashes.length), ...hashes, compactSize(bytes.length), bytes),
  );
}

function answer(
  node: StubBitcoinState,
  chain: readonly StubBlock[],
  method: string,
  params: readonly unknown[],
): unknown {
  const byHash = (hash: unknown): number => chain.findIndex((block) => block.hash === hash);
  if (method === 'getblockcount') return node.height;
  if (method === 'getblockchaininfo') return { blocks: node.height, bestblockhash: chain[node.height]?.hash };
  if (method === 'getblockhash') return chain[Number(params[0])]?.hash;
  if (method === 'estimatesmartfee') {
    return node.feeRateSatVb === null
      ? { errors: ['no data'], blocks: 0 }
      : { feerate: node.feeRateSatVb / 1e5, blocks: 6 };
  }
  if (method === 'gettxout') {
    const coin = node.coins.get(`${String(params[0])}:${String(params[1])}`);
    if (!coin || coin.confirmations === 0) return null;
    const { confirmations, script, coinbase = false } = coin;
    return {
      bestblock: '',
      confirmations,
      value: Number(coin.amountSats) / 1e8,
      scriptPubKey: { hex: script },
      coinbase,
    };
  }
  if (method === 'gettxoutproof') {
    const txid = String((params[0] as unknown[])[0]);
    const block = chain.find(({ hash, txids }) => txids.includes(txid) && (params[1] ?? hash) === hash);
    return block && merkleBlock(block, txid);
  }
  if (method === 'getrawtransaction') {
    const txid = String(params[0]);
    if (params[1] !== true) return node.rawTransactions.get(txid);
    const confirmations = node.confirmed.get(txid);
    return confirmations === undefined ? undefined : { txid, confirmations };
  }
  const height = byHash(params[0]);
  const block = chain[height];
  if (!block) return undefined;
  if (method === 'getblockheader') {
    return params[1] === false ? bytesToHex(block.header) : { height, confirmations: node.height - height + 1 };
  }
  return method === 'getblock' ? wholeBlock(node, block, params[1]) : undefined;
}

function wholeBlock(node: StubBitcoinState, { header, txids }: StubBlock, verbosity: unknown): unknown {
  const raws = txids.map((txid) => node.rawTransactions.get(txid) ?? '');
  if (verbosity === 0) return bytesToHex(concatBytes(header, compactSize(raws.length), ...raws.map(hexToBytes)));
  return {
    tx: raws.map((raw, at) => ({
      txid: txids[at],
      vin: parseBitcoinTransaction(raw).inputs.map((input) => {
        const hex = prevouts.get(node)?.get(`${input.txid}:${input.vout}`)?.script ?? '';
        return { ...input, prevout: { scriptPubKey: { hex } } };
      }),
    })),
  };
}
