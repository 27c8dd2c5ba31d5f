import { ed25519 } from '@noble/curves/ed25519.js';
import { p256 } from '@noble/curves/nist.js';
import { hexToBytes } from '@noble/hashes/utils.js';
import { isSoundEd25519Key } from './is-sound-ed25519-key.ts';
import type { Verifiers } from './verifiers.ts';

/** In JavaScript alone, for the command line and the client library. Signers and the server use OpenSSL, ten times as fast. */
export const nobleVerifiers: Verifiers = {
  ed25519(publicKey, message, signatureHex) {
    if (!/^[0-9a-f]{128}$/.test(signatureHex) || !isSoundEd25519Key(publicKey)) return false;
    try {
      return ed25519.verify(hexToBytes(signatureHex), message, publicKey, { zip215: false });
    } catch {
      return false;
    }
  },
  p256(publicKeyHex, message, derSignatureHex) {
    if (!/^04[0-9a-f]{128}$/.test(publicKeyHex) || !/^([0-9a-f]{2}){8,72}$/.test(derSignatureHex)) return false;
    try {
      // Authenticators do not normalise s, so the upper half counts as well (WebAuthn asks for no more).
      return p256.verify(hexToBytes(derSignatureHex), message, hexToBytes(publicKeyHex), {
        format: 'der',
        lowS: false,
        prehash: true,
      });
    } catch {
      return false;
    }
  },
};
