import { createHash, timingSafeEqual } from 'node:crypto';
import { Failure } from '@holdfast/core/failure.ts';
import { parseDictionary } from 'structured-headers';

const hashes: Readonly<Record<string, string>> = { 'sha-256': 'sha256', 'sha-512': 'sha512' };

/**
 * Checks a Content-Digest header (RFC 9530) over the raw body: every SHA-256 and SHA-512 value in it must be right and
 * there must be one.
 * @throws Failure unauthenticated.
 */
export function checkContentDigest(header: string, body: Uint8Array): void {
  let members: ReturnType<typeof parseDictionary>;
  try {
    members = parseDictionary(header);
  } catch (cause) {
    throw new Failure('unauthenticated', 'Content-Digest is not a structured dictionary', { cause });
  }
  let checked = 0;
  for (const [name, [value]] of members) {
    const hash = hashes[name];
    if (hash === undefined) continue;
    const expected = createHash(hash).update(body).digest();
    const given = value instanceof ArrayBuffer ? new Uint8Array(value) : new Uint8Array(0);
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
      throw new Failure('unauthenticated', `Content-Digest ${name} is not that of the body`);
    }
    checked += 1;
  }
  if (checked === 0) throw new Failure('unauthenticated', 'Content-Digest holds neither sha-256 nor sha-512');
}
