import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { Scope } from '@holdfast/core/contract/route.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { httpbis } from 'http-message-signatures';
import { type InnerList, isInnerList, parseDictionary, serializeInnerList } from 'structured-headers';
import { nonceWindow } from './nonce-window.ts';

/** A registered key as configured: 32 public bytes in hex. */
export interface ApiKey {
  readonly key_id: string;
  readonly public_key: string;
  readonly scopes: readonly string[];
}

export interface AuthenticatorOptions {
  readonly keys: readonly ApiKey[];
  /** UTC milliseconds. */
  readonly now: () => number;
  /**
   * What clients see in front of the path, `https://wallet.example`. Without it `http://` and the Host header are
   * taken, and two servers with the same keys must not share clients: a request could be replayed to the other.
   */
  readonly origin?: string | undefined;
}

/** The parts of a request that a signature covers. */
export interface SignedRequest {
  readonly method: string;
  /** Path and query as received. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

export interface Caller {
  readonly keyId: string;
  readonly scopes: ReadonlySet<Scope>;
  /** The covered Content-Digest header, to be checked against the raw body; null when the signature covers none. */
  readonly contentDigest: string | null;
}

/** Seconds that a signature is good for, before and after `created`. */
export const signatureWindowSeconds = 60;

// SubjectPublicKeyInfo of an Ed25519 key is this and the 32 bytes (RFC 8410).
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex');

/**
 * Checks RFC 9421 HTTP message signatures made with Ed25519. Covered must be @method, @target-uri (or @path and
 * @query), content-digest when there is a body, idempotency-key when there is one; parameters created, keyid, nonce.
 * @returns a function that names the caller or throws Failure unauthenticated.
 */
export function authenticator(options: AuthenticatorOptions): (request: SignedRequest) => Caller {
  const keys = new Map<string, { key: KeyObject; scopes: ReadonlySet<Scope> }>();
  for (const { key_id, public_key, scopes } of options.keys) {
    const der = Buffer.concat([spkiPrefix, Buffer.from(public_key, 'hex')]);
    keys.set(key_id, {
      key: createPublicKey({ key: der, format: 'der', type: 'spki' }),
      scopes: new Set(scopes as readonly Scope[]),
    });
  }
  const nonces = nonceWindow();

  return (request) => {
    const { input, signature } = readSignature(request.headers);
    const covered = coveredComponents(input, request.headers);
    const { created, keyId, nonce } = readParameters(input);
    const nowMs = options.now();
    const ageSeconds = nowMs / 1000 - created;
    if (Math.abs(ageSeconds) > signatureWindowSeconds) {
      throw refusal(`created is ${Math.round(ageSeconds)} s old; ${signatureWindowSeconds} s are accepted`);
    }
    const base = signatureBase(request, covered, input, options.origin);
    const known = keys.get(keyId);
    if (known === undefined || !verify(null, Buffer.from(base, 'utf8'), known.key, signature)) {
      throw refusal('the signature does not verify under a registered key');
    }
    // Only now: a nonce counts as used when its owner used it.
    const expiresMs = (created + signatureWindowSeconds) * 1000;
    if (!nonces.accept(`${keyId}\0${nonce}`, expiresMs, nowMs)) throw refusal('this nonce was used before');
    const digest = covered.has('content-digest') ? header(request.headers, 'content-digest') : undefined;
    return { keyId, scopes: known.scopes, contentDigest: digest ?? null };
  };
}

function refusal(message: string, cause?: unknown): Failure {
  return new Failure('unauthenticated', message, cause === undefined ? {} : { cause });
}

function header(headers: SignedRequest['headers'], name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

/** The one signature of the request. Several would leave open which of them counts. */
function readSignature(headers: SignedRequest['headers']): { input: InnerList; signature: Uint8Array } {
  const inputText = header(headers, 'signature-input');
  const signatureText = header(headers, 'signature');
  if (inputText === undefined || signatureText === undefined) throw refusal('the request is not signed');
  let inputs: ReturnType<typeof parseDictionary>;
  let signatures: ReturnType<typeof parseDictionary>;
  try {
    inputs = parseDictionary(inputText);
    signatures = parseDictionary(signatureText);
  } catch (cause) {
    throw refusal('Signature or Signature-Input is not a structured dictionary', cause);
  }
  const [label, input] = [...inputs][0] ?? [];
  const value = label === undefined ? undefined : signatures.get(label)?.[0];
  if (
    inputs.size !== 1 ||
    signatures.size !== 1 ||
    input === undefined ||
    !isInnerList(input) ||
    !(value instanceof ArrayBuffer)
  ) {
    throw refusal('there must be one signature, with its Signature-Input');
  }
  return { input, signature: new Uint8Array(value) };
}

/** The names covered. Component parameters (`;req`, `;bs`, ...) change meanings and are refused. */
function coveredComponents(input: InnerList, headers: SignedRequest['headers']): Set<string> {
  const names = new Set<string>();
  for (const [name, parameters] of input[0]) {
    if (typeof name !== 'string' || !/^@?[a-z0-9-]{1,64}$/.test(name) || parameters.size > 0 || names.has(name)) {
      throw refusal('a covered component is malformed, repeated or has parameters');
    }
    names.add(name);
  }
  const demand = (name: string): void => {
    if (!names.has(name)) throw refusal(`the signature must cover ${name}`);
  };
  demand('@method');
  if (!names.has('@target-uri')) {
    demand('@path');
    demand('@query');
  }
  const length = header(headers, 'content-length');
  if ((length !== undefined && length !== '0') || headers['transfer-encoding'] !== undefined) demand('content-digest');
  if (headers['idempotency-key'] !== undefined) demand('idempotency-key');
  return names;
}

function readParameters(input: InnerList): { created: number; keyId: string; nonce: string } {
  const parameters = input[1];
  const created = parameters.get('created');
  const keyId = parameters.get('keyid');
  const nonce = parameters.get('nonce');
  const algorithm = parameters.get('alg');
  if (typeof created !== 'number' || !Number.isInteger(created)) throw refusal('parameter created is missing');
  if (typeof keyId !== 'string') throw refusal('parameter keyid is missing');
  if (typeof nonce !== 'string' || nonce.length < 8 || nonce.length > 128) {
    throw refusal('parameter nonce must have 8 to 128 characters');
  }
  if (algorithm !== undefined && algorithm !== 'ed25519') throw refusal('parameter alg must be ed25519');
  return { created, keyId, nonce };
}

/** RFC 9421, section 2.5. */
function signatureBase(
  request: SignedRequest,
  covered: ReadonlySet<string>,
  input: InnerList,
  origin: string | undefined,
): string {
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(request.headers)) if (value !== undefined) headers[name] = value;
  const url = `${origin ?? `http://${header(request.headers, 'host') ?? ''}`}${request.target}`;
  try {
    const lines = httpbis.createSignatureBase({ fields: [...covered] }, { method: request.method, url, headers });
    return `${httpbis.formatSignatureBase(lines)}\n"@signature-params": ${serializeInnerList(input)}`;
  } catch (cause) {
    throw refusal('a covered component is not in the request', cause);
  }
}
