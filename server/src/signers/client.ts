import { isErrorCode } from '@holdfast/core/contract/error-codes.ts';
import { Failure } from '@holdfast/core/failure.ts';
import {
  signerMessages,
  type SignerPath,
  type SignerRequest,
  type SignerResponse,
} from '@holdfast/core/signing/messages.ts';
import { createPinnedPost } from '@holdfast/transport/pinned-post.ts';
import { Compile } from 'typebox/compile';
import type { SignerClient } from './panel.ts';

export interface SignerEndpoint {
  readonly id: string;
  /** FROST identifier. */
  readonly identifier: number;
  /** `https://host:port`. */
  readonly url: string;
  /** SHA-256 of the signer's certificate, 64 hex digits; the only thing that is trusted about it. */
  readonly fingerprint: string;
  /** The server's own certificate, PEM. */
  readonly certificate: string;
  /** Its private key, PEM. */
  readonly key: string;
  /** Signing a large batch takes a signer a second or two. */
  readonly timeoutMs?: number;
}

const responses = new Map(Object.entries(signerMessages).map(([path, message]) => [path, Compile(message.response)]));
const timeoutDefaultMs = 15_000;

/**
 * Caller of one signer: mutual TLS 1.3 with keep-alive. Nothing is written before the pinned certificate was seen.
 * `call` throws a Failure with the signer's own code when it refuses, signers-unavailable when it cannot be reached or
 * answers nonsense.
 */
export function createSignerClient(endpoint: SignerEndpoint): SignerClient & { close(): void } {
  const { id, identifier, url, fingerprint, certificate, key, timeoutMs = timeoutDefaultMs } = endpoint;
  const { post, close } = createPinnedPost({ identity: { certificate, privateKey: key }, url, fingerprint, timeoutMs });
  const call = async <P extends SignerPath>(path: P, request: SignerRequest<P>): Promise<SignerResponse<P>> => {
    const { status, value } = await post(path, request).catch((cause: unknown) => {
      throw new Failure('signers-unavailable', `${id} cannot be reached`, { cause });
    });
    if (status === 200) {
      if (responses.get(path)?.Check(value)) return value as SignerResponse<P>;
      throw new Failure('signers-unavailable', `${id} answers ${path} with something else`);
    }
    throw refusal(id, value);
  };
  return { id, identifier, call, close };
}

function refusal(id: string, value: unknown): Failure {
  const { code, message, fix } = (value ?? {}) as { code?: unknown; message?: unknown; fix?: unknown };
  if (typeof code !== 'string' || !isErrorCode(code))
    return new Failure('signers-unavailable', `${id} answers with an unknown error`);
  const text = `${id}: ${String(message).slice(0, 500)}`;
  return new Failure(code, text, typeof fix === 'string' ? { fix: fix.slice(0, 500) } : {});
}
