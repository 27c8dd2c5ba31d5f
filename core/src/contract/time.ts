/** RFC 3339 UTC with milliseconds of a stored time in ms. */
export function formatTime(timeMs: bigint | number): string {
  return new Date(Number(timeMs)).toISOString();
}

/** The same for a time that may be missing. */
export function formatTimeOrNull(timeMs: bigint | number | null): string | null {
  return timeMs === null ? null : formatTime(timeMs);
}
