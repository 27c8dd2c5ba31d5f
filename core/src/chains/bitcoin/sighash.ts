import { schnorr } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes, hexToBytes } from '@noble/hashes/utils.js';
import { invariant } from '../../invariant.ts';
import { inspectBitcoinTransaction } from './inspect.ts';
import { compactSize, u32le, u64le } from './wire.ts';

/** What an input spends: the script (hex) and amount of the output it names. */
export interface Prevout {
  readonly script: string;
  readonly amountSats: bigint;
}

/**
 * The 32 bytes that each input's signature covers: BIP-341 SigMsg with SIGHASH_DEFAULT, key path, no annex.
 * @param rawTx unsigned transaction, hex.
 * @param prevouts one an input, in the order of the inputs. A wrong script or amount gives a signature no node accepts.
 * @throws Failure transaction-malformed.
 */
export function taprootSighashes(rawTx: string, prevouts: readonly Prevout[]): Uint8Array[] {
  const tx = inspectBitcoinTransaction(rawTx);
  invariant(prevouts.length === tx.inputs.length, `${tx.inputs.length} inputs, ${prevouts.length} prevouts`);
  const hashOf = (parts: Uint8Array[]): Uint8Array => sha256(concatBytes(...parts));
  const sized = (script: Uint8Array): Uint8Array[] => [compactSize(script.length), script];
  const common = concatBytes(
    // Epoch 0, hash_type SIGHASH_DEFAULT.
    Uint8Array.of(0, 0),
    u32le(tx.version),
    u32le(tx.lockTime),
    hashOf(tx.inputs.flatMap((input) => [hexToBytes(input.txid).reverse(), u32le(input.vout)])),
    hashOf(prevouts.map((prevout) => u64le(prevout.amountSats))),
    hashOf(prevouts.flatMap((prevout) => sized(hexToBytes(prevout.script)))),
    hashOf(tx.inputs.map((input) => u32le(input.sequence))),
    hashOf(tx.outputs.flatMap((output) => [u64le(output.amountSats), ...sized(hexToBytes(output.script))])),
    // spend_type: key path, no annex.
    Uint8Array.of(0),
  );
  return tx.inputs.map((_, index) => schnorr.utils.taggedHash('TapSighash', common, u32le(index)));
}

/** Marker and flag of BIP-144. */
const segwitWeight = 2;
/** A key-path witness: item count, length, 64-byte signature. */
export const keyPathWitnessBytes = 66;

/**
 * Virtual bytes of a transaction once it is signed (BIP-141: weight / 4, rounded up).
 * @param unsignedBytes its size without witnesses. @param witnessBytes of all inputs together.
 */
export function signedVsize(unsignedBytes: number, witnessBytes: number): number {
  return Math.ceil((unsignedBytes * 4 + segwitWeight + witnessBytes) / 4);
}

/** The same of an unsigned transaction (hex), one entry an input; a key-path signature where its witness is not given. */
export function vsizeOf(rawTx: string, inputs: readonly { readonly witnessBytes?: number | undefined }[]): number {
  const witnessBytes = inputs.reduce((sum, input) => sum + (input.witnessBytes ?? keyPathWitnessBytes), 0);
  return signedVsize(rawTx.length / 2, witnessBytes);
}
