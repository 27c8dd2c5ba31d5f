import { Failure } from '@holdfast/core/failure.ts';
import { signRelay } from '@holdfast/core/chains/evm/sign-relay.ts';
import type { NetworkId } from '@holdfast/core/money/network.ts';
import { evmChainId } from '@holdfast/core/money/network.ts';
import { addr } from 'micro-eth-signer';
import { hexToBytes } from '@noble/hashes/utils.js';
import { RpcError } from '../../nodes/json-rpc.ts';
import type { Sql } from '../../store/database.ts';
import { givenUpBytes, nextRelayerNonce } from '../../store/chain-transactions.ts';
import type { SignedBatch } from '../network.ts';
import type { EvmNode } from './evm-node.ts';
import { priceAbove } from './price-above.ts';

/** Room above the estimate for state that changes until the transaction is mined. */
const gasMarginPercent = 25n;

/**
 * The server-held account that pays gas. It calls the vault, the forwarder factory and the emergency desk, and none gives it
 * anything: its key moves only its own float.
 */
export function relayer(network: NetworkId, privateKey: Uint8Array, node: EvmNode, maxFeePerGas: bigint) {
  const chainId = evmChainId(network);
  const address = addr.fromPrivateKey(privateKey);

  return {
    address,

    /**
     * Prices and fixes a call; it is signed in the transaction that stores it, because only there is its nonce known.
     * @throws Failure would-revert when the chain would revert it now, node-unavailable when gas is above the ceiling.
     */
    async prepare(
      to: string,
      data: string,
      options: { readonly refs: readonly string[]; readonly gasMax: bigint },
    ): Promise<SignedBatch> {
      const { baseFee, tip } = await node.fees();
      const feePerGas = 2n * baseFee + tip;
      if (baseFee + tip > maxFeePerGas) {
        throw new Failure('node-unavailable', `gas costs ${baseFee + tip} wei, above the ceiling of ${maxFeePerGas}`, {
          fix: 'Wait for cheaper gas or raise max_fee_per_gas.',
        });
      }
      const gasLimit = await estimate(node, { from: address, to, value: 0n, data });
      if (gasLimit > options.gasMax)
        throw new Failure('would-revert', `${to} would take ${gasLimit} gas, more than ${options.gasMax}`);
      const chainNonce = await node.accountNonce(address);
      return {
        async seal(sql: Sql) {
          const nonce = await nextRelayerNonce(sql, network, chainNonce);
          const earlier = await givenUpBytes(sql, network, nonce);
          const price = priceAbove({ feePerGas, tip }, earlier, maxFeePerGas);
          const call = { chainId, nonce, to, data, gasLimit };
          const fees = { maxFeePerGas: price.feePerGas, maxPriorityFeePerGas: price.tip };
          const { raw, txid } = signRelay({ ...call, ...fees }, privateKey);
          return {
            raw: hexToBytes(raw.slice(2)),
            txid,
            refs: [`tx:${txid}`, ...options.refs],
            relayerNonce: nonce,
          };
        },
      };
    },
  };
}
export type Relayer = ReturnType<typeof relayer>;

async function estimate(
  node: EvmNode,
  call: { from: string; to: string; value: bigint; data: string },
): Promise<bigint> {
  try {
    return ((await node.estimateGas(call)) * (100n + gasMarginPercent)) / 100n;
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    // Geth answers a revert with code 3; the Safe's own reasons are GS and three digits.
    const reverts = error.code === 3 || /revert|GS\d{3}/i.test(error.message);
    throw new Failure(reverts ? 'would-revert' : 'node-unavailable', `${call.to}: ${error.message.slice(0, 300)}`, {
      cause: error,
    });
  }
}
