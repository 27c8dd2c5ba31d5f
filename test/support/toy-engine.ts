import { Failure } from '@holdfast/core/failure.ts';
import { signEngineRecord } from '@holdfast/client/sign-record.ts';
import type { CreateWithdrawalBody } from '@holdfast/core/contract/bodies.ts';
import type { EngineEntryResource, EngineReconciliationResource } from '@holdfast/core/contract/engine-resources.ts';
import { intentDigestHex } from '@holdfast/core/signing/intent.ts';
import type { System } from './system.ts';

/** The engine's process dies here, the first time that it passes; what it has stored stays. */
export const crashPoints = [
  'after-reserve',
  'after-call',
  'after-note',
  'before-entry',
  'after-entry',
  'before-release',
  'after-release',
] as const;
type CrashPoint = (typeof crashPoints)[number];
export class Crash extends Error {}

interface Reservation {
  /** What was taken from the customer's balance. */
  readonly total: bigint;
  readonly customer: string;
  readonly asset: string;
  readonly body: CreateWithdrawalBody;
  /** `reserved`: the call may or may not have arrived. `refused`: it was, and must be given up. `held`: an entry said so. */
  readonly state: 'reserved' | 'sent' | 'refused' | 'released' | 'held';
}

/** What the engine keeps on its disk; each `store` is one atomic write. */
interface Disk {
  readonly seq: number;
  /** By `customer asset`. */
  readonly available: ReadonlyMap<string, bigint>;
  readonly held: ReadonlyMap<string, bigint>;
  readonly owed: ReadonlyMap<string, bigint>;
  readonly reservations: ReadonlyMap<string, Reservation>;
}

/**
 * An exchange's engine in small, as docs/how-to/let-the-engine-own-balances.md asks for one: it owns the balances, sets
 * aside before it asks, asks again until it has an answer, and applies each entry once.
 */
export class ToyEngine {
  private disk: Disk = { seq: 0, available: new Map(), held: new Map(), owed: new Map(), reservations: new Map() };
  private readonly due: Set<CrashPoint>;
  private readonly system: System;
  /** Named a crash each. */
  readonly crashed: CrashPoint[] = [];

  constructor(system: System, crashAt: readonly CrashPoint[] = []) {
    this.system = system;
    this.due = new Set(crashAt);
  }

  private pass(point: CrashPoint): void {
    if (!this.due.delete(point)) return;
    this.crashed.push(point);
    throw new Crash(point);
  }

  private store(change: (disk: { -readonly [K in keyof Disk]: Disk[K] }) => void): void {
    const next = { ...this.disk };
    change(next);
    this.disk = next;
  }

  reservation(name: string): Reservation | undefined {
    return this.disk.reservations.get(name);
  }

  available(customer: string, asset: string): bigint {
    return this.disk.available.get(`${customer} ${asset}`) ?? 0n;
  }

  private key() {
    const { keyId, seed } = this.system.parties.engine;
    return { keyId, privateKey: seed };
  }

  /** Sets the total aside and asks for the withdrawal. */
  async withdraw(name: string, asset: string, total: bigint, request: CreateWithdrawalBody): Promise<void> {
    const { customer } = request.intent;
    const reservation = signEngineRecord(
      {
        version: 1,
        kind: 'reservation',
        engine: this.key().keyId,
        reservation: name,
        customer,
        asset,
        amount: total.toString(),
        digest: intentDigestHex(request.intent),
      },
      this.key(),
    );
    this.store((disk) => {
      disk.available = plus(disk.available, `${customer} ${asset}`, -total);
      const entry = { total, customer, asset, body: { ...request, reservation }, state: 'reserved' } as const;
      disk.reservations = new Map([...disk.reservations, [name, entry]]);
    });
    this.pass('after-reserve');
    await this.ask(name);
  }

  /** Sends the withdrawal, the same bytes each time; a refusal is followed by giving the reservation up. */
  private async ask(name: string): Promise<void> {
    try {
      await this.system.client.createWithdrawal(this.disk.reservations.get(name)!.body);
    } catch (error) {
      if (!(error instanceof Failure) || ['outcome_unknown', 'server-unavailable'].includes(error.code)) throw error;
      this.mark(name, 'refused');
      this.pass('before-release');
      await this.giveUp(name);
      return;
    }
    this.pass('after-call');
    this.mark(name, 'sent');
    this.pass('after-note');
  }

