import type { Pkcs11Config } from '../../config.ts';
import type { DigestSigner } from '../digest-signer.ts';
import type { KeyWrap } from '../key-wrap.ts';
import type { Cryptoki } from './cryptoki.ts';
import { makeTokenKeys } from './token-keys.ts';
import { tokenSessions } from './token-sessions.ts';
import { tokenSigner } from './token-signer.ts';
import { tokenWrap } from './token-wrap.ts';

/** The HSM of one signer. Its keys are made there and stay there; nothing here takes one in. */
export interface Hsm {
  readonly wrap: KeyWrap;
  /** @param publicKey 33 bytes, as it was when the key was made. @throws Failure, see `tokenSigner`. */
  readonly owner: (publicKey: Uint8Array) => Promise<DigestSigner>;
  /** Makes both keys of a new signer. @throws Failure, see `makeTokenKeys`. */
  readonly make: () => ReturnType<typeof makeTokenKeys>;
}

/**
 * @param signer its id, which the wrapped secrets are bound to.
 * @param readPin called whenever the token has to be logged in to.
 */
export function openHsm(
  cryptoki: Cryptoki,
  signer: string,
  place: Pkcs11Config,
  readPin: () => string,
  monotonicMs: () => number,
): Hsm {
  const { token, key_label: label } = place;
  const sessions = tokenSessions(cryptoki, token, readPin, monotonicMs);
  return {
    wrap: tokenWrap(cryptoki, sessions, label, signer),
    owner: async (publicKey) => tokenSigner(cryptoki, sessions, label, publicKey),
    // The session stays open, for `discard`.
    make: () => sessions.open('make', (session) => makeTokenKeys(cryptoki, session, label)),
  };
}
