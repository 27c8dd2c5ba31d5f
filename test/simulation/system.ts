import type { Context, Step } from '@holdfast/server/context.ts';
import type { Operations } from '@holdfast/server/http/operations.ts';
import { keepLanes } from '@holdfast/server/jobs/keep-lanes.ts';
import { uuidV7 } from '@holdfast/server/new-id.ts';
import { seedFeeSchedules } from '@holdfast/server/operations/create-fee-schedule.ts';
import { refuseForgottenEngine } from '@holdfast/server/store/engine-entries.ts';
import { fencedDatabase } from '@holdfast/server/store/fence.ts';
import { startJobs, wireAdapters, wireDatabaseWatch, wireOperations } from '@holdfast/server/wiring.ts';
import { runSigner } from '@holdfast/signer/run.ts';
import { type Blueprint, passphrase } from './blueprint.ts';
import { crashAt, type SimulatedPostgres } from './world/database.ts';
import { type Disk, diskRoot, setDisk } from './world/disk.ts';
import { currentProcess, type Process, type World } from './world/world.ts';

/** After so long a disk that failed was seen to. */
const repairMs = [20_000, 200_000] as const;

/** How machines fail, per seed. */
export interface MachineFaults {
  /** Chance that the server dies at a step that its flows mark. */
  step: number;
  /** Timers of the server, and of the signers, take so many times as long: fewer idle rounds to simulate. */
  readonly slowness: { readonly server: number; readonly signer: number };
  /** By how much a signer's clock is off at the most, milliseconds. */
  readonly clockMs: number;
  /** The server's ceiling, satoshis a virtual byte: the low one leaves no room for a second version of a payment. */
  readonly feeRateMax: number;
}

/** A machine with a program that is started again whenever it died. */
interface Machine {
  readonly name: string;
  readonly disk: Disk | null;
  readonly main: () => Promise<void>;
  readonly clockOffsetMs: number;
  process: Process | null;
}

/** Server and signers on their machines. */
export class System {
  /** The server's API while it runs. */
  api: { readonly owner: Process; readonly operations: Operations } | null = null;
  readonly faults: MachineFaults;
  readonly disks = new Map<string, Disk>();
  /** How often the server logged which event. */
  readonly logged = new Map<string, number>();
  /** What a job of the server died of that is no refusal. */
  readonly bugs: string[] = [];
  readonly #world: World;
  readonly #machines: Machine[] = [];
  readonly #blueprint: Blueprint;
  readonly #postgres: SimulatedPostgres;

  constructor(world: World, blueprint: Blueprint, postgres: SimulatedPostgres, faults: MachineFaults) {
    this.#world = world;
    this.#blueprint = blueprint;
    this.#postgres = postgres;
    this.faults = faults;
    for (const [id, made] of blueprint.disks) {
      const disk = made.copy();
      this.disks.set(id, disk);
      setDisk(id, disk);
      this.#add(id, disk, () => this.#signer(id));
    }
    this.#add('server', null, () => this.#server());
  }

  #add(name: string, disk: Disk | null, main: () => Promise<void>): void {
    const clockOffsetMs = disk ? this.#world.random.between(-this.faults.clockMs, this.faults.clockMs) : 0;
    const machine = { name, disk, main, clockOffsetMs, process: null };
    this.#machines.push(machine);
    if (disk) disk.onFailure = () => this.#repair(machine);
    this.#boot(machine);
  }

  names(): string[] {
    return this.#machines.map(({ name }) => name);
  }

  isUp(name: string): boolean {
    return this.#machines.some((one) => one.name === name && one.process?.alive === true);
  }

  crash(name: string): void {
    const running = this.#machines.find((one) => one.name === name)?.process;
    if (running) this.#world.kill(running, 'crash');
  }

  /** Whoever looks after the machines reads that a disk failed, and starts the program again. */
  #repair(machine: Machine): void {
    const failing = machine.process;
    this.#world.after(this.#world.random.between(...repairMs), `somebody looks at ${machine.name}`, () => {
      if (failing?.alive) this.#world.kill(failing, 'restarted by hand');
    });
  }

  #boot(machine: Machine): void {
    const { name, disk, clockOffsetMs } = machine;
    const main = async (): Promise<void> => {
      const own = currentProcess()!;
      await machine.main().catch((error: unknown) => {
        // A dead process' errors are nobody's.
        if (own.alive)
          this.#world.kill(own, `it does not start: ${error instanceof Error ? error.message : 'no error'}`);
      });
    };
    const slowness = this.faults.slowness[disk ? 'signer' : 'server'];
    const process = this.#world.start(name, main, { offsetMs: clockOffsetMs, slowness });
    machine.process = process;
    process.onDeath.push(() => {
      // The program alone dies, or the whole machine.
      if (disk && this.#world.random.chance(0.6)) disk.cutPower();
      if (this.api?.owner === process) this.api = null;
      this.#world.after(this.#world.random.between(500, 15_000), `${name} comes back`, () => this.#boot(machine));
    });
  }

  async #signer(id: string): Promise<void> {
    await runSigner(`${diskRoot}${id}`, this.#blueprint.signers.get(id)!, Uint8Array.from(passphrase), 'source');
  }

  /** As server/src/main.ts does it, but for HTTP: the API's operations are called as its routes call them. */
  async #server(): Promise<void> {
    const { server, keys, policy } = this.#blueprint;
    const networks = server.networks.map((one) => Object.assign({}, one, { fee_rate_max: this.faults.feeRateMax }));
    const config = { ...server, networks };
    const owner = currentProcess()!;
    const database = this.#postgres.of(owner);
    const log: Context['log'] = (event, fields = {}) => {
      this.logged.set(event, (this.logged.get(event) ?? 0) + 1);
      // What is no Failure is a bug: the job would try for ever. PostgreSQL ends a deadlock, and the job goes on.
      const { code, message } = fields;
      if (owner.alive && event === 'job-failed' && code === 'job-failed' && message !== 'deadlock detected')
        this.bugs.push(String(message));
      this.#world.note(
        `server logs ${event} ${JSON.stringify(fields, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))}`,
      );
    };
    const db = fencedDatabase(database);
    const ctx: Context = {
      db,
      config,
      policy: policy.policy,
      now: Date.now,
      newId: () => uuidV7(Date.now()),
      step: (step: Step) => {
        if (this.#world.random.chance(this.faults.step)) crashAt(step);
      },
      log,
      lanes: keepLanes({ db: database, log }, { server: 'server' }),
    };
    const adapters = wireAdapters(config, policy.policy, keys, db, Date.now, log);
    await seedFeeSchedules(ctx);
    await refuseForgottenEngine(db);
    const watch = wireDatabaseWatch(ctx, adapters);
    this.api = { owner, operations: wireOperations(ctx, adapters, keys, watch) };
    await watch.pass().catch((error: unknown) => log('database-not-current', { problem: String(error) }));
    await startJobs(ctx, adapters, keys, watch);
  }
}
