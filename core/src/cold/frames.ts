import { base32nopad } from '@scure/base';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { Failure } from '../failure.ts';
import { invariant } from '../invariant.ts';

/**
 * A file as a row of QR codes. Each frame is one line of the alphanumeric set of QR codes:
 *
 *     HFC1/<index>/<total>/<SHA-256 of the whole file>/<check>/<base32 of its part>
 *
 * with indexes from 1, hexadecimal in upper case, and as check the first 8 digits of the SHA-256 of everything but itself. So a
 * frame that was misread names itself, and what was put together is the file or nothing.
 */
const version = 'HFC1';
const bytesEach = 200;
const framesMax = 9_999;
const pattern = /^HFC1\/([1-9][0-9]{0,3})\/([1-9][0-9]{0,3})\/([0-9A-F]{64})\/([0-9A-F]{8})\/([A-Z2-7]+)$/;

/** @param file at most 2 MB, and not empty. @throws Failure cold-frames-invalid when it is. */
export function toFrames(file: Uint8Array): string[] {
  const total = Math.ceil(file.length / bytesEach);
  if (total === 0 || total > framesMax)
    throw new Failure('cold-frames-invalid', `a file of ${file.length} bytes does not go by QR codes`, {
      fix: 'Carry it as a file.',
    });
  const hash = upperHex(sha256(file));
  return Array.from({ length: total }, (_, at) => {
    const part = base32nopad.encode(file.subarray(at * bytesEach, (at + 1) * bytesEach));
    const head = `${version}/${at + 1}/${total}/${hash}`;
    return `${head}/${checkOf(head, part)}/${part}`;
  });
}

/**
 * Puts a file together from its frames, in whatever order. The code is shown over and over, so a scanner gives the same line
 * many times; that is one frame. Two different frames in one place are refused.
 * @throws Failure cold-frames-missing, cold-frames-invalid for a frame that is altered or of another file.
 */
export function fromFrames(lines: readonly string[]): Uint8Array {
  const parts = new Map<number, Uint8Array>();
  let of: { total: number; hash: string } | undefined;
  for (const line of new Set(lines)) {
    const { index, total, hash, part } = parseFrame(line);
    of ??= { total, hash };
    if (of.hash !== hash || of.total !== total)
      throw invalid(
        `frame ${index} of ${total} is of another file than the first: ${hash.slice(0, 16)} and ${of.hash.slice(0, 16)}`,
      );
    if (parts.has(index)) throw invalid(`frame ${index} of ${total} is given twice, in two forms`);
    parts.set(index, part);
  }
  if (!of) throw new Failure('cold-frames-missing', 'there is no frame');
  const missing = Array.from({ length: of.total }, (_, at) => at + 1).filter((index) => !parts.has(index));
  if (missing.length > 0) {
    const shown = missing.slice(0, 10).join(', ');
    throw new Failure(
      'cold-frames-missing',
      `${missing.length} of ${of.total} frames are missing: ${shown}${missing.length > 10 ? ', ...' : ''}`,
    );
  }
  const file = concatBytes(...[...parts].toSorted(([a], [b]) => a - b).map(([, part]) => part));
  if (upperHex(sha256(file)) !== of.hash) throw invalid('the frames together do not make the file that they name');
  return file;
}

function parseFrame(line: string): { index: number; total: number; hash: string; part: Uint8Array } {
  const match = pattern.exec(line);
  if (!match) throw invalid(`no frame: ${line.slice(0, 40)}`);
  const [, index = '', total = '', hash = '', check, part = ''] = match;
  if (checkOf(`${version}/${index}/${total}/${hash}`, part) !== check)
    throw invalid(`frame ${index} of ${total} was misread or altered`);
  if (Number(index) > Number(total)) throw invalid(`frame ${index} of ${total}`);
  return { index: Number(index), total: Number(total), hash, part: decode(part) };
}

function decode(part: string): Uint8Array {
  try {
    return base32nopad.decode(part);
  } catch (cause) {
    throw new Failure('cold-frames-invalid', 'a frame whose part is not base32', { cause });
  }
}

function checkOf(head: string, part: string): string {
  invariant(head !== '' && part !== '', 'a frame has a head and a part');
  return upperHex(sha256(utf8ToBytes(`${head}/${part}`))).slice(0, 8);
}

const upperHex = (bytes: Uint8Array): string => bytesToHex(bytes).toUpperCase();

function invalid(message: string): Failure {
  return new Failure('cold-frames-invalid', message);
}
