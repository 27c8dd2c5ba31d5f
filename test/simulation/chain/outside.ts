import { encodeSegwit, parseBitcoinAddress } from '@holdfast/core/chains/bitcoin/address.ts';
import { bitcoinParams } from '@holdfast/core/chains/bitcoin/params.ts';
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { type World } from '../world/world.ts';
import { type Block, chainOf, mineBlock } from './block.ts';
import { BitcoinNode, NodeRefusal } from './node.ts';
import { coinbase, type Output, outsidePayment, type Transaction } from './transaction.ts';

/** What anybody may spend: the coins of the world outside. */
const anyones = '51';
const coinSats = 500_000_000n;
const coinsAtFirst = 300;
const olderBlocks = 12;
/** A block has reached every node after so long. */
const hearingMs = 3_000;

/** All nodes, the miners, and the people who pay customers. */
export class Outside {
  readonly nodes: ReadonlyMap<string, BitcoinNode>;
  /** Every block ever mined, by hash. */
  readonly blocks = new Map<string, Block>();
  /** Longest chain that anybody knows. */
  best: Block;
  /** Chance that a miner leaves a transaction for later. */
  leavesOut = 0.1;
  /** Told of every block that was mined. */
  onMined: (block: Block) => void = () => undefined;
  /** Told after a node has answered somebody. */
  onServed: (who: string, method: string) => void = () => undefined;
  readonly #world: World;
  readonly #params;
  #coins: string[] = [];

  constructor(world: World, network: string, names: readonly string[], onAccepted: BitcoinNode['onAccepted']) {
    this.#world = world;
    this.#params = bitcoinParams(network);
    const source = outsidePayment(
      ['ab'.repeat(32) + ':0'],
      Array.from({ length: coinsAtFirst }, () => ({ script: anyones, amountSats: coinSats })),
    );
    this.#coins = source.outputs.map((_, vout) => `${source.txid}:${vout}`);
    this.best = this.#mine(null, [coinbase(0, '00')]);
    for (let height = 1; height < olderBlocks; height++)
      this.best = this.#mine(this.best, [coinbase(height, '00'), ...(height === 1 ? [source] : [])]);
    const relay: BitcoinNode['onAccepted'] = (transaction, node) => {
      onAccepted(transaction, node);
      this.#relay(transaction, node);
    };
    this.nodes = new Map(names.map((name) => [name, new BitcoinNode(name, this.best, relay)]));
  }

  scriptOf(address: string): string {
    return parseBitcoinAddress(address, this.#params).script;
  }

  /** An address of somebody outside that no other has. */
  addressOf(name: string): string {
    const program = sha256(utf8ToBytes(name)).subarray(0, 20);
    return encodeSegwit({ prefix: this.#params.bech32, version: 0, program });
  }

  #mine(parent: Block | null, transactions: readonly Transaction[]): Block {
    const block = mineBlock(parent, transactions, this.#world.nowMs());
    this.blocks.set(block.hash, block);
    return block;
  }

  #relay(transaction: Transaction, from: BitcoinNode): void {
    for (const node of this.nodes?.values() ?? []) {
      if (node === from || node.mempool.has(transaction.txid)) continue;
      const hear = (): void => submitQuietly(node, transaction.raw);
      this.#world.after(this.#world.random.between(5, 2_000), `${node.name} hears a transaction`, hear);
    }
  }

  /** Outside people pay these outputs by a node; `isContested`: another node hears of a payment that takes the coin back. */
  pay(outputs: readonly Output[], isContested: boolean): Transaction {
    const { random } = this.#world;
    const coin = this.#coins.shift()!;
    const spent = outputs.reduce((sum, { amountSats }) => sum + amountSats, 0n);
    const change = { script: anyones, amountSats: coinSats - spent - BigInt(random.between(500, 3_000)) };
    const payment = outsidePayment([coin], [...outputs, change]);
    const [first, other] = [random.pick([...this.nodes.values()]), random.pick([...this.nodes.values()])];
    submitQuietly(first, payment.raw);
    if (isContested) {
      const back = [{ script: anyones, amountSats: coinSats - BigInt(random.between(4_000, 9_000)) }];
      const retract = (): void => submitQuietly(other, outsidePayment([coin], back).raw);
      this.#world.after(random.between(10, 30_000), 'a payment is taken back', retract);
    }
    return payment;
  }

  /** A miner finds a block on what its node has. */
  mine(): void {
    const { random } = this.#world;
    const node = random.pick([...this.nodes.values()]);
    const height = node.tip.height + 1;
    const waiting = [...node.mempool.values()].filter(() => !random.chance(this.leavesOut));
    const block = this.#mine(node.tip, [
      coinbase(height, random.bytes(4).toString('hex')),
      ...fitting(node.tip, waiting),
    ]);
    this.#announce(block);
  }

