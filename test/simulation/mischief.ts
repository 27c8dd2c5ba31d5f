import { finalBlocks, nodeNames } from './blueprint.ts';
import type { Lie } from './chain/node.ts';
import type { Outside } from './chain/outside.ts';
import type { Profile } from './profile.ts';
import type { System } from './system.ts';
import type { SimulatedPostgres } from './world/database.ts';
import { calm, type Network } from './world/network.ts';
import type { World } from './world/world.ts';

const lies: readonly Lie[] = ['behind', 'empty', 'forged-hash', 'cheap', 'deaf'];
const rates: readonly (number | null)[] = [1, 2, 5, 20, 80, 190, 300, null];
const calmBlockMs = 10_000;
const quickMs = 3;

interface Scene {
  readonly world: World;
  readonly network: Network;
  readonly outside: Outside;
  readonly system: System;
  readonly postgres: SimulatedPostgres;
}

/** Lets go wrong what the profile says, until `stop`. */
export class Mischief {
  #isOver = false;
  readonly #scene: Scene;
  readonly #profile: Profile;

  constructor(scene: Scene, profile: Profile) {
    this.#scene = scene;
    this.#profile = profile;
    const { network, outside, postgres, system, world } = scene;
    network.faults = profile.network;
    outside.leavesOut = profile.leavesOut;
    postgres.crash = profile.statementCrash;
    for (const disk of system.disks.values()) disk.faults = profile.disk;
    // The branch changes between two questions of one look at the chain.
    outside.onServed = (who, method) => {
      if (this.#isOver || who !== 'server' || method !== 'getblock' || !world.random.chance(profile.duringRead)) return;
      world.after(0, 'the branch changes while it is read', () => this.#reorganise(quickMs));
    };
    const { every } = profile;
    this.#again(
      'block',
      () => (this.#isOver ? calmBlockMs : every.block),
      () => outside.mine(),
      true,
    );
    this.#again(
      'reorganisation',
      () => every.reorganisation,
      () => this.#reorganise(),
    );
    this.#again(
      'crash',
      () => every.crash,
      () => this.#crash(),
    );
    this.#again(
      'partition',
      () => every.partition,
      () => this.#cut(),
    );
    this.#again(
      'lie',
      () => every.lie,
      () => this.#lie(),
    );
    this.#again(
      'eviction',
      () => every.eviction,
      () => outside.evict(),
    );
    this.#again(
      'fee',
      () => every.feeChange,
      () => this.#changeFees(),
    );
  }

  /** Faults end, blocks go on. */
  stop(): void {
    this.#isOver = true;
    const { network, outside, postgres, system } = this.#scene;
    network.faults = calm;
    network.cut.clear();
    outside.leavesOut = 0;
    postgres.crash = 0;
    system.faults.step = 0;
    for (const disk of system.disks.values()) disk.faults = { crash: 0, failure: 0 };
    for (const node of outside.nodes.values()) Object.assign(node, { lie: 'nothing', feeRateSatVb: 5 });
  }

  #again(what: string, everyMs: () => number, act: () => void, forEver = false): void {
    const { world } = this.#scene;
    if (!Number.isFinite(everyMs())) return;
    const next = (): void => {
      world.after(everyMs() * (0.1 + 1.8 * world.random.next()), what, () => {
        if (this.#isOver && !forEver) return;
        act();
        next();
      });
    };
    next();
  }

  #reorganise(slowestMs?: number): void {
    const { world, outside } = this.#scene;
    outside.reorganise(world.random.between(1, finalBlocks - 2), this.#profile.forget, slowestMs);
  }

  #crash(): void {
    const { world, system } = this.#scene;
    system.crash(world.random.pick(system.names()));
  }

  #cut(): void {
    const { world, network, system } = this.#scene;
    const { random } = world;
    const pair = [random.pick(system.names()), random.pick([...system.names(), ...nodeNames])].toSorted().join(' ');
    world.note(`cut: ${pair}`);
    network.cut.add(pair);
    world.after(random.between(1_000, 40_000), `heals: ${pair}`, () => void network.cut.delete(pair));
  }

  #lie(): void {
    const { world, outside } = this.#scene;
    const node = world.random.pick([...outside.nodes.values()]);
    node.lie = world.random.pick(lies);
    world.note(`${node.name} lies: ${node.lie}`);
    world.after(world.random.between(2_000, 40_000), `${node.name} is honest again`, () => void (node.lie = 'nothing'));
  }

  #changeFees(): void {
    const { world, outside } = this.#scene;
    const rate = world.random.pick(rates);
    for (const node of outside.nodes.values()) node.feeRateSatVb = rate;
  }
}
