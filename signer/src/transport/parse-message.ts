import { Failure } from '@holdfast/core/failure.ts';

/** No message of a signer is half as deep. */
const depthMax = 32;
const quote = 0x22;
const backslash = 0x5c;

/**
 * Reads a message in a way that leaves no other reading of the same bytes: UTF-8 without faults or byte order mark, no name
 * twice in an object (RFC 7493, 2.3; `JSON.parse` alone takes the last), no lone surrogate (RFC 8785, 3.2.2.2, has no form
 * for it), nesting of 32 at most.
 * @throws Failure invalid-request.
 */
export function parseMessage(bytes: Uint8Array): unknown {
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    value = JSON.parse(text);
  } catch (cause) {
    throw new Failure('invalid-request', 'the body is not JSON in UTF-8', { cause });
  }
  refuseAmbiguous(text);
  return value;
}

/** @param text JSON that was parsed already. */
function refuseAmbiguous(text: string): void {
  /** Names of each open object; null for an array. */
  const open: (Set<string> | null)[] = [];
  let names: Set<string> | null = null;
  /** After `{`, and after `,` in an object. */
  let nameNext = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (char === '{' || char === '[') {
      names = char === '{' ? new Set() : null;
      nameNext = char === '{';
      if (open.push(names) > depthMax) throw new Failure('invalid-request', `the body is nested over ${depthMax} deep`);
    } else if (char === '}' || char === ']') {
      open.pop();
      names = open.at(-1) ?? null;
      nameNext = false;
    } else if (char === ',') {
      nameNext = names !== null;
    } else if (char === '"') {
      const end = endOfString(text, at);
      const token = text.slice(at, end + 1);
      if (token.includes('\\u') && !stringOf(token).isWellFormed())
        throw new Failure('invalid-request', 'the body has a lone surrogate');
      if (nameNext && names) {
        const name = stringOf(token);
        if (names.has(name)) throw new Failure('invalid-request', `the body names ${name.slice(0, 80)} twice`);
        names.add(name);
        nameNext = false;
      }
      at = end;
    }
  }
}

function stringOf(token: string): string {
  return token.includes('\\') ? (JSON.parse(token) as string) : token.slice(1, -1);
}

function endOfString(text: string, start: number): number {
  for (let at = start + 1; ; at += 1) {
    const code = text.charCodeAt(at);
    if (code === quote) return at;
    if (code === backslash) at += 1;
  }
}
