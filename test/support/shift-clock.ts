import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Preloaded into signers and servers (`node --import`): the clock is off by as many milliseconds as the file `clock-shift` in the data
 * folder says, from the moment on that it is there. With `time-shift` as many have passed: the clock that is never set is ahead as well.
 */
const folder = process.argv.at(-1) ?? '';
const trueNow = Date.now;
const trueMonotonic = performance.now.bind(performance);
let readAtMs = Number.NEGATIVE_INFINITY;
let setMs = 0;
let passedMs = 0;

function look(): void {
  if (trueMonotonic() - readAtMs <= 20) return;
  readAtMs = trueMonotonic();
  setMs = read('clock-shift');
  passedMs = read('time-shift');
}

Date.now = () => {
  look();
  return trueNow() + setMs + passedMs;
};
performance.now = () => {
  look();
  return trueMonotonic() + passedMs;
};

function read(name: string): number {
  try {
    return Number(readFileSync(join(folder, name), 'utf8'));
  } catch {
    return 0;
  }
}
