import { secp256k1 } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { inspectBitcoinTransaction } from '@holdfast/core/chains/bitcoin/inspect.ts';
import { segwitSighashes } from '@holdfast/core/chains/bitcoin/script-sighashes.ts';
import { RawTx } from '@scure/btc-signer/script.js';
import { type Block, chainOf } from './chain/block.ts';
import type { BitcoinNode } from './chain/node.ts';
import type { Outside } from './chain/outside.ts';
import type { Transaction } from './chain/transaction.ts';
import type { Exchange } from './exchange.ts';
import { promisedTwice } from './promised-twice.ts';
import type { SimulatedPostgres } from './world/database.ts';
import { type Disk, diskRoot } from './world/disk.ts';

/** What must never be, was. */
export class BrokenInvariant extends Error {
  override readonly name = 'BrokenInvariant';
}

function must(holds: boolean, message: () => string): void {
  if (!holds) throw new BrokenInvariant(message());
}

interface Book {
  readonly debit: bigint;
  readonly credit: bigint;
  readonly hot: bigint;
  readonly owed: bigint;
  readonly tip: string | null;
  readonly settled: bigint;
  readonly deposits: readonly SeenDeposit[];
  readonly withdrawals: readonly SeenWithdrawal[];
}

interface SeenWithdrawal {
  readonly reference: string;
  readonly state: string;
  readonly reason: string | null;
}

interface SeenDeposit {
  readonly place: string;
  readonly state: string;
  /** Decimal. */
  readonly amount: string;
}

/** One question, for it is asked after every commit. */
const book = `select
  (select coalesce(sum(balance), 0) from account where normal = 'debit') as debit,
  (select coalesce(sum(balance), 0) from account where normal = 'credit') as credit,
  (select coalesce(sum(balance), 0) from account where starts_with(code, 'hot:')) as hot,
  (select coalesce(sum(case normal when 'credit' then balance else -balance end), 0) from account
    where starts_with(code, 'customer:') or starts_with(code, 'hold:') or starts_with(code, 'receivable:')) as owed,
  (select hash from block where state = 'applied' order by height desc limit 1) as tip,
  (select coalesce(sum(amount + fee), 0) from withdrawal where state = 'settled') as settled,
  (select coalesce(json_agg(json_build_object('place', txid || ':' || substr(idx, 6), 'state', state, 'amount', amount::text)), '[]')
    from deposit where state <> 'orphaned') as deposits,
  (select coalesce(json_agg(json_build_object('reference', client_reference, 'state', state, 'reason', reason) order by id), '[]')
    from withdrawal) as withdrawals`;

/** Compares what the system says with what happened, after every committed transaction and every broadcast. */
export class Invariants {
  readonly #postgres: SimulatedPostgres;
  readonly #outside: () => Outside;
  readonly #exchange: () => Exchange;
  readonly #disks: ReadonlyMap<string, Disk>;
  readonly #ownKeys: readonly string[];
  /** All payments ever broadcast, by the script that they pay. */
  readonly #paying = new Map<string, Transaction[]>();
  readonly #known = new Set<string>();
  #isDue = false;

  constructor(input: {
    readonly postgres: SimulatedPostgres;
    readonly outside: () => Outside;
    readonly exchange: () => Exchange;
    readonly disks: ReadonlyMap<string, Disk>;
    /** Of the wallet, compressed, hex. */
    readonly ownKeys: readonly string[];
  }) {
    this.#postgres = input.postgres;
    this.#outside = input.outside;
    this.#exchange = input.exchange;
    this.#disks = input.disks;
    this.#ownKeys = input.ownKeys;
    input.postgres.onCommit = () => void (this.#isDue = true);
  }

  /** What came of the run, for whoever reads whether it did anything. */
  async summary(): Promise<string> {
    const [row] = await this.#postgres.query<{ deposits: bigint; settled: bigint; released: bigint }>(
      `select (select count(*) from deposit where state = 'credited') as deposits,
              (select count(*) from withdrawal where state = 'settled') as settled,
              (select count(*) from withdrawal where state = 'released') as released`,
    );
    const { deposits, settled, released } = row!;
    return `${deposits} deposits, ${settled} paid and ${released} returned by ${this.#known.size} transactions`;
  }

