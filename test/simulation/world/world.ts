import { AsyncLocalStorage } from 'node:async_hooks';
import { createHash } from 'node:crypto';
import { type Random, randomOf } from './random.ts';

/** One run of a simulated program, from its start to its end or death. What it still waits for when it dies never comes. */
export interface Process {
  readonly name: string;
  alive: boolean;
  /** Added to the world's clock by this machine's, milliseconds. */
  readonly clockOffsetMs: number;
  /** Its timers take so many times as long: a slow or busy machine. */
  readonly slowness: number;
  /** Ends what the process holds outside of itself: connections, ports. */
  readonly onDeath: (() => void)[];
}

interface Pending {
  readonly atMs: number;
  readonly order: number;
  readonly label: string;
  readonly owner: Process | null;
  readonly run: () => void | Promise<void>;
}

/** Thrown where a process dies in the middle of its own code; whatever catches it is dead as well. */
export class Crash extends Error {
  override readonly name = 'Crash';
}

const running = new AsyncLocalStorage<Process>();
/** The process whose code asks; undefined for the simulator's own. */
export const currentProcess = (): Process | undefined => running.getStore();
/** Runs the simulator's own work: its timers, and those of the driver of PostgreSQL, are real. */
export const asSimulator = <T>(run: () => T): T => running.exit(run);

/** The stand-ins have no other way to their world: production code constructs them. */
let present: World | undefined;
export function world(): World {
  if (!present) throw new Error('no simulated world');
  return present;
}
export const setWorld = (made: World | undefined): void => void (present = made);

export const startMs = Date.UTC(2026, 0, 1);
const realImmediate = globalThis.setImmediate;
/** Lets everything run that waits for nothing outside. */
const settled = (): Promise<void> => new Promise((resolve) => realImmediate(resolve));

/**
 * Simulated time and everything that happens in it: one event after the other, each run to where nothing is left to do
 * without another event. Which comes first follows from delays that the seed draws, so a seed fixes the whole run.
 */
export class World {
  readonly random: Random;
  /** Called after each event. */
  readonly checks: (() => void | Promise<void>)[] = [];
  /** The last lines of the trace and what programs logged, for whoever reads about a broken invariant. */
  readonly recent: string[] = [];
  #nowMs: number;
  #order = 0;
  #events: Pending[] = [];
  #steps = 0;
  readonly #trace = createHash('sha256');

  readonly #kept: number;

  /** @param kept lines of the trace that can be read afterwards, at least. */
  constructor(seed: string, startsAtMs = startMs, kept = 400) {
    this.#kept = kept;
    this.#nowMs = startsAtMs;
    this.random = randomOf(seed);
  }

  nowMs(): number {
    return this.#nowMs;
  }

  steps(): number {
    return this.#steps;
  }

  /** What a seed's run was, 64 hex digits: two runs of one seed have the same. */
  traceHash(): string {
    return this.#trace.copy().digest('hex');
  }

  note(text: string): void {
    const line = `${((this.#nowMs - startMs) / 1_000).toFixed(3)} ${text}`;
    this.#trace.update(`${line}\n`);
    this.recent.push(line);
    if (this.recent.length > 2 * this.#kept) this.recent.splice(0, this.#kept);
  }

  /**
   * @param run simulated time stands still until its promise is done: never one that waits for another event.
   * @returns what takes it back.
   */
  after(delayMs: number, label: string, run: Pending['run'], owner: Process | null = null): () => void {
    const event = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, label, owner, run };
    push(this.#events, event);
    return () => {
      const at = this.#events.indexOf(event);
      if (at >= 0) removeAt(this.#events, at);
    };
  }

  start(name: string, main: () => Promise<void>, how: { offsetMs: number; slowness: number }): Process {
    const process: Process = {
      name,
      alive: true,
      clockOffsetMs: how.offsetMs,
      slowness: how.slowness,
      onDeath: [],
    };
    this.after(0, `start ${name}`, () => void main(), process);
    return process;
  }

  kill(process: Process, why: string): void {
    if (!process.alive) return;
    this.note(`${process.name} dies: ${why}`);
    process.alive = false;
    this.#events = this.#events.filter((event) => event.owner !== process);
    heapify(this.#events);
    for (const end of process.onDeath) end();
  }

  /** Runs events until one says so or the time is over. @returns whether `done` held. */
  async run(untilMs: number, done: () => boolean = () => false): Promise<boolean> {
    await settled();
    for (;;) {
      if (done()) return true;
      const next = this.#events[0];
      if (!next || next.atMs > untilMs) return false;
      removeAt(this.#events, 0);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      this.#steps++;
      this.note(next.label);
      await (next.owner ? running.run(next.owner, next.run) : running.exit(next.run));
      await settled();
      for (const check of this.checks) await check();
    }
  }
}

const isBefore = (a: Pending, b: Pending): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

function push(heap: Pending[], event: Pending): void {
  heap.push(event);
  rise(heap, heap.length - 1);
}

function removeAt(heap: Pending[], at: number): void {
  const last = heap.pop()!;
  if (at === heap.length) return;
  heap[at] = last;
  rise(heap, at);
  sink(heap, at);
}

function heapify(heap: Pending[]): void {
  for (let at = (heap.length >> 1) - 1; at >= 0; at--) sink(heap, at);
}

function rise(heap: Pending[], from: number): void {
  for (let at = from; at > 0;) {
    const above = (at - 1) >> 1;
    if (!isBefore(heap[at]!, heap[above]!)) return;
    [heap[at], heap[above]] = [heap[above]!, heap[at]!];
    at = above;
  }
}

function sink(heap: Pending[], from: number): void {
  for (let at = from; ;) {
    const [left, right] = [2 * at + 1, 2 * at + 2];
    let least = at;
    if (left < heap.length && isBefore(heap[left]!, heap[least]!)) least = left;
    if (right < heap.length && isBefore(heap[right]!, heap[least]!)) least = right;
    if (least === at) return;
    [heap[at], heap[least]] = [heap[least]!, heap[at]!];
    at = least;
  }
}
