import { createHmac, createPublicKey, type KeyObject, randomBytes, sign } from 'node:crypto';

export interface WebhookMessage {
  /** The event's id: the same at every attempt, so that receivers can take it once. */
  readonly id: string;
  readonly timestampMs: number;
  readonly body: string;
}

/**
 * Headers of a delivery by Standard Webhooks 1.0.0: HMAC-SHA256 (v1) by the endpoint's secret and Ed25519 (v1a) by the
 * server's key, both over `id.timestamp.body`.
 * @param hmacSecret `whsec_` and base64.
 */
export function webhookHeaders(
  message: WebhookMessage,
  hmacSecret: string,
  signingKey: KeyObject,
): Record<string, string> {
  const timestamp = String(Math.floor(message.timestampMs / 1000));
  const content = Buffer.from(`${message.id}.${timestamp}.${message.body}`, 'utf8');
  const secret = Buffer.from(hmacSecret.slice('whsec_'.length), 'base64');
  const hmac = createHmac('sha256', secret).update(content).digest('base64');
  return {
    'webhook-id': message.id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${hmac} v1a,${sign(null, content, signingKey).toString('base64')}`,
  };
}

/** A new secret of an endpoint, 32 random bytes. */
export function newWebhookSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`;
}

/** The public half of the server's key as receivers are given it: `whpk_` and the 32 bytes in base64. */
export function webhookPublicKey(signingKey: KeyObject): string {
  const spki = createPublicKey(signingKey).export({ format: 'der', type: 'spki' });
  return `whpk_${spki.subarray(-32).toString('base64')}`;
}
