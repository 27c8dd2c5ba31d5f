import { performance as nodePerformance } from 'node:perf_hooks';

/** Thrown at the place in core that asked for time, randomness or the network. */
export class ImpureCallError extends Error {
  override readonly name = 'ImpureCallError';
}

/** Frames of these packages call for themselves: the runner times its tests, fast-check draws a seed. */
const ownAffairs = /node_modules\/(vitest|@vitest|vite|tinybench|tinypool|fast-check|chai|expect-type)\//;

/**
 * Makes the sources of time, randomness and IO throw when code of a folder calls them, itself or through a library.
 * Whoever calls them without that code on the stack (vitest, fast-check) is served as ever: the innermost stack frame
 * that belongs to either decides.
 * @param folder absolute path; test files below it count too, a test of pure code has no use for any of these.
 * @returns the function that takes the traps away.
 */
export function installPurityTraps(folder: string): () => void {
  const inside = `${folder.replace(/\/$/, '')}/`;
  const undo: (() => void)[] = [];

  const check = (what: string): void => {
    const frame = decidingFrame(inside, check);
    if (frame !== undefined)
      throw new ImpureCallError(`core is pure: ${what} was called ${frame.trim()}. Pass the value in as an argument.`);
  };
  const trap = (holder: object, name: string, what: string): void => {
    const before = Object.getOwnPropertyDescriptor(holder, name);
    const original = (holder as Record<string, unknown>)[name] as (...args: unknown[]) => unknown;
    const value = function (this: unknown, ...args: unknown[]): unknown {
      check(what);
      return Reflect.apply(original, this, args);
    };
    Object.defineProperty(holder, name, {
      configurable: true,
      writable: true,
      enumerable: before?.enumerable ?? false,
      value,
    });
    undo.push(() => (before ? Object.defineProperty(holder, name, before) : Reflect.deleteProperty(holder, name)));
  };

  trap(Date, 'now', 'Date.now()');
  trap(Math, 'random', 'Math.random()');
  for (const name of ['setTimeout', 'setInterval', 'setImmediate', 'fetch']) trap(globalThis, name, `${name}()`);
  trap(Object.getPrototypeOf(nodePerformance) as object, 'now', 'performance.now()');
  const webCrypto = Object.getPrototypeOf(globalThis.crypto) as object;
  for (const name of ['getRandomValues', 'randomUUID']) trap(webCrypto, name, `crypto.${name}()`);
  trap(Object.getPrototypeOf(globalThis.crypto.subtle) as object, 'generateKey', 'crypto.subtle.generateKey()');
  undo.push(trapDate(check));

  return () => {
    for (const step of undo.toReversed()) step();
  };
}

/** `new Date()` and `Date()` read the clock; `new Date(0)` does not. */
function trapDate(check: (what: string) => void): () => void {
  const original = globalThis.Date;
  globalThis.Date = new Proxy(original, {
    construct(target, args: unknown[], newTarget) {
      if (args.length === 0) check('new Date()');
      return Reflect.construct(target, args, newTarget) as object;
    },
    apply(target, self, args) {
      check('Date()');
      return Reflect.apply(target, self, args) as unknown;
    },
  });
  return () => {
    globalThis.Date = original;
  };
}

/** The innermost frame inside the folder, or undefined when a frame of the test tools comes before it or there is none. */
function decidingFrame(inside: string, above: (what: string) => void): string | undefined {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 200;
  const holder: { stack?: string } = {};
  Error.captureStackTrace(holder, above);
  Error.stackTraceLimit = limit;
  const frames = holder.stack?.split('\n') ?? [];
  const frame = frames.find((line) => line.includes(inside) || ownAffairs.test(line));
  return frame?.includes(inside) === true ? frame : undefined;
}
