/** A span of time in its largest two units, rounded down: `2 days 3 hours`, `5 hours 0 minutes`. @param seconds 0 or more. */
export function spanText(seconds: bigint): string {
  const [days, hours, minutes] = [seconds / 86_400n, (seconds / 3_600n) % 24n, (seconds / 60n) % 60n];
  if (days > 0n) return `${count(days, 'day')} ${count(hours, 'hour')}`;
  if (hours > 0n) return `${count(hours, 'hour')} ${count(minutes, 'minute')}`;
  return `${count(minutes, 'minute')} ${count(seconds % 60n, 'second')}`;
}

/** Seconds, and the same in larger units. @param seconds decimal. */
export function secondsText(seconds: string): string {
  return `${seconds} seconds (${spanText(BigInt(seconds))})`;
}

function count(number: bigint, unit: string): string {
  return `${number} ${unit}${number === 1n ? '' : 's'}`;
}
