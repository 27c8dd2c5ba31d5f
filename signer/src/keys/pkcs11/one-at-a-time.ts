import { Failure } from '@holdfast/core/failure.ts';

/**
 * Runs tasks in their order, each alone, as a session of PKCS#11 asks for. Who waited too long gets a refusal; a call that
 * hangs then holds up the others, but one thread only.
 * @throws Failure hsm-unavailable after `waitMsMax`; what the task throws.
 */
export function oneAtATime(waitMsMax: number): <T>(task: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return async (task) => {
    const late = new Failure('hsm-unavailable', `the HSM did not answer within ${waitMsMax} ms`);
    let isLate = false;
    const own = last.then(async () => {
      // Nobody waits for it.
      if (isLate) throw late;
      return task();
    });
    last = own.catch(() => undefined);
    let timer: NodeJS.Timeout | undefined;
    const tooLong = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        isLate = true;
        reject(late);
      }, waitMsMax);
    });
    return Promise.race([own, tooLong]).finally(() => clearTimeout(timer));
  };
}
