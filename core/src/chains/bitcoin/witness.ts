import { secp256k1 } from '@noble/curves/secp256k1.js';
import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js';
import { sighashAll } from './script-sighashes.ts';
import { compactSize } from './wire.ts';

/** Items of one input's witness, from the bottom of the stack to its top. */
export type Witness = readonly Uint8Array[];

/** BIP-144: marker and flag, and each input's items before the lock time. @param rawTx unsigned, hex. @returns hex. */
export function withWitnesses(rawTx: string, witnesses: readonly Witness[]): string {
  const bytes = hexToBytes(rawTx);
  const lockTimeAt = bytes.length - 4;
  return bytesToHex(
    concatBytes(
      bytes.subarray(0, 4),
      Uint8Array.of(0, 1),
      bytes.subarray(4, lockTimeAt),
      ...witnesses.flatMap((items) => [
        compactSize(items.length),
        ...items.flatMap((item) => [compactSize(item.length), item]),
      ]),
      bytes.subarray(lockTimeAt),
    ),
  );
}

/**
 * What spends a P2WSH multisignature: an empty item (BIP-147), signatures in the order of the keys, the script.
 * @param signatures r and s of SIGHASH_ALL signatures, 64 bytes in hex, as many as the script asks for, sorted by their keys.
 */
export function multisigWitness(script: Uint8Array, signatures: readonly string[]): Witness {
  const items = signatures.map((signature) =>
    concatBytes(secp256k1.Signature.fromHex(signature, 'compact').toBytes('der'), Uint8Array.of(sighashAll)),
  );
  return [new Uint8Array(), ...items, script];
}
