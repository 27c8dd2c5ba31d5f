import type { FrostPublic } from '@noble/curves/abstract/frost.js';
import { hexToBytes } from '@noble/hashes/utils.js';
import { deriveWalletAddress, type WalletAddress } from '@holdfast/core/chains/bitcoin/derive-address.ts';
import { bitcoinParams } from '@holdfast/core/chains/bitcoin/params.ts';
import type { KeyPath } from '@holdfast/core/keys/derive-child.ts';
import { tweakPublic } from '@holdfast/core/keys/tweak-frost.ts';
import type { BitcoinNetworkPolicy } from '@holdfast/core/policy/policy.ts';
import type { FrostKey } from './frost-key.ts';

/** Derives children of the group key for one signer; public data only. */
export interface WalletChildren {
  readonly address: (path: KeyPath) => WalletAddress;
  /** What `signShare` needs of the group's public package for the output key of an address; no verifying shares. */
  readonly signingPackage: (address: WalletAddress) => FrostPublic;
}

const rememberedMax = 20_000;

/** Remembers the latest addresses: a derivation costs a millisecond, and a transaction is often signed again. */
export function walletChildren(network: BitcoinNetworkPolicy, key: FrostKey): WalletChildren {
  const params = bitcoinParams(network.network);
  const wallet = {
    groupKey: key.groupKey,
    chainCode: key.chainCode,
    coldKeys: network.cold_keys.map((cold) => hexToBytes(cold)),
  };
  const remembered = new Map<string, WalletAddress>();
  const address = (path: KeyPath): WalletAddress => {
    const name = path.join('/');
    const known = remembered.get(name);
    if (known) return known;
    const derived = deriveWalletAddress(wallet, path, params);
    const [oldest] = remembered.keys();
    if (remembered.size >= rememberedMax && oldest !== undefined) remembered.delete(oldest);
    remembered.set(name, derived);
    return derived;
  };
  const group: FrostPublic = { ...key.public, verifyingShares: {} };
  return { address, signingPackage: ({ tweak }) => tweakPublic(group, tweak) };
}