  /** A node takes a transaction: one of ours needs a quorum's signatures, and what the signers remember of it. */
  accepted(transaction: Transaction, node: BitcoinNode): void {
    const coins = transaction.inputs.map((input) => node.coin(input)!);
    // Outside coins ask for nothing.
    if (coins.every(({ script }) => script === '51') || this.#known.has(transaction.txid)) return;
    this.#known.add(transaction.txid);
    this.#assertQuorum(transaction, coins);
    const remembering = [...this.#disks].filter(([id, disk]) =>
      disk.surviving(`${diskRoot}${id}/journal.jsonl`).includes(transaction.txid),
    );
    must(
      remembering.length >= 2,
      () => `${transaction.txid} was broadcast; only ${remembering.length} signers' disks know of it`,
    );
    for (const wanted of this.#exchange().wanted) {
      if (!transaction.outputs.some(({ script }) => script === wanted.script)) continue;
      const earlier = this.#paying.get(wanted.script) ?? [];
      for (const other of earlier)
        must(
          other.inputs.some((coin) => transaction.inputs.includes(coin)),
          () => `${other.txid} and ${transaction.txid} both pay ${wanted.reference}, and both can confirm`,
        );
      this.#paying.set(wanted.script, [...earlier, transaction]);
    }
  }

  #assertQuorum(transaction: Transaction, coins: readonly { script: string; amountSats: bigint }[]): void {
    const decoded = RawTx.decode(hexToBytes(transaction.raw));
    const bare = RawTx.encode({ ...decoded, segwitFlag: false, witnesses: undefined });
    const witnesses = (decoded.witnesses ?? []) as Uint8Array[][];
    const scripts = witnesses.map((items) => items.at(-1)!);
    const sighashes = segwitSighashes(
      inspectBitcoinTransaction(bytesToHex(bare)),
      coins.map(({ amountSats }, at) => ({ amountSats, witnessScript: scripts[at]! })),
    );
    for (const [at, items] of witnesses.entries()) {
      const program = `0020${bytesToHex(sha256(scripts[at]!))}`;
      must(coins[at]!.script === program, () => `input ${at} of ${transaction.txid} spends another script`);
      const signers = this.#ownKeys.filter((key) =>
        items.slice(1, -1).some((signature) => holds(signature, sighashes[at]!, key)),
      );
      must(signers.length >= 2, () => `input ${at} of ${transaction.txid} has signatures of ${signers.length} signers`);
    }
  }

  /** After an event; looks only when a transaction was committed. */
  async check(): Promise<void> {
    if (!this.#isDue) return;
    this.#isDue = false;
    const { debit, credit, hot, owed, tip, settled, deposits, withdrawals } = await this.#book();
    must(debit === credit, () => `postings do not sum to zero: ${debit} debit, ${credit} credit`);
    if (tip === null) return;
    const block = this.#outside().blocks.get(tip);
    must(block !== undefined, () => `the server has applied block ${tip}, which nobody mined`);
    const onChain = this.#walletSats(block!);
    must(hot === onChain, () => `the ledger has ${hot} sats in the wallet, the chain at ${tip} has ${onChain}`);
    this.#assertSeen(deposits, block!);
    this.#assertPaid(withdrawals, block!);
    const credited = deposits.reduce((sum, one) => sum + (one.state === 'credited' ? BigInt(one.amount) : 0n), 0n);
    must(owed === credited - settled, () => `customers have ${owed} sats; credited ${credited}, withdrawn ${settled}`);
  }

  async #book(): Promise<Book> {
    const [row] = await this.#postgres.query<Book>(book);
    return row!;
  }

  /** A withdrawal counts as paid exactly while a block of the applied chain pays it. */
  #assertPaid(withdrawals: readonly SeenWithdrawal[], tip: Block): void {
    const states = new Map(withdrawals.map((one) => [one.reference, one.state]));
    const scripts = new Set(outputsOf(tip).map(({ script }) => script));
    for (const { reference, script } of this.#exchange().wanted) {
      const state = states.get(reference) ?? 'unknown';
      const counts = state === 'included' || state === 'settled';
      must(
        counts === scripts.has(script),
        () => `${reference} is ${state}; in the applied chain: ${scripts.has(script)}`,
      );
    }
  }

  /** The coins of the wallet: deposit addresses that were told to nobody count too, but nobody pays those. */
  #walletSats(block: Block): bigint {
    let total = 0n;
    for (const { script, amountSats } of block.coins.values()) if (script.startsWith('0020')) total += amountSats;
    return total;
  }

  /** Every output to a customer in the applied chain is one deposit, and every deposit is one such output. */
  #assertSeen(deposits: readonly SeenDeposit[], tip: Block): void {
    const found = new Map(deposits.map((one) => [one.place, one]));
    must(found.size === deposits.length, () => 'a deposit is there twice');
    const expected = this.#depositsIn(tip);
    for (const [place, { amountSats }] of expected)
      must(
        found.get(place)?.amount === String(amountSats),
        () => `deposit ${place} of ${amountSats} sats is not recorded`,
      );
    for (const { place, state } of deposits)
      must(expected.has(place), () => `deposit ${place} is ${state}, and not in the applied chain`);
  }

  #depositsIn(tip: Block): Map<string, { amountSats: bigint; height: number }> {
    const scripts = new Set(this.#exchange().customers.map(({ script }) => script));
    const places = new Map<string, { amountSats: bigint; height: number }>();
    for (const { transactions, height } of chainOf(tip))
      for (const { txid, outputs } of transactions)
        for (const [vout, { script, amountSats }] of outputs.entries())
          if (scripts.has(script)) places.set(`${txid}:${vout}`, { amountSats, height });
    return places;
  }

  /** Why the system is not at rest yet; null when it is. */
  async unrest(): Promise<string | null> {
    const { tip, deposits, withdrawals } = await this.#book();
    const outside = this.#outside();
    if (!outside.isInStep() || tip !== outside.best.hash) return 'the server follows the chain';
    const waiting = deposits.filter(({ state }) => state !== 'credited');
    if (waiting.length > 0) return `${waiting.length} deposits are not credited`;
    const open = withdrawals.filter(({ state }) => state !== 'settled' && state !== 'released');
    if (open.length === 0) return null;
    return open.map((one) => `${one.reference} is ${one.state}`).join(', ');
  }

  /** At rest: everybody got what the final chain says, once. */
  async final(): Promise<void> {
    this.#isDue = true;
    await this.check();
    const outside = this.#outside();
    const { best } = outside;
    const { withdrawals } = await this.#book();
    const states = new Map(withdrawals.map((one) => [one.reference, one]));
    const outputs = outputsOf(best);
    for (const wanted of this.#exchange().wanted) {
      const paid = outputs.filter(({ script }) => script === wanted.script);
      const row = states.get(wanted.reference);
      must(paid.length <= 1, () => `${wanted.reference} is paid ${paid.length} times`);
      must(
        paid.every(({ amountSats }) => amountSats === wanted.amountSats),
        () => `${wanted.reference} of ${wanted.amountSats} sats is paid ${paid[0]!.amountSats}`,
      );
      must(
        (row?.state === 'settled') === (paid.length === 1),
        () => `${wanted.reference} is ${row?.state}, paid ${paid.length} times`,
      );
      must(row !== undefined || wanted.id === null, () => `${wanted.reference} was accepted and is lost`);
      must(
        row?.state !== 'released' || row.reason !== null,
        () => `${wanted.reference} was given back without a reason`,
      );
    }
    const [halted] = await this.#postgres.query<{ message: string }>(
      `select message from alarm where code = 'halted' and closed_at_ms is null`,
    );
    must(!halted, () => `halted without a cause: ${halted?.message}`);
    const isSpentInstead = (coin: string, by: string): boolean =>
      (outside.spender(coin) ?? by) !== by || outside.isGone(coin, 0);
    for (const [id, disk] of this.#disks) {
      const problem = promisedTwice(disk.surviving(`${diskRoot}${id}/journal.jsonl`), isSpentInstead);
      must(problem === null, () => `${id} ${problem}`);
    }
  }
}

const outputsOf = (tip: Block): Transaction['outputs'][number][] =>
  chainOf(tip).flatMap(({ transactions }) => transactions.flatMap((one) => one.outputs));

/** A DER signature in a witness ends with the sighash type. */
function holds(signature: Uint8Array, digest: Uint8Array, key: string): boolean {
  if (signature.length < 9) return false;
  const options = { prehash: false, format: 'der', lowS: true } as const;
  return secp256k1.verify(signature.subarray(0, -1), digest, hexToBytes(key), options);
}
