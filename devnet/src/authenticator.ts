import { createHash, randomBytes } from 'node:crypto';
import { p256 } from '@noble/curves/nist.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import type { Assertion } from '@holdfast/core/signing/evidence.ts';
import { keepFile } from './private-files.ts';

/** What stands in an assertion; everything but `origin` is as an honest browser would have it when left out. */
export interface AssertionOptions {
  /** Of the page that asks, `https://exchange.localhost`. */
  readonly origin: string;
  /** The relying party that the authenticator is asked for; the one of its creation when left out. */
  readonly rpId?: string;
  /** `webauthn.get` when left out. */
  readonly type?: string;
  /** The user's PIN or finger was asked for; true when left out. */
  readonly userVerified?: boolean;
  /** True when left out. */
  readonly userPresent?: boolean;
  readonly crossOrigin?: boolean;
}

/** A passkey in software: an ES256 credential that signs what it is told, with nobody to ask. */
export interface SoftwarePasskey {
  readonly rpId: string;
  /** base64url without padding. */
  readonly credentialId: string;
  /** Uncompressed P-256 point (SEC 1), hex. */
  readonly publicKey: string;
  /** @param digest the challenge, 32 bytes. */
  sign(digest: Uint8Array, options: AssertionOptions): Assertion;
}

/** A passkey's secrets as a file keeps them. */
interface KeptPasskey {
  readonly rp_id: string;
  readonly credential_id: string;
  /** Scalar, hex. */
  readonly secret: string;
}

/** Makes a credential for a relying party. Web Authentication Level 3, 6.3.2, without attestation. */
export function createCredential(rpId: string): SoftwarePasskey {
  return passkeyOf(newPasskey(rpId));
}

/** The credential in the file; made when the file is missing. For development chains: its secret lies open. */
export function keepCredential(path: string, rpId: string): SoftwarePasskey {
  return passkeyOf(JSON.parse(keepFile(path, () => JSON.stringify(newPasskey(rpId), null, 2))) as KeptPasskey);
}

function newPasskey(rpId: string): KeptPasskey {
  return {
    rp_id: rpId,
    credential_id: randomBytes(32).toString('base64url'),
    secret: bytesToHex(p256.utils.randomSecretKey()),
  };
}

function passkeyOf(kept: KeptPasskey): SoftwarePasskey {
  const secret = hexToBytes(kept.secret);
  return {
    rpId: kept.rp_id,
    credentialId: kept.credential_id,
    publicKey: bytesToHex(p256.getPublicKey(secret, false)),
    sign: (digest, options) => {
      const data = authenticatorData(options.rpId ?? kept.rp_id, options);
      const client = clientData(digest, options);
      // Web Authentication Level 3, 6.3.3: over the authenticator data and the hash of the client data.
      const message = Buffer.concat([data, sha256(client)]);
      return {
        credential_id: kept.credential_id,
        authenticator_data: data.toString('hex'),
        client_data_json: client.toString('hex'),
        // Authenticators leave high s as they are.
        signature: bytesToHex(p256.sign(message, secret, { format: 'der', lowS: false })),
      };
    },
  };
}

/** 6.1: hash of the relying party's id, flags, and a signature counter, which passkeys keep at zero. */
function authenticatorData(rpId: string, { userPresent = true, userVerified = true }: AssertionOptions): Buffer {
  const flags = (userPresent ? 0x01 : 0) | (userVerified ? 0x04 : 0);
  return Buffer.concat([sha256(Buffer.from(rpId)), Buffer.from([flags, 0, 0, 0, 0])]);
}

/** 5.8.1.1: the members in this order, without spaces. */
function clientData(digest: Uint8Array, options: AssertionOptions): Buffer {
  const challenge = Buffer.from(digest).toString('base64url');
  const { type = 'webauthn.get', origin, crossOrigin = false } = options;
  return Buffer.from(JSON.stringify({ type, challenge, origin, crossOrigin }));
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
