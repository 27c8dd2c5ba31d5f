import { expect, test } from 'vitest';
import { type ColdRequest, refuseUntimely } from './request.ts';
import { secondsText, spanText } from './span-text.ts';

const times = { created_at: '2026-03-05T00:00:00.000Z', expires_at: '2026-03-08T00:00:00.000Z' } as ColdRequest;
const at = (text: string) => () => refuseUntimely(times, Date.parse(text));
const refusal = (code: string) => expect.objectContaining({ code }) as Error;

test('a request is signed from a day before it was made, by this clock, until it expires', () => {
  for (const good of ['2026-03-04T00:00:00.000Z', '2026-03-05T00:00:00.000Z', '2026-03-07T23:59:59.999Z'])
    expect(at(good)).not.toThrow();
  expect(at('2026-03-03T23:59:59.999Z')).toThrow(refusal('cold-request-invalid'));
  expect(at('2026-03-08T00:00:00.000Z')).toThrow(refusal('cold-request-expired'));
});

test('a span is told in its largest two units', () => {
  for (const [seconds, text] of [
    [59n, '0 minutes 59 seconds'],
    [3_661n, '1 hour 1 minute'],
    [86_399n, '23 hours 59 minutes'],
    [172_800n, '2 days 0 hours'],
    [90_000n, '1 day 1 hour'],
  ] as const)
    expect(spanText(seconds)).toBe(text);
  expect(secondsText('90000')).toBe('90000 seconds (1 day 1 hour)');
});
