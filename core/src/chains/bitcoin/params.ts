import { Failure } from '../../failure.ts';
import { familyOf, type NetworkId } from '../../money/network.ts';

/** What differs between networks that run Bitcoin's rules: a data row each. */
export interface BitcoinParams {
  readonly network: NetworkId;
  /** Human-readable part of segwit addresses, BIP-173. */
  readonly bech32: string;
  /** Base58Check version bytes. */
  readonly pubKeyHash: number;
  readonly scriptHash: number;
  /** Code of the native coin. */
  readonly asset: string;
}

/** CAIP-2 of this family is the first 32 hex digits of the genesis block's hash. */
export const bitcoinNetworks: readonly BitcoinParams[] = [
  {
    network: 'bip122:000000000019d6689c085ae165831e93',
    bech32: 'bc',
    pubKeyHash: 0x00,
    scriptHash: 0x05,
    asset: 'BTC',
  },
  {
    network: 'bip122:00000000da84f2bafbbc53dee25a72ae',
    bech32: 'tb',
    pubKeyHash: 0x6f,
    scriptHash: 0xc4,
    asset: 'BTC',
  },
  {
    network: 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328',
    bech32: 'bcrt',
    pubKeyHash: 0x6f,
    scriptHash: 0xc4,
    asset: 'BTC',
  },
];

/** The row of a network. @throws Failure unknown-network. */
export function bitcoinParams(network: string): BitcoinParams {
  const row = bitcoinNetworks.find((one) => one.network === network);
  if (!row || familyOf(network) !== 'bitcoin')
    throw new Failure('unknown-network', `no parameters for ${network.slice(0, 80)}`);
  return row;
}
