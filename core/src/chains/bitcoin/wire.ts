import { Failure } from '../../failure.ts';

/**
 * Reading and writing of Bitcoin's consensus encoding. A cursor instead of a parser library: a 4 MB block has tens of
 * thousands of fields and each is read once.
 */
export interface Cursor {
  /** What `bytes` were read from. */
  readonly hex: string;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  offset: number;
}

/** By character code: the value of a lower-case hex digit, -1 for what is none. */
const digitOf = Int8Array.from({ length: 128 }, (_, code) => '0123456789abcdef'.indexOf(String.fromCharCode(code)));

/** @throws Failure transaction-malformed for anything but an even number of lower-case hex digits. */
export function cursorOf(hex: string): Cursor {
  if (hex.length % 2 !== 0) throw malformed('not lower-case hex');
  const bytes = new Uint8Array(hex.length / 2);
  // One pass: a block has millions of digits.
  for (let at = 0; at < bytes.length; at++) {
    const [high, low] = [hex.charCodeAt(2 * at), hex.charCodeAt(2 * at + 1)];
    const byte = (digitOf[high & 127]! << 4) | digitOf[low & 127]!;
    if (byte < 0 || (high | low) > 127) throw malformed('not lower-case hex');
    bytes[at] = byte;
  }
  return { hex, bytes, view: new DataView(bytes.buffer), offset: 0 };
}

export function malformed(reason: string): Failure {
  return new Failure('transaction-malformed', reason);
}

function advance(cursor: Cursor, length: number): number {
  const at = cursor.offset;
  if (length > cursor.bytes.length - at)
    throw malformed(`truncated: ${length} bytes wanted at offset ${at} of ${cursor.bytes.length}`);
  cursor.offset = at + length;
  return at;
}

/** A view, not a copy. */
export function readBytes(cursor: Cursor, length: number): Uint8Array {
  const at = advance(cursor, length);
  return cursor.bytes.subarray(at, at + length);
}

/** A piece of the text: nothing is read or written for it. */
export function readHex(cursor: Cursor, length: number): string {
  const at = advance(cursor, length);
  return cursor.hex.slice(2 * at, 2 * (at + length));
}

/** Passes over bytes that nobody wants. */
export function skipBytes(cursor: Cursor, length: number): void {
  advance(cursor, length);
}

export function readU8(cursor: Cursor): number {
  return cursor.view.getUint8(advance(cursor, 1));
}

export function readU32(cursor: Cursor): number {
  return cursor.view.getUint32(advance(cursor, 4), true);
}

export function readI32(cursor: Cursor): number {
  return cursor.view.getInt32(advance(cursor, 4), true);
}

export function readU64(cursor: Cursor): bigint {
  return cursor.view.getBigUint64(advance(cursor, 8), true);
}

/** A count or length. @throws Failure transaction-malformed when it is not in its shortest form or exceeds the input. */
export function readCompactSize(cursor: Cursor): number {
  const first = readU8(cursor);
  if (first < 0xfd) return first;
  if (first === 0xfd) return shortest(cursor.view.getUint16(advance(cursor, 2), true), 0xfd);
  if (first === 0xfe) return shortest(readU32(cursor), 0x1_0000);
  throw malformed('a count above 2^32');
}

function shortest(value: number, least: number): number {
  if (value < least) throw malformed(`count ${value} is not in its shortest form`);
  return value;
}

/** @throws Failure transaction-malformed when bytes are left over. */
export function expectEnd(cursor: Cursor): void {
  const left = cursor.bytes.length - cursor.offset;
  if (left !== 0) throw malformed(`${left} bytes after the end`);
}

export function compactSize(value: number): Uint8Array {
  if (value < 0xfd) return Uint8Array.of(value);
  if (value <= 0xffff) return Uint8Array.of(0xfd, value & 0xff, value >>> 8);
  const bytes = new Uint8Array(5);
  bytes[0] = 0xfe;
  new DataView(bytes.buffer).setUint32(1, value, true);
  return bytes;
}

export function u32le(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

export function u64le(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytes;
}
