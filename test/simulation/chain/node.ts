import { bytesToHex } from '@noble/hashes/utils.js';
import { type Block, chainOf, isBelow, merkleProof, rawBlock } from './block.ts';
import { type Output, type Transaction, transactionOf } from './transaction.ts';

/** What a node answers instead of a result. */
export class NodeRefusal extends Error {}

/** How a node deceives whoever asks it. */
export type Lie = 'nothing' | 'behind' | 'empty' | 'forged-hash' | 'cheap' | 'deaf';

/** One Bitcoin node: its own view of blocks, and its own mempool. */
export class BitcoinNode {
  readonly name: string;
  tip: Block;
  readonly mempool = new Map<string, Transaction>();
  /** Satoshi a virtual byte that it estimates; null: none. */
  feeRateSatVb: number | null = 5;
  lie: Lie = 'nothing';
  /** Told of each transaction that the node took, and may throw. */
  readonly onAccepted: (transaction: Transaction, node: BitcoinNode) => void;

  constructor(name: string, tip: Block, onAccepted: BitcoinNode['onAccepted']) {
    this.name = name;
    this.tip = tip;
    this.onAccepted = onAccepted;
  }

  /** Follows the longer chain; of two as long it stays with its own. */
  hear(block: Block): void {
    if (block.height <= this.tip.height) return;
    const displaced = chainOf(this.tip).filter((one) => !isBelow(one, block));
    this.tip = block;
    const waiting = [...displaced.flatMap(({ transactions }) => transactions), ...this.mempool.values()];
    this.mempool.clear();
    for (const transaction of waiting) if (this.#objection(transaction) === null) this.#keep(transaction);
  }

  /** @throws NodeRefusal. */
  submit(raw: string): string {
    const transaction = transactionOf(raw);
    if (this.mempool.has(transaction.txid)) return transaction.txid;
    const objection = this.#objection(transaction);
    if (objection !== null) throw new NodeRefusal(objection);
    this.onAccepted(transaction, this);
    this.#keep(transaction);
    return transaction.txid;
  }

  feeOf({ inputs, outputs }: Transaction): bigint {
    const paid = inputs.reduce((sum, input) => sum + (this.coin(input)?.amountSats ?? 0n), 0n);
    return paid - outputs.reduce((sum, { amountSats }) => sum + amountSats, 0n);
  }

  /** Unspent in the chain, or made by what waits. */
  coin(outpoint: string): Output | undefined {
    const [txid = '', vout = ''] = outpoint.split(':');
    return this.tip.coins.get(outpoint) ?? this.mempool.get(txid)?.outputs[Number(vout)];
  }

  /** What waits and spends one of the same coins. */
  #rivals({ txid, inputs }: Transaction): Transaction[] {
    const wanted = new Set(inputs);
    return [...this.mempool.values()].filter((one) => one.txid !== txid && one.inputs.some((coin) => wanted.has(coin)));
  }

  #objection(transaction: Transaction): string | null {
    if (transaction.inputs.length === 0) return 'coinbase';
    if (transaction.inputs.some((input) => this.coin(input) === undefined)) return 'bad-txns-inputs-missingorspent';
    if (this.feeOf(transaction) < 0n) return 'bad-txns-in-belowout';
    const rate = (one: Transaction): number => Number(this.feeOf(one)) / one.virtualBytes;
    // BIP-125 in short: a replacement pays a higher rate than what it replaces.
    const dearer = this.#rivals(transaction).some((rival) => rate(rival) >= rate(transaction));
    return dearer ? 'insufficient fee, rejecting replacement' : null;
  }

  #keep(transaction: Transaction): void {
    for (const rival of this.#rivals(transaction)) this.drop(rival);
    this.mempool.set(transaction.txid, transaction);
  }

  /** Forgets a transaction and what spends its outputs. */
  drop({ txid }: Transaction): void {
    this.mempool.delete(txid);
    for (const one of this.mempool.values()) if (one.inputs.some((coin) => coin.startsWith(`${txid}:`))) this.drop(one);
  }

  /** @throws NodeRefusal. */
  answer(method: string, params: readonly unknown[]): unknown {
    const reply = answers[method];
    if (!reply) throw new NodeRefusal(`Method not found: ${method}`);
    const seen = this.lie === 'behind' && this.tip.parent ? this.tip.parent : this.tip;
    return reply(this, seen, params);
  }
}

const blockAt = (tip: Block, height: number): Block => {
  let block: Block | null = tip;
  while (block && block.height > height) block = block.parent;
  if (!block || block.height !== height) throw new NodeRefusal('Block height out of range');
  return block;
};

