let count = 0;

/** Remembers a call of the module, which runs on a thread of its own, until it has ended. */
export async function outstanding<T>(call: Promise<T>): Promise<T> {
  count += 1;
  try {
    return await call;
  } finally {
    count -= 1;
  }
}

/**
 * Ends this process. `process.exit` waits for every thread, so for ever where a module hangs in one; then it ends by SIGKILL.
 * Whoever calls it has logged, and closed what must be closed.
 * @param code the exit code where nothing hangs.
 */
export function leave(code: number): void {
  if (count > 0) process.kill(process.pid, 'SIGKILL');
  else process.exit(code);
}
