import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js';
import { hexToBytes } from '@noble/hashes/utils.js';
import { addr } from 'micro-eth-signer';
import { Failure } from '../failure.ts';
import { invariant } from '../invariant.ts';
import type { ColdReading, HashToSign } from './reading.ts';
import type { ColdPartial } from './request.ts';
import { type ColdSetup, coldQuorum } from './setup.ts';

type Custodian = ColdSetup['custodians'][number];

/** A partial signature that holds, with the custodian who made it. */
export interface VerifiedPartial {
  readonly custodian: Custodian;
  readonly signatures: ColdPartial['signatures'];
}

/** A partial signature, and the file that a refusal names: the custodian's name in it is whatever its maker wrote. */
export interface PartialFile {
  readonly file: string;
  readonly partial: ColdPartial;
}

/**
 * Verifies partial signatures against the custodians that they name.
 * @returns a quorum of them, in the order of the setup; more than that are verified and left out.
 * @throws Failure cold-partial-other, cold-partial-stranger, cold-partial-duplicate, cold-partial-invalid,
 * cold-partials-too-few: one bad file spoils the set, so that nobody overlooks it.
 */
export function verifyPartials(
  reading: ColdReading,
  setup: ColdSetup,
  partials: readonly PartialFile[],
): VerifiedPartial[] {
  const verified = new Map<string, VerifiedPartial>();
  for (const { file, partial } of partials) {
    const { custodian: name } = partial;
    if (partial.request !== reading.digest)
      throw new Failure(
        'cold-partial-other',
        `${file}: ${name} signed the request ${partial.request}, not ${reading.digest}`,
      );
    const custodian = setup.custodians.find((one) => one.name === name);
    if (!custodian) throw new Failure('cold-partial-stranger', `${file}: ${name} is no custodian of the setup`);
    if (verified.has(name)) throw new Failure('cold-partial-duplicate', `${file}: there is one of ${name} already`);
    refuseInvalid(partial, custodian, reading, file);
    verified.set(name, { custodian, signatures: partial.signatures });
  }
  if (verified.size < coldQuorum) {
    throw new Failure(
      'cold-partials-too-few',
      `${verified.size} of ${coldQuorum} custodians have signed${verified.size === 0 ? '' : `: ${[...verified.keys()].join(', ')}`}`,
    );
  }
  const inOrder = setup.custodians.flatMap(({ name }) => verified.get(name) ?? []);
  return inOrder.slice(0, coldQuorum);
}

/** @throws Failure cold-partial-invalid unless every signature is this custodian's. */
export function refuseInvalid(
  { signatures, custodian: name }: ColdPartial,
  custodian: Custodian,
  reading: ColdReading,
  file: string,
): void {
  const { hashes } = reading;
  if (signatures.length !== hashes.length) {
    throw new Failure(
      'cold-partial-invalid',
      `${file}: ${name} gives ${signatures.length} signatures; ${hashes.length} are asked for`,
    );
  }
  hashes.forEach((hash, index) => {
    const signature = signatures[index];
    invariant(signature !== undefined, 'as many signatures as hashes');
    if (!holds(hash, signature, custodian))
      throw new Failure(
        'cold-partial-invalid',
        `${file}: signature ${index + 1} of ${name} is not theirs for this request`,
      );
  });
}

function holds({ scheme, hash }: HashToSign, signature: string, { bitcoin, evm }: Custodian): boolean {
  const bytes = hexToBytes(signature);
  if (bytes.length !== (scheme === 'safe' ? 65 : 64)) return false;
  try {
    if (scheme === 'schnorr') return schnorr.verify(bytes, hash, hexToBytes(bitcoin.slice(2)));
    // High s is refused: BIP-146, and Safe's ecrecover takes both forms of one signature.
    if (scheme === 'ecdsa') return secp256k1.verify(bytes, hash, hexToBytes(bitcoin), { prehash: false, lowS: true });
    return ownerOf(bytes, hash) === evm;
  } catch {
    return false;
  }
}

/** The address that an r s v signature was made by, EIP-55; null for s in the upper half. */
function ownerOf(bytes: Uint8Array, hash: Uint8Array): string | null {
  const recovery = (bytes[64] ?? 0) - 27;
  const signature = secp256k1.Signature.fromBytes(bytes.subarray(0, 64), 'compact').addRecoveryBit(recovery);
  if (signature.hasHighS()) return null;
  return addr.fromPublicKey(signature.recoverPublicKey(hash).toBytes(false));
}
