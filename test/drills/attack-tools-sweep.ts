import { encodeFlush } from '@holdfast/core/chains/evm/build.ts';
import { forwarderAddress, forwarderSalt } from '@holdfast/core/chains/evm/forwarder.ts';
import { evmNetworkId } from '@holdfast/devnet/configure.ts';
import { devnetKeys } from '@holdfast/devnet/evm/accounts.ts';
import type { Customer } from '@holdfast/devnet/story/actors.ts';
import type { System } from '../support/system.ts';
import { sendCalls } from './attack-tools-evm-calls.ts';
import { holds } from './attack-tools-quorum.ts';

/** Anybody sends the ether of a customer's forwarder to wherever the registry says. The server may have been faster. */
export async function sweepEther(system: System, customer: Customer): Promise<void> {
  const { factory, forwarderInitCodeHash: initCodeHash } = system.evm;
  const address = customer.addresses.get(evmNetworkId)!;
  const salts = Array.from({ length: 16 }, (_, index) => forwarderSalt(customer.id, index));
  const salt = salts.find((one) => forwarderAddress({ factory, initCodeHash, salt: one }) === address);
  if (salt === undefined) throw new Error(`${address} is none of the first forwarders of ${customer.id}`);
  await sendCalls(
    system,
    [{ to: factory, data: encodeFlush([{ salt, token: null }]), gas: 1_500_000n }],
    devnetKeys.faucet,
  );
  const still = await holds(system, 'ETH', address);
  if (still > 0n) throw new Error(`${still} wei stay at the forwarder ${address}`);
}
