import type { EvmNetworkPolicy } from './policy.ts';

/**
 * Contracts of the wallet system and the tokens, lower case: no customer is paid there. Cold addresses are filled by skims and
 * evacuations only.
 */
export function ownContracts(network: EvmNetworkPolicy): ReadonlySet<string> {
  const { safe, multi_send, forwarder_factory, registry, safe_guard, safe_handler, safe_modules } = network;
  const tokens = network.assets.flatMap((asset) => asset.contract ?? []);
  const guards = [safe_guard, safe_handler, ...safe_modules].filter((contract) => BigInt(contract) !== 0n);
  const contracts = [safe, multi_send, forwarder_factory, registry, ...guards, ...tokens, ...network.cold_addresses];
  return new Set(contracts.map((contract) => contract.toLowerCase()));
}
