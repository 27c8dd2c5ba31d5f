/** One JSON object a line on stdout. Callers pass ids, codes and counts; never keys, shares, nonces or passphrases. */
export function log(event: string, fields: Record<string, string | number | boolean> = {}): void {
  process.stdout.write(`${JSON.stringify({ event, time: new Date().toISOString(), ...fields })}\n`);
}
