import type { ColdRegister } from '@holdfast/core/cold/decide-register.ts';
import type { ColdReading } from '@holdfast/core/cold/reading.ts';
import { spanText } from '@holdfast/core/cold/span-text.ts';
import { printable } from './format-table.ts';

/** A digest in groups of four, for reading it to each other. */
export function spokenDigest(digest: string): string {
  return digest.match(/.{1,4}/g)?.join(' ') ?? '';
}

/** Labels and texts, aligned; nothing of them can steer the terminal. */
export function linesText(lines: readonly (readonly [string, string])[]): string {
  return lines.map(([label, text]) => `${printable(label).padEnd(12)} ${printable(text)}`.trimEnd()).join('\n');
}

const openMax = 5;

/**
 * Requests signed here before, of which each can still be sent if its coins or nonce are free: the same payment asked for again is made
 * twice.
 */
export function openText(entries: ColdRegister['entries']): string {
  if (entries.length === 0) return '';
  const newest = entries.slice(-openMax);
  return [
    `Signed here before and not aborted, on the same network: ${entries.length}${entries.length > openMax ? `, the newest ${openMax}:` : ':'}`,
    linesText(
      newest.map(({ request, signed_at: at, spends: [spent = ''] }) => ['  signed', `${at} ${request}, ${spent}`]),
    ),
    '',
    '',
  ].join('\n');
}

const secondMs = 1_000;

/** All that a request does, its expiry by this machine's clock, and its digest. */
export function readingText({ lines, digest }: ColdReading, expiresAt: string): string {
  const leftMs = Date.parse(expiresAt) - Date.now();
  const left =
    leftMs <= 0
      ? 'PAST by the clock of this machine'
      : `${spanText(BigInt(Math.floor(leftMs / secondMs)))} from now by this machine's clock`;
  const all = lines.map(([label, text]) => [label, label === 'expires' ? `${text}, ${left}` : text] as const);
  return [linesText(all), '', `digest       ${spokenDigest(digest)}`].join('\n');
}
