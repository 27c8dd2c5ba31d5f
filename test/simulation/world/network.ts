import type { Route, Caller } from '@holdfast/signer/transport/pinned-server.ts';
import { answerMessage } from '@holdfast/signer/transport/pinned-server.ts';
import { currentProcess, type Process, world } from './world.ts';

/** How the network treats one message, each by its own chance. */
export interface NetworkFaults {
  /** A request or an answer never arrives. */
  drop: number;
  /** A request arrives twice; nobody hears the second answer. */
  duplicate: number;
  fastestMs: number;
  /** Most messages; one in ten takes ten times as long, so that later ones overtake it. */
  slowestMs: number;
}

export const calm: NetworkFaults = { drop: 0, duplicate: 0, fastestMs: 1, slowestMs: 10 };

interface Listener {
  readonly owner: Process;
  readonly callers: readonly Caller[];
  readonly routes: ReadonlyMap<string, Route>;
}

const machineOf = (process: Process): string => process.name;

/** Messages between machines. */
export class Network {
  faults: NetworkFaults = calm;
  /** Pairs of machines that do not hear each other, `a b` in order of their names. */
  readonly cut = new Set<string>();
  readonly #listeners = new Map<string, Listener>();

  listen(host: string, listener: Listener): void {
    this.#listeners.set(host, listener);
    listener.owner.onDeath.push(() => this.#forget(host, listener));
  }

  close(host: string): void {
    this.#listeners.delete(host);
  }

  #forget(host: string, listener: Listener): void {
    if (this.#listeners.get(host) === listener) this.#listeners.delete(host);
  }

  isCut(from: string, to: string): boolean {
    return this.cut.has([from, to].toSorted().join(' '));
  }

  delayMs(): number {
    const { random } = world();
    const { fastestMs, slowestMs } = this.faults;
    const delay = fastestMs + random.next() * (slowestMs - fastestMs);
    return random.chance(0.1) ? delay * 10 : delay;
  }

  /**
   * Hands a request over; resolves with the answer, rejects when none comes in time.
   * @param serve runs at the other end when the request arrives; null where nobody listens.
   */
  exchange<T>(what: string, to: string, timeoutMs: number, serve: (hand: (answer: T) => void) => void): Promise<T> {
    const owner = currentProcess();
    if (!owner?.alive) return new Promise(() => undefined);
    const { random } = world();
    return new Promise((resolve, reject) => {
      const endTimer = world().after(timeoutMs, `${what} times out`, () => reject(new Error('timed out')), owner);
      const answered = (answer: T): void => {
        if (!owner.alive || random.chance(this.faults.drop) || this.isCut(machineOf(owner), to)) return;
        const arrive = (): void => {
          endTimer();
          resolve(answer);
        };
        world().after(this.delayMs(), `answer ${what}`, arrive, owner);
      };
      const copies = random.chance(this.faults.duplicate) ? 2 : 1;
      for (let copy = 1; copy <= copies; copy++) {
        if (random.chance(this.faults.drop)) continue;
        world().after(this.delayMs(), what, () => {
          if (!this.isCut(machineOf(owner), to)) serve(copy === 1 ? answered : () => undefined);
        });
      }
    });
  }

  /** A POST to a signer. */
  post(host: string, path: string, body: unknown, timeoutMs: number): Promise<{ status: number; value: unknown }> {
    const from = currentProcess();
    const name = from?.name ?? '';
    const bytes = Buffer.from(JSON.stringify(body));
    return this.exchange(`${name} -> ${host} ${path}`, host, timeoutMs, (hand) => {
      const listener = this.#listeners.get(host);
      const caller = listener?.callers.find((one) => one.name === name);
      // A port on which nobody listens is noticed at once outside; here the caller waits for its timer.
      if (!listener || !caller) return;
      const read = async (): Promise<void> => {
        const { status, body: answer } = await answerMessage(listener.routes, caller, { path, bytes });
        // As JSON: what is handed over is a copy.
        const text = JSON.stringify(answer);
        hand({ status, value: JSON.parse(text) as unknown });
      };
      world().after(0, `${host} reads ${path}`, () => void read(), listener.owner);
    });
  }
}
