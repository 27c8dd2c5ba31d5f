import { buildWithdrawalBatch, encodeExecTransaction, encodeFlush, packSignatures, type WithdrawalLeg } from '@holdfast/core/chains/evm/build.ts';
import { forwarderSalt } from '@holdfast/core/chains/evm/forwarder.ts';
import { safeTransactionHash } from '@holdfast/core/chains/evm/safe-transaction.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import type { AssetCode } from '@holdfast/core/money/asset.ts';
import { evmChainId, parseNetworkId } from '@holdfast/core/money/network.ts';
import type { SafeTransaction } from '@holdfast/core/signing/messages.ts';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { EvmNetwork } from '../../config.ts';
import type { SignerPanel } from '../../signers/panel.ts';
import type { Network, Payout } from '../network.ts';
import type { EvmNode } from './evm-node.ts';
import type { Relayer } from './relayer.ts';

/** A recipient that needs more gas than this is set aside: it could burn the batch's gas. */
const legGasMax = 200_000n;

interface UnsignedEvm {
  readonly safe_transaction: SafeTransaction;
}

/** Payouts through the Safe and sweeps of forwarders. */
export function evmPayments(
  config: EvmNetwork,
  deps: { node: EvmNode; gas: Relayer; panel: SignerPanel; nativeAsset: AssetCode },
): Pick<Network, 'surveyBatch' | 'sign' | 'sweep'> {
  const { node, gas, panel } = deps;
  const id = parseNetworkId(config.id);
  const contractOf = new Map(config.assets.map((rule) => [rule.asset, rule.contract]));
  const leg = ({ asset, amount, destination }: Payout): WithdrawalLeg => {
    const contract = contractOf.get(asset);
    invariant(contract !== undefined, `${asset} is not on ${id}`);
    return contract === null ? { kind: 'native', to: destination, amount } : { kind: 'erc20', contract, to: destination, amount };
  };

  const hashOf = (tx: SafeTransaction): string => bytesToHex(safeTransactionHash({ chainId: evmChainId(id), safe: config.safe, tx }));

  async function affordable(payouts: readonly Payout[]): Promise<{ fits: Payout[]; short: Payout[] }> {
    const assets = [...new Set(payouts.map((payout) => payout.asset))];
    const hash = await node.hashAt(await node.height());
    const amounts = await node.balances(assets.map((asset) => ({ contract: contractOf.get(asset) ?? null, address: config.safe })), hash);
    const left = new Map(assets.map((asset, i) => [asset, amounts[i]!]));
    const fits: Payout[] = [];
    const short: Payout[] = [];
    for (const payout of payouts) {
      const have = left.get(payout.asset) ?? 0n;
      if (have < payout.amount) {
        short.push(payout);
        continue;
      }
      left.set(payout.asset, have - payout.amount);
      fits.push(payout);
    }
    return { fits, short };
  }

  return {
    async surveyBatch(payouts) {
      const { fits, short } = await affordable(payouts);
      // Simulated one by one, so that a reverting recipient is set aside instead of failing the batch.
      const reasons = await Promise.all(
        fits.map(async (payout) => {
          const one = buildWithdrawalBatch({ legs: [leg(payout)], nonce: 0n, multiSend: config.multi_send });
          return node.revertReason({ from: config.safe, to: one.to, value: BigInt(one.value), data: one.data }, legGasMax);
        }),
      );
      const nonce = await node.safeNonce(config.safe);
      return {
        payable: fits.filter((_, i) => reasons[i] === null),
        impossible: fits.flatMap(({ id: payoutId }, i) => (reasons[i] == null ? [] : [{ id: payoutId, reason: `destination-reverts: ${reasons[i]}` }])),
        waiting: short.map((payout) => ({ id: payout.id, reason: `the hot wallet holds less than ${payout.amount} of ${payout.asset}` })),
        async build(_sql, _transactionId, chosen) {
          const unsigned: UnsignedEvm = { safe_transaction: buildWithdrawalBatch({ legs: chosen.map(leg), nonce, multiSend: config.multi_send }) };
          return {
            unsigned,
            conflictKeys: [`safe:${config.safe.toLowerCase()}:${nonce}`],
            refs: [`safe:${hashOf(unsigned.safe_transaction)}`],
            pays: chosen.map((payout) => payout.id),
          };
        },
      };
    },

    async sign(unsigned, intents) {
      const { safe_transaction } = unsigned as UnsignedEvm;
      const hash = hashOf(safe_transaction);
      const nonce = await node.safeNonce(config.safe);
      if (nonce > BigInt(safe_transaction.nonce)) {
        throw new Failure('would-revert', `Safe nonce ${safe_transaction.nonce} is used; the next is ${nonce}`);
      }
      const signatures = await panel.signEvm({ network: id, safe_transaction, intents: [...intents] }, hash);
      const calldata = encodeExecTransaction(safe_transaction, packSignatures(signatures));
      return gas.prepare(config.safe, calldata, [`safe:${hash}`]);
    },

    sweep: {
      async prepare(items) {
        const flush = items.map(({ customerId, index, asset }) => ({ salt: forwarderSalt(customerId, index), token: contractOf.get(asset) ?? null }));
        const unsigned = { to: config.forwarder_factory, data: encodeFlush(flush) };
        return { unsigned, signed: await gas.prepare(unsigned.to, unsigned.data, []) };
      },
    },
  };
}
