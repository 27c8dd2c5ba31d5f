import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { encodeSegwit, witnessScript } from '../chains/bitcoin/address.ts';
import type { BitcoinWallet } from '../chains/bitcoin/derive-address.ts';
import { sortedMultisig } from '../chains/bitcoin/multisig.ts';
import { bitcoinParams, type BitcoinParams } from '../chains/bitcoin/params.ts';
import { invariant } from '../invariant.ts';
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
  /** Derives hot addresses, with the custodians' leaf. */
  readonly hot: BitcoinWallet;
}

/** The custodians' Bitcoin wallet, and the hot wallet whose addresses it pays. The setup must have Bitcoin. @throws Failure unknown-network */
export function coldWallet({ bitcoin, custodians }: ColdSetup): ColdWallet {
  invariant(bitcoin !== null, 'the setup has Bitcoin');
  const params = bitcoinParams(bitcoin.network);
  const keys = custodians.map((one) => one.bitcoin).toSorted();
  const script = sortedMultisig(coldQuorum, keys);
  const program = { prefix: params.bech32, version: 0, program: sha256(script) };
  return {
    setup: bitcoin,
    params,
    address: encodeSegwit(program),
    script: bytesToHex(witnessScript(program)),
    witnessScript: script,
    keys,
    hot: {
      groupKey: hexToBytes(bitcoin.hot.group_key),
      chainCode: hexToBytes(bitcoin.hot.chain_code),
      coldKeys: keys.map((key) => hexToBytes(key.slice(2))),
    },
  };
}
