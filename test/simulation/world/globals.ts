import { currentProcess, type Process, world } from './world.ts';

/** What a request was told to wait for at most, by the signal that was made for it. */
const timeouts = new WeakMap<AbortSignal, number>();
export const timeoutOf = (signal: AbortSignal | null | undefined): number => (signal && timeouts.get(signal)) ?? 30_000;

const real = {
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setInterval: globalThis.setInterval,
  now: performance.now.bind(performance),
  fill: crypto.getRandomValues.bind(crypto),
  abortAfter: AbortSignal.timeout.bind(AbortSignal),
  Date: globalThis.Date,
};

class SimulatedTimer {
  cancel: () => void = () => undefined;
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
  hasRef(): boolean {
    return true;
  }
}

type Callback = (...given: unknown[]) => void;

function startTimer(owner: Process, callback: Callback, delayMs: number, given: unknown[], again: boolean): object {
  const timer = new SimulatedTimer();
  const wait = Math.max(1, Number.isFinite(delayMs) ? delayMs : 1) * owner.slowness;
  const arm = (): void => {
    // No two timers of a real machine keep step.
    const jitter = world().random.next() * wait * 0.1;
    const fire = (): void => {
      if (again) arm();
      callback(...given);
    };
    timer.cancel = owner.alive ? world().after(wait + jitter, `timer of ${owner.name}`, fire, owner) : () => undefined;
  };
  arm();
  return timer;
}

const nowOf = (owner: Process | undefined): number =>
  owner ? Math.floor(world().nowMs()) + owner.clockOffsetMs : real.Date.now();

/**
 * Time, timers, randomness and HTTP as the code of a simulated process sees them; the simulator's own code keeps the real
 * ones. Called once.
 */
export function replaceGlobals(fetchAs: (owner: Process, url: string, init: RequestInit) => Promise<unknown>): void {
  const timers =
    (again: boolean, otherwise: (...given: never[]) => unknown) =>
    (callback: Callback, delayMs = 0, ...given: unknown[]): unknown => {
      const owner = currentProcess();
      return owner
        ? startTimer(owner, callback, delayMs, given, again)
        : (otherwise as (...all: unknown[]) => unknown)(callback, delayMs, ...given);
    };
  const clear = (timer: unknown): void => {
    if (timer instanceof SimulatedTimer) timer.cancel();
    else real.clearTimeout(timer as NodeJS.Timeout);
  };
  const realFetch = globalThis.fetch;
  Object.assign(globalThis, {
    setTimeout: timers(false, real.setTimeout as never),
    setInterval: timers(true, real.setInterval as never),
    clearTimeout: clear,
    clearInterval: clear,
    fetch: (url: string | URL, init: RequestInit = {}): Promise<unknown> => {
      const owner = currentProcess();
      return owner ? fetchAs(owner, String(url), init) : realFetch(url, init);
    },
    Date: new Proxy(real.Date, {
      construct: (target, given: unknown[]) =>
        Reflect.construct(target, given.length > 0 ? given : [nowOf(currentProcess())]) as object,
      get: (target, key) =>
        key === 'now' ? () => nowOf(currentProcess()) : (Reflect.get(target, key, target) as unknown),
    }),
  });
  performance.now = () => (currentProcess() ? world().nowMs() : real.now());
  AbortSignal.timeout = (delayMs) => {
    if (!currentProcess()) return real.abortAfter(delayMs);
    const { signal } = new AbortController();
    timeouts.set(signal, delayMs);
    return signal;
  };
  const fill = (array: NodeJS.ArrayBufferView): unknown => {
    if (!currentProcess()) return real.fill(array as Uint8Array<ArrayBuffer>);
    const { buffer, byteOffset, byteLength } = array;
    world()
      .random.bytes(byteLength)
      .copy(new Uint8Array(buffer, byteOffset, byteLength));
    return array;
  };
  Object.defineProperty(crypto, 'getRandomValues', { value: fill });
}
