import { isErrorCode } from '@holdfast/core/contract/error-codes.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { meshMessages, type MeshPath, type MeshRequest, type MeshResponse } from '@holdfast/core/signing/messages.ts';
import type { Identity } from '@holdfast/transport/certificate.ts';
import { createPinnedPost } from '@holdfast/transport/pinned-post.ts';
import { parseValue } from '../parse.ts';

export interface PeerAddress {
  readonly signer: string;
  readonly url: string;
  readonly fingerprint: string;
}

/** Calls one peer. @throws Failure with the peer's own code, or signers-unavailable when it cannot be reached. */
export type CallPeer = <P extends MeshPath>(path: P, body: MeshRequest<P>) => Promise<MeshResponse<P>>;

/** Client of one peer over mutual TLS with keep-alive; all clients of a peer together may not open more sockets than it takes. */
export function createPeerClient(
  identity: Identity,
  peer: PeerAddress,
  timeoutMs: number,
  socketsMax = 8,
): { call: CallPeer; close: () => void } {
  const { signer, url, fingerprint } = peer;
  const { post, close } = createPinnedPost({ identity, url, fingerprint, timeoutMs, socketsMax });
  const call = async <P extends MeshPath>(path: P, body: MeshRequest<P>): Promise<MeshResponse<P>> => {
    const { status, value } = await post(path, body).catch((cause: unknown) => {
      throw new Failure('signers-unavailable', `${signer} cannot be reached`, { cause });
    });
    if (status === 200) {
      return parseValue(
        meshMessages[path].response,
        value,
        'signers-unavailable',
        `answer of ${signer}`,
      ) as MeshResponse<P>;
    }
    const problem = (value ?? {}) as { code?: unknown; message?: unknown };
    const code = typeof problem.code === 'string' && isErrorCode(problem.code) ? problem.code : 'internal';
    throw new Failure(code, `${signer}: ${String(problem.message).slice(0, 300)}`);
  };
  return { call, close };
}
