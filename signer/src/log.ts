/**
 * What may be logged of an unexpected error: its class and the code of the system or of Node. Its message could quote the
 * secret that it choked on.
 */
export function errorName(error: unknown): string {
  if (!(error instanceof Error)) return 'not an error';
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === 'string' && /^[A-Z_0-9]{1,50}$/.test(code) ? `${error.name} ${code}` : error.name;
}

/** One JSON object a line on stdout. Callers pass ids, codes and counts; never keys, shares, nonces or passphrases. */
export function log(event: string, fields: Record<string, string | number | boolean> = {}): void {
  process.stdout.write(`${JSON.stringify({ event, time: new Date().toISOString(), ...fields })}\n`);
}
