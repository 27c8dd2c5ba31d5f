import { hexToBytes } from '@noble/hashes/utils.js';
import { type BitcoinWallet, deriveWalletAddress } from '../chains/bitcoin/derive-address.ts';
import { scriptAddress, sortedMultisig } from '../chains/bitcoin/multisig.ts';
import { bitcoinParams, type BitcoinParams } from '../chains/bitcoin/params.ts';
import { invariant } from '../invariant.ts';
import type { KeyPath } from '../keys/derive-child.ts';
import { type BitcoinSetup, type ColdSetup, coldQuorum } from './setup.ts';

export interface ColdWallet {
  readonly setup: BitcoinSetup;
  readonly params: BitcoinParams;
  readonly address: string;
  /** Output script, hex: P2WSH, BIP-141. */
  readonly script: string;
  /** The script behind its hash: OP_3, five keys in the order of BIP-67, OP_5, OP_CHECKMULTISIG. */
  readonly witnessScript: Uint8Array;
  /** Compressed keys, hex, in the order of the script, which is the order of signatures. */
  readonly keys: readonly string[];
  /** Derives hot addresses, with the custodians' leaf; null for a hot wallet of the signers' own keys, which has none. */
  readonly hot: BitcoinWallet | null;
  /** The hot wallet's address at a path of branch 1. */
  readonly hotAddress: (path: KeyPath) => { readonly address: string; readonly script: string };
}

/** The custodians' Bitcoin wallet, and the hot wallet whose addresses it pays. The setup must have Bitcoin. @throws Failure unknown-network */
export function coldWallet({ bitcoin, custodians }: ColdSetup): ColdWallet {
  invariant(bitcoin !== null, 'the setup has Bitcoin');
  const params = bitcoinParams(bitcoin.network);
  const keys = custodians.map((one) => one.bitcoin).toSorted();
  const script = sortedMultisig(coldQuorum, keys);
  const hot = 'kind' in bitcoin.hot ? null : leafedWallet(bitcoin.hot, keys);
  return {
    setup: bitcoin,
    params,
    ...scriptAddress(script, params),
    keys,
    hot,
    hotAddress: (path) => (hot ? deriveWalletAddress(hot, path, params) : ownKeysAddress(bitcoin, params)),
  };
}

function leafedWallet(
  hot: Extract<BitcoinSetup['hot'], { group_key: string }>,
  keys: readonly string[],
): BitcoinWallet {
  return {
    groupKey: hexToBytes(hot.group_key),
    chainCode: hexToBytes(hot.chain_code),
    coldKeys: keys.map((key) => hexToBytes(key.slice(2))),
  };
}

/** The same for every path. */
function ownKeysAddress({ hot }: BitcoinSetup, params: BitcoinParams): { address: string; script: string } {
  invariant('kind' in hot, 'the hot wallet is of the signers’ own keys');
  return scriptAddress(sortedMultisig(hot.threshold, hot.keys), params);
}
