import { randomBytes } from 'node:crypto';
import { Failure } from '@holdfast/core/failure.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { accountOf, recoverableSignature, type DigestSigner } from '../digest-signer.ts';
import { asFailure, ck, type Cryptoki } from './cryptoki.ts';
import { heldKey } from './held-key.ts';
import { oneAtATime } from './one-at-a-time.ts';
import { outstanding } from './outstanding-calls.ts';
import type { TokenSessions } from './token-sessions.ts';

/** A server waits no longer for a signature. */
const answerMsMax = 5_000;

/**
 * The owner key on a token: raw ECDSA on the digest (CKM_ECDSA). A session that is lost is opened again once; a signature
 * that is not of the expected key never leaves.
 * @param publicKey 33 bytes, as it was when the key was made.
 * @returns once the key has signed a random digest.
 * @throws Failure hsm-unavailable, hsm-pin-refused, hsm-key-missing, hsm-key-differs.
 */
export async function tokenSigner(
  cryptoki: Cryptoki,
  sessions: TokenSessions,
  label: string,
  publicKey: Uint8Array,
): Promise<DigestSigner> {
  const held = heldKey(cryptoki, sessions, label, 'owner');
  const signOnce = async (digest: Uint8Array): Promise<Uint8Array> => {
    try {
      const { session, key } = held.get();
      cryptoki.C_SignInit(session, { mechanism: ck.CKM_ECDSA }, key);
      // A fresh copy each: the call outlives a caller that has stopped waiting.
      return await outstanding(cryptoki.C_SignAsync(session, Buffer.from(digest), Buffer.alloc(64)));
    } catch (error) {
      held.drop();
      throw asFailure('sign', error);
    }
  };
  const inTurn = oneAtATime(answerMsMax);
  const sign: DigestSigner['sign'] = async (digest) => {
    invariant(digest.length === 32, 'a digest has 32 bytes');
    return inTurn(async () => {
      const mayBeLost = held.isHeld();
      const compact = await signOnce(digest).catch(async (error: unknown) => {
        if (mayBeLost) return signOnce(digest);
        throw error;
      });
      const signature = recoverableSignature(compact, digest, publicKey);
      if (signature) return signature;
      // Its handle may have come to mean another key.
      held.drop();
      throw new Failure('hsm-key-differs', `the key under the label ${label} is not the owner key of this signer`);
    });
  };
  // Not at the first payment is it to be found out that the token has another key. No chain signs what this digest is of.
  await sign(sha256(concatBytes(utf8ToBytes('holdfast/hsm-self-test/v1'), randomBytes(32))));
  return { publicKey, address: accountOf(publicKey), sign };
}
