import { Failure } from '@holdfast/core/failure.ts';
import { signRelay } from '@holdfast/core/chains/evm/sign-relay.ts';
import type { NetworkId } from '@holdfast/core/money/network.ts';
import { evmChainId } from '@holdfast/core/money/network.ts';
import { addr } from 'micro-eth-signer';
import { hexToBytes } from '@noble/hashes/utils.js';
import { RpcError } from '../../nodes/json-rpc.ts';
import type { Sql } from '../../store/database.ts';
import { givenUpBytes, nextRelayerNonce } from '../../store/relayer-lanes.ts';
import type { RelayerLane, SignedBatch, StoredTransaction } from '../network.ts';
import type { EvmNode } from './evm-node.ts';
import { callOf, type GasPrice, priceAbove } from './price-above.ts';

/** Room above the estimate for state that changes until the transaction is mined. */
const gasMarginPercent = 25n;

/** Of a transfer of nothing. */
const fillerGas = 21_000n;

/**
 * A server-held account that pays gas, one a lane: what waits in one keeps nothing in the other waiting. It calls the vault,
 * the forwarder factory and the emergency desk, and none gives it anything: its key moves only its own float.
 */
export function relayer(
  network: NetworkId,
  lane: RelayerLane,
  privateKey: Uint8Array,
  node: EvmNode,
  maxFeePerGas: bigint,
) {
  const chainId = evmChainId(network);
  const address = addr.fromPrivateKey(privateKey);

  const sign = (
    { to, data, gasLimit }: { readonly to: string; readonly data: string; readonly gasLimit: bigint },
    nonce: bigint,
    price: GasPrice,
    refs: readonly string[],
  ): StoredTransaction => {
    const fees = { maxFeePerGas: price.feePerGas, maxPriorityFeePerGas: price.tip };
    const { raw, txid } = signRelay({ chainId, nonce, to, data, gasLimit, ...fees }, privateKey);
    return {
      raw: hexToBytes(raw.slice(2)),
      txid,
      refs: [`tx:${txid}`, ...refs],
      relayerNonce: nonce,
      relayerLane: lane,
    };
  };
  const wanted = async (): Promise<GasPrice> => {
    const { baseFee, tip } = await node.fees();
    return { feePerGas: 2n * baseFee + tip, tip };
  };

  return {
    address,
    lane,

    /** Nonce of the account's next transaction after a block, by its hash; the newest when left out. */
    chainNonce: (blockHash?: string) => node.accountNonce(address, blockHash),

    /**
     * The same call at the same nonce and a higher price, so that one of both is mined.
     * @throws Failure fee-too-high when the ceiling leaves no room for what nodes take as a replacement.
     */
    async reprice(raw: Uint8Array, percent: number): Promise<StoredTransaction> {
      const { nonce, ...call } = callOf(raw);
      const market = await wanted();
      const least = priceAbove({ feePerGas: 0n, tip: 0n }, [raw], null);
      const raised = {
        feePerGas: (call.price.feePerGas * BigInt(100 + percent)) / 100n,
        tip: (call.price.tip * BigInt(100 + percent)) / 100n,
      };
      const price = priceAbove(highest(market, highest(least, raised)), [], maxFeePerGas);
      if (price.feePerGas < least.feePerGas || price.tip < least.tip) {
        throw new Failure(
          'fee-too-high',
          `nonce ${nonce} of ${address} is offered at ${call.price.feePerGas} wei already`,
          {
            fix: `Raise max_fee_per_gas, now ${maxFeePerGas} wei, or wait for cheaper gas.`,
          },
        );
      }
      return sign(call, nonce, price, []);
    },

    /** The same call at another nonce: the one that it had was used by something else. */
    async renonce(raw: Uint8Array): Promise<(sql: Sql) => Promise<StoredTransaction>> {
      const call = callOf(raw);
      const [market, chainNonce] = await Promise.all([wanted(), node.accountNonce(address)]);
      return async (sql) => {
        const nonce = await nextRelayerNonce(sql, { network, lane }, chainNonce);
        const earlier = await givenUpBytes(sql, { network, lane }, nonce);
        return sign(call, nonce, priceAbove(market, earlier, maxFeePerGas), []);
      };
    },

    /** Uses up a nonce that keeps later ones from being mined: a transfer of nothing to itself. @param earlier bytes with it. */
    async fill(nonce: bigint, earlier: readonly Uint8Array[]): Promise<StoredTransaction> {
      const price = priceAbove(await wanted(), earlier, maxFeePerGas);
      return sign({ to: address, data: '0x', gasLimit: fillerGas }, nonce, price, []);
    },

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
          const nonce = await nextRelayerNonce(sql, { network, lane }, chainNonce);
          const earlier = await givenUpBytes(sql, { network, lane }, nonce);
          const price = priceAbove({ feePerGas, tip }, earlier, maxFeePerGas);
          return sign({ to, data, gasLimit }, nonce, price, options.refs);
        },
      };
    },
  };
}
export type Relayer = ReturnType<typeof relayer>;

const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const highest = (a: GasPrice, b: GasPrice): GasPrice => ({
  feePerGas: larger(a.feePerGas, b.feePerGas),
  tip: larger(a.tip, b.tip),
});

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
