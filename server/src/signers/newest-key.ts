import { canonicalJson } from '@holdfast/core/signing/intent.ts';
import { frostKeyHash } from '@holdfast/core/keys/frost-key-hash.ts';
import type { SignerStatus } from '@holdfast/core/signing/messages.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import { opensslVerifiers } from '@holdfast/transport/openssl-verifiers.ts';
import { hexToBytes } from '@noble/hashes/utils.js';
import type { WalletKey } from '../store/wallet-keys.ts';

type Reported = SignerStatus['frost_wallets'][number];

/**
 * The newest key of a network that every signer has said it holds; one signer's report is enough, for it carries the word of
 * all. Null while no report has one: the first epoch has no such record (SignerPanel.frostWallet).
 * @param statementKeys of all signers, Ed25519, hex.
 */
export function newestKey(
  reports: readonly Reported[],
  network: string,
  { statementKeys, quorum }: { readonly statementKeys: ReadonlyMap<string, string>; readonly quorum: number },
): WalletKey | null {
  const isSigned = (reported: Reported): boolean => {
    const { record } = reported;
    if (!record) return false;
    const { session, transcript } = record.statement;
    const { epoch } = reported;
    const keyHash = frostKeyHash({ session, quorum, signers: statementKeys.size }, reported);
    const said = { version: 1, network, epoch, session, transcript, key_hash: keyHash };
    if (canonicalJson(record.statement) !== canonicalJson(said)) return false;
    const digest = statementDigest('key', said);
    return [...statementKeys].every(([signer, key]) =>
      record.signatures.some(
        (one) => one.signer === signer && opensslVerifiers.ed25519(hexToBytes(key), digest, one.signature),
      ),
    );
  };
  const signed = reports.filter((one) => one.network === network && isSigned(one));
  const newest = signed.toSorted((a, b) => b.epoch - a.epoch)[0];
  if (!newest) return null;
  const { record: _record, ...key } = newest;
  return key;
}