function blockOf(tip: Block, hash: unknown): Block {
  for (let block: Block | null = tip; block; block = block.parent) if (block.hash === hash) return block;
  throw new NodeRefusal('Block not found');
}

function holderOf(tip: Block, txid: string): Block | null {
  for (let block: Block | null = tip; block; block = block.parent)
    if (block.transactions.some((one) => one.txid === txid)) return block;
  return null;
}

const coins = (sats: bigint): number => Number(sats) / 1e8;

/** The calls that server and signers make, as Bitcoin Core 28 answers them. */
const answers: Readonly<Record<string, (node: BitcoinNode, tip: Block, params: readonly unknown[]) => unknown>> = {
  getblockcount: (_, tip) => tip.height,
  getblockchaininfo: (_, tip) => ({ blocks: tip.height, bestblockhash: tip.hash }),
  getblockhash: (node, tip, [height]) => {
    const { hash } = blockAt(tip, Number(height));
    return node.lie === 'forged-hash' && Number(height) > tip.height - 2 ? `0${hash.slice(1, -1)}${hash[1]}` : hash;
  },
  getblockheader: (_, tip, [hash, verbose]) => {
    const block = blockOf(tip, hash);
    return verbose === false
      ? bytesToHex(block.header)
      : { height: block.height, confirmations: tip.height - block.height + 1 };
  },
  getblock: (node, tip, [hash, verbosity]) => {
    const block = blockOf(tip, hash);
    if (verbosity === 0) return rawBlock(block);
    return { tx: block.transactions.map((one) => withPrevouts(node, block, one)) };
  },
  estimatesmartfee: ({ feeRateSatVb, lie }) => {
    if (feeRateSatVb === null) return { errors: ['no data'], blocks: 0 };
    return { feerate: (lie === 'cheap' ? 1 : feeRateSatVb) / 1e5, blocks: 6 };
  },
  gettxout: ({ lie }, tip, [txid, vout]) => {
    const coin = tip.coins.get(`${String(txid)}:${String(vout)}`);
    if (!coin || lie === 'empty') return null;
    const { script, amountSats, height } = coin;
    const confirmations = tip.height - height + 1;
    return { confirmations, value: coins(amountSats), scriptPubKey: { hex: script }, coinbase: coin.coinbase };
  },
  gettxoutproof: (_, tip, [txids, hash]) => {
    const txid = String((txids as unknown[])[0]);
    const block = hash === undefined ? holderOf(tip, txid) : blockOf(tip, hash);
    if (!block?.transactions.some((one) => one.txid === txid)) throw new NodeRefusal('Transaction not yet in block');
    return merkleProof(block, txid);
  },
  getrawtransaction: (node, tip, [txid, verbose]) => {
    const block = holderOf(tip, String(txid));
    const found = block?.transactions.find((one) => one.txid === txid) ?? node.mempool.get(String(txid));
    if (!found) throw new NodeRefusal('No such mempool or blockchain transaction');
    if (verbose !== true) return found.raw;
    return block ? { txid, confirmations: tip.height - block.height + 1 } : { txid };
  },
  scantxoutset: (_, tip, [, descriptors]) => {
    const scripts = new Set((descriptors as string[]).map((one) => one.slice('raw('.length, -1)));
    let total = 0n;
    const unspents = [];
    for (const [outpoint, { script, amountSats, coinbase }] of tip.coins) {
      if (!scripts.has(script)) continue;
      total += amountSats;
      const [txid, vout] = outpoint.split(':');
      unspents.push({ txid, vout: Number(vout), scriptPubKey: script, amount: coins(amountSats), coinbase });
    }
    return { height: tip.height, bestblock: tip.hash, total_amount: coins(total), unspents };
  },
  sendrawtransaction: (node, tip, [raw]) => {
    const { txid } = transactionOf(String(raw));
    if (holderOf(tip, txid)) throw new NodeRefusal('Transaction outputs already in utxo set');
    if (node.lie === 'deaf') return txid;
    return node.submit(String(raw));
  },
};

function withPrevouts(node: BitcoinNode, block: Block, { txid, inputs }: Transaction): unknown {
  const before = new Map<string, string>();
  for (const [outpoint, { script }] of block.parent?.coins ?? []) before.set(outpoint, script);
  for (const one of block.transactions)
    for (const [vout, { script }] of one.outputs.entries()) before.set(`${one.txid}:${vout}`, script);
  const vin = inputs.map((input) => {
    const [from, vout] = input.split(':');
    const hex = node.lie === 'empty' ? '51' : (before.get(input) ?? '');
    return { txid: from, vout: Number(vout), prevout: { scriptPubKey: { hex } } };
  });
  return { txid, vin: vin.length > 0 ? vin : [{}] };
}
