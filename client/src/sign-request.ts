import { createHash, type KeyObject, sign } from 'node:crypto';
import { httpbis } from 'http-message-signatures';

export interface UnsignedRequest {
  readonly method: string;
  /** Absolute. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

export interface RequestSigner {
  readonly keyId: string;
  readonly key: KeyObject;
}

/**
 * Headers of a request with its RFC 9421 signature: covers @method, @target-uri, content-digest (SHA-256, RFC 9530)
 * when there is a body and idempotency-key when there is one. Valid for 60 s and for one use of `nonce`.
 */
export async function signRequest(
  request: UnsignedRequest,
  signer: RequestSigner,
  at: { nowMs: number; nonce: string },
): Promise<Record<string, string>> {
  const headers: Record<string, string> = { ...request.headers };
  const fields = ['@method', '@target-uri'];
  if (request.body !== undefined) {
    headers['content-digest'] = `sha-256=:${createHash('sha256').update(request.body).digest('base64')}:`;
    fields.push('content-digest');
  }
  if (headers['idempotency-key'] !== undefined) fields.push('idempotency-key');
  const signed = await httpbis.signMessage(
    {
      key: { id: signer.keyId, alg: 'ed25519', sign: async (data) => sign(null, data, signer.key) },
      fields,
      params: ['created', 'keyid', 'alg', 'nonce'],
      paramValues: { created: new Date(at.nowMs), nonce: at.nonce },
    },
    { method: request.method, url: request.url, headers },
  );
  return Object.fromEntries(Object.entries(signed.headers).map(([name, value]) => [name.toLowerCase(), String(value)]));
}
