import { base32nopad } from '@scure/base';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromFrames, toFrames } from './frames.ts';

const fileOf = (bytes: number, seed = 1): Uint8Array =>
  Uint8Array.from({ length: bytes }, (_, at) => (at * 31 + seed) & 0xff);

test('gives a file back from its frames in whatever order, each seen as often as a scanner likes', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 2_000 }),
      fc.array(fc.nat(), { maxLength: 30 }),
      (file, again) => {
        const frames = toFrames(file);
        const seen = [...again.map((at) => frames[at % frames.length] as string), ...frames.toReversed()];
        expect(fromFrames(seen)).toEqual(file);
      },
    ),
    { numRuns: 100 },
  );
});

test('uses only characters that QR codes hold densely, and little of them', () => {
  for (const frame of toFrames(fileOf(10_000))) {
    expect(frame).toMatch(/^[0-9A-Z/]+$/);
    expect(frame.length).toBeLessThan(420);
  }
});

describe('refuses', () => {
  const frames = toFrames(fileOf(900));
  const [first = '', second = ''] = frames;
  const others = toFrames(fileOf(900, 2));
  const rows: readonly (readonly [what: string, lines: readonly string[], code: string])[] = [
    ['nothing', [], 'cold-frames-missing'],
    ['a missing frame', frames.slice(1), 'cold-frames-missing'],
    ['the last frame missing', frames.slice(0, -1), 'cold-frames-missing'],
    ['frames of two files', [...frames.slice(0, 2), ...others.slice(2)], 'cold-frames-invalid'],
    ['a file and a frame of another', [...frames, others[0] as string], 'cold-frames-invalid'],
    [
      'an altered part',
      [first.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')), ...frames.slice(1)],
      'cold-frames-invalid',
    ],
    ['an altered index', [first.replace('HFC1/1/', 'HFC1/2/'), second], 'cold-frames-invalid'],
    ['a cut line', [first.slice(0, -1), ...frames.slice(1)], 'cold-frames-invalid'],
    ['what is no frame', ['hello'], 'cold-frames-invalid'],
  ];
  test.each(rows)('%s', (_what, lines, code) => {
    expect(() => fromFrames(lines)).toThrow(expect.objectContaining({ code }) as Error);
  });

  test('a misread frame by itself, so that the scanner need not start again', () => {
    const misread = first.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'));
    expect(() => fromFrames([misread, ...frames.slice(1)])).toThrow('frame 1 of 5 was misread or altered');
  });

  test('frames that are each in order and do not make the file that they name', () => {
    const part = base32nopad.encode(fileOf(200, 3));
    const head = first.split('/').slice(0, 4).join('/');
    const check = bytesToHex(sha256(utf8ToBytes(`${head}/${part}`)))
      .slice(0, 8)
      .toUpperCase();
    expect(() => fromFrames([`${head}/${check}/${part}`, ...frames.slice(1)])).toThrow('do not make the file');
  });

  test('a file that is empty or too large', () => {
    expect(() => toFrames(new Uint8Array())).toThrow('0 bytes');
    expect(() => toFrames(new Uint8Array(2_000_001))).toThrow('2000001 bytes');
  });
});
