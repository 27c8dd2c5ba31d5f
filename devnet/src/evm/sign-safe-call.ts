import { secp256k1 } from '@noble/curves/secp256k1.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { encodeExecTransaction, packSignatures } from '@holdfast/core/chains/evm/build.ts';
import { safeTransactionHash } from '@holdfast/core/chains/evm/safe-transaction.ts';
import type { SafeTransaction } from '@holdfast/core/signing/messages.ts';
import { addressOfKey } from './accounts.ts';

/**
 * Calldata of Safe.execTransaction signed with owner keys that are at hand (0x hex): the devnet's cold custodians, tests
 * and benchmarks. The vault's own owners sign in their signer processes.
 */
export function signedSafeCall(input: {
  chainId: number;
  safe: string;
  tx: SafeTransaction;
  keys: readonly string[];
}): string {
  const hash = safeTransactionHash({ chainId: BigInt(input.chainId), safe: input.safe, tx: input.tx });
  const signatures = input.keys.map((key) => ({ owner: addressOfKey(key), signature: signHash(hash, key) }));
  return encodeExecTransaction(input.tx, packSignatures(signatures));
}

/** r s v as 130 hex digits, v 27 or 28. */
function signHash(hash: Uint8Array, key: string): string {
  const signature = secp256k1.sign(hash, hexToBytes(key.slice(2)), { prehash: false, format: 'recovered' });
  return bytesToHex(signature.subarray(1)) + (27 + (signature[0] ?? 0)).toString(16);
}