  private mark(name: string, state: Reservation['state']): void {
    this.store((disk) => {
      // An entry may have told of it before the answer was noted.
      const known = disk.reservations.get(name)!;
      if (known.state !== 'held') disk.reservations = new Map([...disk.reservations, [name, { ...known, state }]]);
    });
  }

  /** Only when Holdfast says `released` may the customer have the money again. */
  async giveUp(name: string): Promise<'released' | 'taken'> {
    const record = { version: 1, kind: 'reservation-release', engine: this.key().keyId, reservation: name } as const;
    const { state } = await this.system.client.releaseReservation(signEngineRecord(record, this.key()));
    this.pass('after-release');
    if (state === 'taken') {
      this.mark(name, 'sent');
      return state;
    }
    this.store((disk) => {
      const known = disk.reservations.get(name)!;
      if (known.state === 'released') return;
      disk.reservations = new Map([...disk.reservations, [name, { ...known, state: 'released' }]]);
      disk.available = plus(disk.available, `${known.customer} ${known.asset}`, known.total);
    });
    return state;
  }

  /** After a start: whatever was under way is asked for again. */
  async recover(): Promise<void> {
    for (const [name, { state }] of this.disk.reservations) {
      if (state === 'reserved') await this.ask(name);
      if (state === 'refused') await this.giveUp(name);
    }
  }

  /** Applies every entry that there is, each in one write with its number. */
  async follow(): Promise<void> {
    for await (const entry of this.system.client.each('listEngineEntries', {
      after: String(this.disk.seq),
      limit: 200,
    })) {
      this.pass('before-entry');
      if (entry.seq !== this.disk.seq + 1) throw new Error(`entry ${entry.seq} does not follow ${this.disk.seq}`);
      this.store((disk) => apply(disk, entry));
      this.pass('after-entry');
    }
  }

  /** States what it owes and so acknowledges. @param wrong added to what is owed of an asset. */
  async state(wrong: Readonly<Record<string, bigint>> = {}): Promise<EngineReconciliationResource> {
    const totals = new Map<string, bigint>(Object.entries(wrong));
    const add = (balances: ReadonlyMap<string, bigint>, sign: bigint): void => {
      for (const [key, amount] of balances) {
        const asset = key.split(' ')[1]!;
        totals.set(asset, (totals.get(asset) ?? 0n) + sign * amount);
      }
    };
    add(this.disk.available, 1n);
    add(this.disk.held, 1n);
    add(this.disk.owed, -1n);
    for (const { state, asset, total } of this.disk.reservations.values()) {
      if (state !== 'held' && state !== 'released') totals.set(asset, (totals.get(asset) ?? 0n) + total);
    }
    const record = {
      version: 1,
      kind: 'engine-statement',
      engine: this.key().keyId,
      sequence: this.disk.seq,
      totals: [...totals].map(([asset, liability]) => ({ asset, liability: liability.toString() })),
    } as const;
    return this.system.client.createEngineStatement(
      signEngineRecord({ ...record, totals: [...record.totals] }, this.key()),
    );
  }
}

function apply(disk: { -readonly [K in keyof Disk]: Disk[K] }, entry: EngineEntryResource): void {
  disk.seq = entry.seq;
  for (const { customer, part, amount } of entry.changes) {
    disk[part] = plus(disk[part], `${customer} ${entry.asset}`, BigInt(amount));
  }
  if (entry.kind !== 'reserve') return;
  // What the entry holds was set aside before: all of that goes back first, so that only what is held has left.
  const name = entry.reservation ?? '';
  const known = disk.reservations.get(name);
  if (!known || known.state === 'released') throw new Error(`a withdrawal took ${name}, which was not set aside`);
  disk.available = plus(disk.available, `${known.customer} ${known.asset}`, known.total);
  disk.reservations = new Map([...disk.reservations, [name, { ...known, state: 'held' }]]);
}

function plus(balances: ReadonlyMap<string, bigint>, key: string, amount: bigint): Map<string, bigint> {
  return new Map([...balances, [key, (balances.get(key) ?? 0n) + amount]]);
}
