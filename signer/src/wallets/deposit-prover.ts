import { Failure } from '@holdfast/core/failure.ts';
import type { SendRpc } from '../nodes/json-rpc.ts';
import { proveBitcoinDeposit } from '../nodes/prove-bitcoin-deposit.ts';
import { proveEvmDeposit } from '../nodes/prove-evm-deposit.ts';
import type { RecordDeps } from '../records/accept-records.ts';
import type { BitcoinWallets } from './open-wallets.ts';

/** Looks for deposits on this signer's own nodes. */
export function depositProver(
  endpointsOf: ReadonlyMap<string, readonly SendRpc[]>,
  bitcoin: ReadonlyMap<string, Pick<BitcoinWallets, 'inForce'>>,
): RecordDeps['proveDeposit'] {
  return async (claim, network) => {
    const endpoints = endpointsOf.get(network.network);
    if (!endpoints) throw new Failure('unknown-network', `this signer has no nodes of ${network.network}`);
    if (network.family === 'evm') return proveEvmDeposit(endpoints, network, claim);
    const wallet = bitcoin.get(network.network);
    if (!wallet) throw new Failure('unknown-network', `this signer has no such wallet: ${network.network}`);
    return proveBitcoinDeposit(endpoints, network, claim, wallet.inForce().depositScript(claim.index));
  };
}
