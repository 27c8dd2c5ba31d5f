/** The chains of a development machine: anvil's, and Bitcoin's regtest. Nothing on them has a price. */
const developmentNetworks: ReadonlySet<string> = new Set(['eip155:31337', 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328']);

/** Whether a network (CAIP-2) is one of a development machine: what is made for tests runs nowhere else. */
export function isDevelopmentNetwork(network: string): boolean {
  return developmentNetworks.has(network);
}
