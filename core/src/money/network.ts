import { Failure } from '../failure.ts';

/** CAIP-2 chain id: `eip155:1`, `bip122:000000000019d6689c085ae165831e93`. */
export type NetworkId = `eip155:${string}` | `bip122:${string}`;
export type Family = 'evm' | 'bitcoin';

/** The family whose functions serve a network. @throws Failure unknown-network when we have none for its namespace. */
export function familyOf(network: string): Family {
  if (/^eip155:[1-9][0-9]{0,31}$/.test(network)) return 'evm';
  if (/^bip122:[0-9a-f]{32}$/.test(network)) return 'bitcoin';
  throw new Failure('unknown-network', `not a CAIP-2 id that Holdfast knows: ${network.slice(0, 80)}`);
}

export function parseNetworkId(text: string): NetworkId {
  familyOf(text);
  return text as NetworkId;
}

/** Chain id of an EVM network, EIP-155. */
export function evmChainId(network: NetworkId): bigint {
  if (familyOf(network) !== 'evm') throw new Failure('unknown-network', `not an EVM network: ${network}`);
  return BigInt(network.slice('eip155:'.length));
}
