import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Preloaded into signers and servers (`node --import`): the clock is off by as many milliseconds as the file `clock-shift` in the data
 * folder says, from the moment on that it is there.
 */
const file = join(process.argv.at(-1) ?? '', 'clock-shift');
const trueNow = Date.now;
let readAtMs = Number.NEGATIVE_INFINITY;
let shiftMs = 0;

Date.now = () => {
  if (performance.now() - readAtMs > 20) {
    readAtMs = performance.now();
    shiftMs = readShift();
  }
  return trueNow() + shiftMs;
};

function readShift(): number {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch {
    return 0;
  }
}
