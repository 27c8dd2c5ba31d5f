import type { Network } from './network.ts';

let present: Network | undefined;

/** The network of the present world, for the stand-ins. */
export function network(): Network {
  if (!present) throw new Error('no simulated network');
  return present;
}
export const setNetwork = (made: Network): void => void (present = made);
