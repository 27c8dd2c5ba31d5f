import { schnorr } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes, hexToBytes } from '@noble/hashes/utils.js';
import { invariant } from '../../invariant.ts';
import type { InspectedTransaction } from './inspect.ts';
import type { Prevout } from './sighash.ts';
import { doubleSha256 } from './txid.ts';
import { compactSize, u32le, u64le } from './wire.ts';

/** Signatures cover all inputs and outputs; also the byte that follows a DER signature in a witness. */
export const sighashAll = 1;

/** What an input of a script spends: what the script's hash stands for, and the coin's amount. */
export interface ScriptCoin {
  readonly witnessScript: Uint8Array;
  readonly amountSats: bigint;
}

const sized = (script: Uint8Array): Uint8Array => concatBytes(compactSize(script.length), script);
const outpoint = (input: InspectedTransaction['inputs'][number]): Uint8Array =>
  concatBytes(hexToBytes(input.txid).reverse(), u32le(input.vout));
const outputsOf = (tx: InspectedTransaction): Uint8Array =>
  concatBytes(...tx.outputs.map((output) => concatBytes(u64le(output.amountSats), sized(hexToBytes(output.script)))));
const sequencesOf = (tx: InspectedTransaction): Uint8Array =>
  concatBytes(...tx.inputs.map((input) => u32le(input.sequence)));

/**
 * The 32 bytes that each input's signatures cover when P2WSH scripts are spent: BIP-143 with SIGHASH_ALL, no OP_CODESEPARATOR.
 * @param coins one an input, in the order of the inputs; a wrong script or amount gives a signature that no node accepts.
 */
export function segwitSighashes(tx: InspectedTransaction, coins: readonly ScriptCoin[]): Uint8Array[] {
  invariant(coins.length === tx.inputs.length, `${tx.inputs.length} inputs, ${coins.length} coins`);
  const prevouts = doubleSha256(concatBytes(...tx.inputs.map(outpoint)));
  const sequences = doubleSha256(sequencesOf(tx));
  const outputs = doubleSha256(outputsOf(tx));
  return tx.inputs.map((input, index) => {
    const { witnessScript, amountSats } = coins[index] as ScriptCoin;
    return doubleSha256(
      concatBytes(
        u32le(tx.version),
        prevouts,
        sequences,
        outpoint(input),
        sized(witnessScript),
        u64le(amountSats),
        u32le(input.sequence),
        outputs,
        u32le(tx.lockTime),
        u32le(sighashAll),
      ),
    );
  });
}

/**
 * The 32 bytes that each input's signatures cover on the script path: BIP-341 SigMsg with SIGHASH_DEFAULT and the extension
 * of BIP-342, no annex, no OP_CODESEPARATOR.
 * @param leafHash of the script, 32 bytes, the same for every input.
 */
export function tapscriptSighashes(
  tx: InspectedTransaction,
  prevouts: readonly Prevout[],
  leafHash: Uint8Array,
): Uint8Array[] {
  invariant(prevouts.length === tx.inputs.length, `${tx.inputs.length} inputs, ${prevouts.length} prevouts`);
  const common = concatBytes(
    // Epoch 0, hash_type SIGHASH_DEFAULT.
    Uint8Array.of(0, 0),
    u32le(tx.version),
    u32le(tx.lockTime),
    sha256(concatBytes(...tx.inputs.map(outpoint))),
    sha256(concatBytes(...prevouts.map(({ amountSats }) => u64le(amountSats)))),
    sha256(concatBytes(...prevouts.map(({ script }) => sized(hexToBytes(script))))),
    sha256(sequencesOf(tx)),
    sha256(outputsOf(tx)),
    // spend_type: script path (ext_flag 1), no annex.
    Uint8Array.of(2),
  );
  // key_version 0, codesep_pos 0xffffffff.
  const extension = concatBytes(leafHash, Uint8Array.of(0), u32le(0xffff_ffff));
  return tx.inputs.map((_, index) => schnorr.utils.taggedHash('TapSighash', common, u32le(index), extension));
}
