import { createHmac, createPublicKey, timingSafeEqual, verify } from 'node:crypto';
import type { EventResource } from '@holdfast/core/contract/resources.ts';
import { Failure } from '@holdfast/core/failure.ts';

/** How far a webhook's timestamp may be from now. */
export const webhookToleranceMs = 300_000;

const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex');

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/**
 * Checks a delivery by Standard Webhooks: headers webhook-id, webhook-timestamp (seconds), webhook-signature over
 * `id.timestamp.body`.
 * @param headers with lower-case names, as Node gives them.
 * @param rawBody the bytes as received, before any JSON parser.
 * @param key the endpoint's `whsec_...` secret (HMAC-SHA256, v1) or the server's `whpk_...` key (Ed25519, v1a).
 * @returns the event. Deliveries repeat: keep its id, or its seq, and take each once.
 * @throws Failure unauthenticated.
 */
export function verifyWebhook(
  headers: Headers,
  rawBody: string | Uint8Array,
  key: string,
  nowMs: number,
): EventResource {
  const id = one(headers, 'webhook-id');
  const timestamp = one(headers, 'webhook-timestamp');
  const signatures = one(headers, 'webhook-signature');
  if (!/^[0-9]{1,12}$/.test(timestamp) || Math.abs(nowMs - Number(timestamp) * 1000) > webhookToleranceMs) {
    throw new Failure('unauthenticated', `webhook-timestamp ${timestamp.slice(0, 20)} is not within 5 minutes of now`);
  }
  const body = typeof rawBody === 'string' ? Buffer.from(rawBody, 'utf8') : Buffer.from(rawBody);
  const content = Buffer.concat([Buffer.from(`${id}.${timestamp}.`, 'utf8'), body]);
  const check = checkOf(key);
  const matches = signatures.split(' ').some((signature) => check(signature, content));
  if (!matches) throw new Failure('unauthenticated', 'no webhook-signature verifies under this key');
  return JSON.parse(body.toString('utf8')) as EventResource;
}

function one(headers: Headers, name: string): string {
  const value = headers[name];
  if (typeof value !== 'string' || value === '') throw new Failure('unauthenticated', `header ${name} is missing`);
  return value;
}

function checkOf(key: string): (signature: string, content: Buffer) => boolean {
  if (key.startsWith('whsec_')) {
    const secret = Buffer.from(key.slice('whsec_'.length), 'base64');
    return (signature, content) => {
      if (!signature.startsWith('v1,')) return false;
      const given = Buffer.from(signature.slice('v1,'.length), 'base64');
      const expected = createHmac('sha256', secret).update(content).digest();
      return given.length === expected.length && timingSafeEqual(given, expected);
    };
  }
  if (key.startsWith('whpk_')) {
    const raw = Buffer.from(key.slice('whpk_'.length), 'base64');
    const publicKey = createPublicKey({ key: Buffer.concat([spkiPrefix, raw]), format: 'der', type: 'spki' });
    return (signature, content) =>
      signature.startsWith('v1a,') &&
      verify(null, content, publicKey, Buffer.from(signature.slice('v1a,'.length), 'base64'));
  }
  throw new Failure('invalid-request', 'a webhook key starts with whsec_ or whpk_');
}
