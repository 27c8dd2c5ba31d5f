import type { SealedHeader } from '@holdfast/core/sealing/seal.ts';
import { canonicalJson } from '@holdfast/core/signing/intent.ts';
import { utf8ToBytes } from '@noble/hashes/utils.js';

/**
 * A second lock on every sealed secret, whose key never leaves an HSM: the passphrase and a copy of the disk open nothing
 * (ADR 0017).
 */
export interface KeyWrap {
  /** @returns what only the HSM's key opens, for this header and this signer only. */
  readonly wrap: (header: SealedHeader, plaintext: Uint8Array) => Uint8Array;
  /** @throws Failure hsm-key-differs when it is not of this key, this signer or this header; what the HSM throws. */
  readonly unwrap: (header: SealedHeader, wrapped: Uint8Array) => Uint8Array;
}

/** Associated data: whose secret it is, and which. The header holds wallet and epoch. */
export function wrapContext(signer: string, header: SealedHeader): Uint8Array {
  return utf8ToBytes(canonicalJson({ wrapped: 'holdfast/wrapped/v1', signer, header }));
}
