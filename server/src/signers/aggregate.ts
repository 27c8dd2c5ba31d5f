import { type FrostTweak, tweakPublic } from '@holdfast/core/keys/tweak-frost.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { NonceCommitment } from '@holdfast/core/signing/messages.ts';
import type { FrostPublic } from '@noble/curves/abstract/frost.js';
import { schnorr, schnorr_FROST } from '@noble/curves/secp256k1.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import type { WalletKey } from '../store/wallet-keys.ts';

/** One input to be signed: its BIP-341 key-path sighash and its address's tweak. */
export interface FrostInput {
  readonly sighash: Uint8Array;
  readonly tweak: FrostTweak;
}

/**
 * Aggregates signature shares into one BIP-340 signature an input (RFC 9591, 5.3) and verifies each.
 * @param lists commitments of the round, one list an input. @param shares one list a signer, one share an input.
 * @throws Failure commitments-invalid when an aggregate does not verify.
 */
export function aggregateInputs(
  key: WalletKey,
  inputs: readonly FrostInput[],
  lists: readonly (readonly NonceCommitment[])[],
  shares: readonly { identifier: string; shares: readonly string[] }[],
  min: number,
  max: number,
): Uint8Array[] {
  const taking = new Set(shares.map(({ identifier }) => identifier));
  const group: FrostPublic = {
    signers: { min, max },
    commitments: key.commitments.map((point) => Uint8Array.from(hexToBytes(point))),
    verifyingShares: Object.fromEntries(
      key.verifying_shares.flatMap(({ identifier, point }) =>
        taking.has(identifier) ? [[identifier, Uint8Array.from(hexToBytes(point))] as const] : [],
      ),
    ),
  };
  return inputs.map(({ sighash, tweak }, i) => {
    const commitments = lists[i]!.map(({ identifier, hiding, binding }) => ({
      identifier,
      hiding: Uint8Array.from(hexToBytes(hiding)),
      binding: Uint8Array.from(hexToBytes(binding)),
    }));
    const byIdentifier = Object.fromEntries(
      shares.map((signer) => [signer.identifier, Uint8Array.from(hexToBytes(signer.shares[i]!))]),
    );
    const signature = schnorr_FROST.aggregate(tweakPublic(group, tweak), commitments, sighash, byIdentifier);
    if (!schnorr.verify(signature, sighash, tweak.outputKeyXOnly)) {
      throw new Failure(
        'commitments-invalid',
        `the signature of input ${i} does not verify under ${bytesToHex(tweak.outputKeyXOnly)}`,
      );
    }
    return signature;
  });
}
