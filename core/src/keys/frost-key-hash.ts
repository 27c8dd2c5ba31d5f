import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { canonicalJson } from '../signing/intent.ts';
import type { SignerStatus } from '../signing/messages.ts';

type PublicKey = Omit<SignerStatus['frost_wallets'][number], 'record'>;

/**
 * All that the signers must have in common of a key, in one hash: 32 bytes, hex.
 * @param made the key generation, how many signers sign, and of how many.
 */
export function frostKeyHash(
  made: { readonly session: string; readonly quorum: number; readonly signers: number },
  key: PublicKey,
): string {
  const { session, quorum, signers } = made;
  const { network, epoch, group_key, chain_code, commitments, verifying_shares } = key;
  const wallet = { network, epoch, group_key, chain_code, commitments, verifying_shares };
  const shared = { domain: 'holdfast/frost-key/v1', session, quorum, signers, ...wallet };
  return bytesToHex(sha256(utf8ToBytes(canonicalJson(shared))));
}
