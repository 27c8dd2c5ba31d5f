/** A string token of valid JSON, with the colon after it when it is a member's name. */
const stringToken = /"(?:[^"\\]|\\.)*"(\s*:)?/g;

/**
 * Whether no object in a JSON text has a key twice. `JSON.parse` keeps the last of two equal keys in silence, so the
 * value has fewer members than the text.
 * @param value what `JSON.parse` made of the text.
 */
export function hasDistinctKeys(text: string, value: unknown): boolean {
  let written = 0;
  for (const [, colon] of text.matchAll(stringToken)) if (colon !== undefined) written += 1;
  return written === membersOf(value);
}

function membersOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const children: unknown[] = Object.values(value);
  const own = Array.isArray(value) ? 0 : children.length;
  return children.reduce<number>((sum, child) => sum + membersOf(child), own);
}
