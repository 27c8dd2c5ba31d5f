/** Name of an entry in `JournalState.destinations`. `network` is CAIP-2 and `address` the network's canonical text. */
export function destinationKey(customer: string, network: string, address: string): string {
  return `${customer} ${network} ${address}`;
}
