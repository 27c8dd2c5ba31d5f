import type { ColdReading } from '@holdfast/core/cold/reading.ts';
import { printable } from './format-table.ts';

/** A digest in groups of four, for reading it to each other. */
export function spokenDigest(digest: string): string {
  return digest.match(/.{1,4}/g)?.join(' ') ?? '';
}

/** Labels and texts, aligned; nothing of them can steer the terminal. */
export function linesText(lines: readonly (readonly [string, string])[]): string {
  return lines.map(([label, text]) => `${printable(label).padEnd(12)} ${printable(text)}`.trimEnd()).join('\n');
}

const minuteMs = 60_000;

/** All that a request does, its expiry by this machine's clock, and its digest. */
export function readingText({ lines, digest }: ColdReading, expiresAt: string): string {
  const leftMs = Date.parse(expiresAt) - Date.now();
  const left =
    leftMs <= 0
      ? 'PAST by the clock of this machine'
      : `${Math.floor(leftMs / minuteMs)} minutes from now by this machine's clock`;
  const all = lines.map(([label, text]) => [label, label === 'expires' ? `${text}, ${left}` : text] as const);
  return [linesText(all), '', `digest       ${spokenDigest(digest)}`].join('\n');
}