  /** A branch of more work than the last `depth` blocks; payments that nobody repeats may be gone, or taken back. */
  reorganise(depth: number, forget: number, slowestMs = hearingMs): void {
    const { random } = this.#world;
    const old = chainOf(this.best).slice(-depth);
    let tip = old[0]?.parent;
    if (!tip) return;
    let waiting = old.flatMap(({ transactions }) => transactions.slice(1));
    waiting = waiting.map((one) => (isOutside(one) && random.chance(forget) ? this.#takenBack(one) : one));
    for (let made = 0; made <= depth; made++) {
      const chosen = fitting(
        tip,
        waiting.filter(() => random.chance(0.6)),
      );
      waiting = waiting.filter((one) => !chosen.includes(one));
      tip = this.#mine(tip, [coinbase(tip.height + 1, random.bytes(4).toString('hex')), ...chosen]);
      this.onMined(tip);
    }
    this.#world.note(`a reorganisation of ${depth} blocks to ${tip.hash}`);
    this.#announce(tip, slowestMs);
  }

  /** What the payer paid themselves instead, with the same coins. */
  #takenBack({ inputs, outputs }: Transaction): Transaction {
    const total = outputs.reduce((sum, { amountSats }) => sum + amountSats, 0n);
    return outsidePayment(inputs, [{ script: anyones, amountSats: total - 1_000n }], '5151');
  }

  #announce(block: Block, slowestMs = hearingMs): void {
    if (block.height > this.best.height) this.best = block;
    this.onMined(block);
    for (const node of this.nodes.values())
      this.#world.after(this.#world.random.between(1, slowestMs), `${node.name} hears block ${block.height}`, () =>
        node.hear(block),
      );
  }

  /** Whether every node follows the longest chain. */
  isInStep(): boolean {
    return [...this.nodes.values()].every(({ tip }) => tip === this.best);
  }

  /** What spends a coin in the longest chain; null: nothing. */
  spender(coin: string): string | null {
    for (const { transactions } of chainOf(this.best))
      for (const { txid, inputs } of transactions) if (inputs.includes(coin)) return txid;
    return null;
  }

  /** Whether a coin can never be there: another payment, so many blocks deep, has spent what made it, or what made that. */
  isGone(coin: string, depth: number): boolean {
    if (this.best.coins.has(coin) || this.spender(coin) !== null) return false;
    const maker = coin.split(':')[0]!;
    const isDisplaced = (input: string): boolean => {
      const spentBy = this.spender(input);
      return spentBy === null ? this.isGone(input, depth) : spentBy !== maker && this.#depthOf(spentBy) >= depth;
    };
    return this.#everMade(maker)?.inputs.some(isDisplaced) ?? false;
  }

  #depthOf(txid: string): number {
    const holder = chainOf(this.best).find(({ transactions }) => transactions.some((one) => one.txid === txid));
    return holder ? this.best.height - holder.height + 1 : 0;
  }

  #everMade(txid: string): Transaction | undefined {
    for (const { transactions } of this.blocks.values())
      for (const one of transactions) if (one.txid === txid) return one;
    return undefined;
  }

  /** Every node forgets a payment that waits, as full mempools do, or a restart. */
  evict(): void {
    const waiting = new Map([...this.nodes.values()].flatMap(({ mempool }) => [...mempool]));
    if (waiting.size === 0) return;
    const transaction = this.#world.random.pick([...waiting.values()]);
    this.#world.note(`all nodes forget ${transaction.txid}`);
    for (const node of this.nodes.values()) node.drop(transaction);
  }
}

/** Only outside payments have something in their scriptSig. */
const isOutside = ({ raw }: Transaction): boolean => raw.slice(8, 10) !== '00';

/** Those whose coins are there, in the order given. */
function fitting(tip: Block, waiting: readonly Transaction[]): Transaction[] {
  const made = new Map<string, boolean>();
  const chosen: Transaction[] = [];
  for (const one of waiting) {
    const isThere = (coin: string): boolean => made.get(coin) ?? tip.coins.has(coin);
    if (!one.inputs.every(isThere)) continue;
    for (const input of one.inputs) made.set(input, false);
    for (const vout of one.outputs.keys()) made.set(`${one.txid}:${vout}`, true);
    chosen.push(one);
  }
  return chosen;
}

function submitQuietly(node: BitcoinNode, raw: string): void {
  try {
    node.submit(raw);
  } catch (error) {
    // A node that refuses has heard of another payment, or follows another branch.
    if (!(error instanceof NodeRefusal)) throw error;
  }
}
