import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import encodeQR from 'qr';
import { fromFrames, toFrames } from '@holdfast/core/cold/frames.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { readText, writeNew } from './cold-files.ts';
import { neededOption } from './cold-setup.ts';
import { given, type OptionValues, type Result } from './command.ts';

/** Long enough for a phone's camera. */
const frameMs = 400;
const clearScreen = '\u001b[2J\u001b[H';

/**
 * `holdfast cold send FILE`: shows a file as an animated QR code, over and over until it is interrupted or --rounds are over;
 * with --text it prints the frames, a line each.
 */
export async function coldSend(file: string, values: OptionValues): Promise<Result> {
  const frames = toFrames(Buffer.from(readText(file), 'utf8'));
  if (values['text'] === true) return { json: { frames }, text: frames.join('\n') };
  const rounds = roundsOf(values);
  for (let round = 0; round < rounds; round++) {
    for (const [at, frame] of frames.entries()) {
      process.stdout.write(`${clearScreen}${qrText(frame)}\nframe ${at + 1} of ${frames.length}; Ctrl-C ends\n`);
      await delay(frameMs);
    }
  }
  return { json: { frames: frames.length, rounds }, text: `Frames: ${frames.length}; rounds: ${rounds}.` };
}

/** `holdfast cold receive FRAMES... --out FILE`: puts a file together from scanned frames: text files, or folders of them. */
export function coldReceive(sources: readonly string[], values: OptionValues): Result {
  const out = neededOption(values, 'out');
  const lines = sources
    .flatMap(filesOf)
    .flatMap((file) => readText(file).split(/\r?\n/))
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const bytes = fromFrames(lines);
  writeNew(out, bytes);
  return { json: { file: out, bytes: bytes.length }, text: `${bytes.length} bytes in ${out}, as they were sent.` };
}

/** A code for a terminal: two modules a character, half blocks. */
export function qrText(frame: string): string {
  return encodeQR(frame, 'ascii', { ecc: 'low', encoding: 'alphanumeric', border: 2 });
}

function filesOf(source: string): string[] {
  try {
    if (!statSync(source).isDirectory()) return [source];
    return readdirSync(source)
      .toSorted()
      .map((name) => join(source, name));
  } catch (cause) {
    throw new Failure('invalid-request', `${source} cannot be read`, { cause, fix: 'Name a file that is there.' });
  }
}

function roundsOf(values: OptionValues): number {
  const { rounds } = given(values, 'rounds');
  if (rounds === undefined) return Number.POSITIVE_INFINITY;
  if (!/^[1-9][0-9]{0,3}$/.test(rounds)) throw new Failure('invalid-request', '--rounds takes 1 to 9999');
  return Number(rounds);
}
