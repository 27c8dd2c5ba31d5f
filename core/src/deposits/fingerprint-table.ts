import { invariant } from '../invariant.ts';
import { fingerprintUnder } from './fingerprint.ts';

/** A set of texts of which only 64-bit fingerprints are kept: it may take a stranger for a member, never a member for a stranger. */
export interface FingerprintTable {
  /** Adds the characters of `text` from `from` to before `to`, ASCII. */
  add(text: string, from?: number, to?: number): void;
  /** False for certain strangers. A stranger is taken for a member once in 2^64 divided by the size. */
  mayHold(text: string): boolean;
  /** Fingerprints held; texts that share one count once. */
  readonly size: number;
  /** Memory of the slots. */
  readonly bytes: number;
}

const slotsMin = 1 << 10;
/** 2^30 slots are 8 GiB and hold 800 million. */
const slotsMax = 2 ** 30;
const bytesPerSlot = 8;
/** Above this share of used slots, searches grow long. */
const fillMax = 0.75;
/** Slots of the smaller table that each addition moves: it is empty long before the next growth. */
const movedPerAdd = 16;

/**
 * Open addressing with linear probing over slots of two 32-bit halves; both 0 is an empty slot. Nothing is ever taken out. It
 * doubles by moving a few slots at each addition, so that no single addition stops the process; until that is done both
 * tables are asked.
 * @param key 16 secret random bytes: nobody who lacks it can fill one neighbourhood.
 * @param expected texts that are about to come; room is made for them at once.
 */
export function fingerprintTable(key: Uint8Array, expected: number): FingerprintTable {
  const fingerprint = fingerprintUnder(key);
  const print = new Int32Array(2);
  let slots = slotsFor(expected);
  let size = 0;
  let old: Int32Array | null = null;
  let moved = 0;

  function printOf(text: string, from: number, to: number): void {
    fingerprint(text, from, to, print);
    // Both halves 0 would be an empty slot.
    if (print[0] === 0 && print[1] === 0) print[0] = 1;
  }

  function moveSome(from: Int32Array): void {
    const end = Math.min(moved + movedPerAdd * 2, from.length);
    for (; moved < end; moved += 2) {
      const [low, high] = [from[moved] as number, from[moved + 1] as number];
      if (low !== 0 || high !== 0) place(slots, low, high);
    }
    if (moved === from.length) old = null;
  }

  return {
    add(text, from = 0, to = text.length) {
      if (old) moveSome(old);
      printOf(text, from, to);
      const [low, high] = [print[0] as number, print[1] as number];
      if (holds(slots, low, high) || (old !== null && holds(old, low, high))) return;
      place(slots, low, high);
      size++;
      if (size <= (slots.length / 2) * fillMax) return;
      invariant(old === null, 'the table is to grow while it still grows');
      old = slots;
      moved = 0;
      slots = newSlots(slots.length);
    },
    mayHold(text) {
      printOf(text, 0, text.length);
      const [low, high] = [print[0] as number, print[1] as number];
      return holds(slots, low, high) || (old !== null && holds(old, low, high));
    },
    get size() {
      return size;
    },
    get bytes() {
      return slots.byteLength + (old?.byteLength ?? 0);
    },
  };
}

function slotsFor(expected: number): Int32Array {
  let count = slotsMin;
  while (count * fillMax < expected) count *= 2;
  return newSlots(count);
}

/** Shared, so that it lies outside the heap that is collected, and a worker can be handed it. */
function newSlots(count: number): Int32Array {
  invariant(count <= slotsMax, `a fingerprint table of ${count} slots`);
  return new Int32Array(new SharedArrayBuffer(count * bytesPerSlot));
}

/** Where the fingerprint is, or the empty slot where it would be. */
function slotOf(slots: Int32Array, low: number, high: number): number {
  const mask = slots.length - 1;
  let at = (high << 1) & mask;
  for (;;) {
    const [heldLow, heldHigh] = [slots[at], slots[at + 1]];
    if ((heldLow === low && heldHigh === high) || (heldLow === 0 && heldHigh === 0)) return at;
    at = (at + 2) & mask;
  }
}

function holds(slots: Int32Array, low: number, high: number): boolean {
  const at = slotOf(slots, low, high);
  return slots[at] !== 0 || slots[at + 1] !== 0;
}

/** Does nothing when it is there. */
function place(slots: Int32Array, low: number, high: number): void {
  const at = slotOf(slots, low, high);
  slots[at] = low;
  slots[at + 1] = high;
}
