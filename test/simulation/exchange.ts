import { ed25519 } from '@noble/curves/ed25519.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { errorRow } from '@holdfast/core/contract/error-codes.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { intentDigest, type WithdrawalIntent } from '@holdfast/core/signing/intent.ts';
import type { Operations } from '@holdfast/server/http/operations.ts';
import { bitcoin, btc, integratorSecret, minimumWithdrawal, withdrawalFee } from './blueprint.ts';
import type { Outside } from './chain/outside.ts';
import type { System } from './system.ts';
import { network } from './world/machines.ts';
import type { World } from './world/world.ts';

export interface Customer {
  readonly id: string;
  readonly address: string;
  /** Hex. */
  readonly script: string;
}

/** What a customer has asked for, until the API has said what it knows of it. */
export interface Wanted {
  readonly reference: string;
  readonly customer: string;
  readonly amountSats: bigint;
  /** Of nobody else: a payment to it is for this withdrawal. */
  readonly script: string;
  /** null: nothing was answered yet. */
  id: string | null;
  refused: boolean;
}

export interface Workload {
  readonly customers: number;
  readonly deposits: number;
  readonly withdrawals: number;
  /** Between two acts, milliseconds, on average. */
  readonly paceMs: number;
  /** Chance that a payer takes a deposit back before it confirms. */
  readonly contested: number;
}

const intentMs = 600_000;
const answerMs = 20_000;
const retryMs = 1_500;
/** An exchange that was refused for so long has given up. */
const attemptsMax = 60;

/** The exchange that integrates: it asks for addresses and withdrawals until it has an answer, and its customers pay. */
export class Exchange {
  readonly customers: Customer[] = [];
  readonly wanted: Wanted[] = [];
  /** Nothing new is asked for. */
  isDone = false;
  readonly #world: World;
  readonly #system: System;
  readonly #outside: Outside;
  readonly #workload: Workload;

  constructor(world: World, system: System, outside: Outside, workload: Workload) {
    this.#world = world;
    this.#system = system;
    this.#outside = outside;
    this.#workload = workload;
  }

  async run(): Promise<void> {
    const { customers, deposits, withdrawals } = this.#workload;
    for (let count = 1; count <= customers; count++) await this.#join(`customer-${count}`);
    await Promise.all([
      this.#repeat(deposits, async () => this.#pay()),
      this.#repeat(withdrawals, async (count) => this.#withdraw(count)),
    ]);
    this.isDone = true;
  }

  async #repeat(times: number, act: (count: number) => Promise<void>): Promise<void> {
    for (let count = 1; count <= times; count++) {
      await new Promise((resolve) => setTimeout(resolve, this.#world.random.between(0, 2 * this.#workload.paceMs)));
      await act(count);
    }
  }

  async #join(reference: string): Promise<void> {
    const created = await this.#ask('create customer', (api) => api.createCustomer({ client_reference: reference }));
    if (!created) return;
    const issue = (api: Operations) => api.issueDepositAddress({ customer: created.id, network: bitcoin });
    const issued = await this.#ask('issue address', issue);
    if (!issued) return;
    const { address } = issued;
    this.customers.push({ id: created.id, address, script: this.#outside.scriptOf(address) });
  }

  #pay(): void {
    const { random } = this.#world;
    const small = () => BigInt(random.between(5_000, 40_000_000));
    const large = () => BigInt(random.between(100_000_000, 150_000_000));
    const outputs = Array.from({ length: random.between(1, 3) }, () => ({
      script: random.pick(this.customers).script,
      amountSats: random.chance(0.2) ? large() : small(),
    }));
    this.#outside.pay(outputs, random.chance(this.#workload.contested));
  }

  async #withdraw(count: number): Promise<void> {
    const { random } = this.#world;
    const [customer, available] = await this.#somebodyWithCoins();
    if (customer === null) return;
    const most = Number(available > 90_000_000n ? 90_000_000n : available);
    const amount = random.between(Number(minimumWithdrawal), most);
    const reference = `withdrawal-${count}`;
    const destination = this.#outside.addressOf(reference);
    const intent: WithdrawalIntent = {
      version: 1,
      kind: 'withdrawal',
      network: bitcoin,
      asset: btc,
      amount: String(amount),
      destination,
      memo: null,
      customer,
      fee_max: String(withdrawalFee),
      expires_at: new Date(Date.now() + intentMs).toISOString(),
      nonce: reference,
    };
    const signature = bytesToHex(ed25519.sign(intentDigest(intent), integratorSecret));
    const body = { client_reference: reference, intent, authorization: { key_id: 'exchange', signature } };
    const wanted: Wanted = {
      reference,
      customer,
      amountSats: BigInt(amount),
      script: this.#outside.scriptOf(destination),
      id: null,
      refused: false,
    };
    this.wanted.push(wanted);
    const made = await this.#ask('create withdrawal', (api) => api.createWithdrawal(body));
    if (made) wanted.id = made.id;
    else wanted.refused = true;
  }

  /** Waits for it a while, for deposits take their time. */
  async #somebodyWithCoins(): Promise<[string, bigint] | [null, bigint]> {
    for (let attempt = 1; attempt <= 8; attempt++) {
      const { id } = this.#world.random.pick(this.customers);
      const rows = await this.#ask('list balances', (api) => api.listBalances(id));
      const available = BigInt(rows?.[0]?.available ?? 0) - withdrawalFee;
      if (available >= minimumWithdrawal) return [id, available];
      await new Promise((resolve) => setTimeout(resolve, this.#workload.paceMs));
    }
    return [null, 0n];
  }

  /** Asks until there is an answer, as a client with an idempotent request does. @returns null for a refusal. */
  async #ask<T>(what: string, operation: (api: Operations) => Promise<T>): Promise<T | null> {
    for (let attempt = 1; attempt <= attemptsMax; attempt++) {
      const answer = await this.#once(what, operation).catch(() => null);
      if (answer && 'value' in answer) return answer.value;
      if (answer && !isPassing(answer.error)) {
        this.#world.note(`${what} is refused: ${answer.error instanceof Error ? answer.error.message : ''}`);
        return null;
      }
      await new Promise((resolve) => setTimeout(resolve, retryMs));
    }
    return null;
  }

  #once<T>(what: string, operation: (api: Operations) => Promise<T>): Promise<{ value: T } | { error: unknown }> {
    return network().exchange(`exchange -> server ${what}`, 'server', answerMs, (hand) => {
      const { api } = this.#system;
      if (!api) return;
      const serve = async (): Promise<void> => {
        hand(
          await operation(api.operations).then(
            (value) => ({ value }),
            (error: unknown) => ({ error }),
          ),
        );
      };
      this.#world.after(0, `server serves ${what}`, () => void serve(), api.owner);
    });
  }
}

/** Whether asking again may help: refusals of the 4xx kind leave nothing behind. */
function isPassing(error: unknown): boolean {
  return !(error instanceof Failure) || errorRow(error.code).retryable || errorRow(error.code).status >= 500;
}
