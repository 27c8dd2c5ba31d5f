import {
  buildWithdrawalBatch,
  decodeSimulation,
  encodeExecTransaction,
  encodeFlush,
  encodeMultiSend,
  encodeSimulation,
  packSignatures,
  type WithdrawalLeg,
} from '@holdfast/core/chains/evm/build.ts';
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
/** First flush of a forwarder, which deploys it; the factory asks for 480,000 gas to be left for each. */
const sweepItemGasMax = 600_000n;
/** What the Safe itself takes: signatures, nonce, the loop over the legs. */
const batchGasMax = 200_000n;

interface UnsignedEvm {
  readonly safe_transaction: SafeTransaction;
  /** What it pays as MultiSendCallOnly calldata, for the simulation; one payout too. */
  readonly simulation: string;
  readonly legs: number;
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
    return contract === null
      ? { kind: 'native', to: destination, amount }
      : { kind: 'erc20', contract, to: destination, amount };
  };

  const hashOf = (tx: SafeTransaction): string =>
    bytesToHex(safeTransactionHash({ chainId: evmChainId(id), safe: config.safe, tx }));

  async function affordable(payouts: readonly Payout[]): Promise<{ fits: Payout[]; short: Payout[] }> {
    const assets = [...new Set(payouts.map((payout) => payout.asset))];
    const hash = await node.hashAt(await node.height());
    const amounts = await node.balances(
      assets.map((asset) => ({ contract: contractOf.get(asset) ?? null, address: config.safe })),
      hash,
    );
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

  /** Tries payouts as the chain will run them: sent by the relayer, paid by the Safe. */
  async function succeeds(multiSendCalldata: string, legs: number): Promise<boolean> {
    const call = {
      from: gas.address,
      to: config.safe,
      value: 0n,
      data: encodeSimulation(config.multi_send, multiSendCalldata),
    };
    const outcome = decodeSimulation(await node.revertData(call, batchGasMax + BigInt(legs) * legGasMax));
    if (outcome === null)
      throw new Failure('node-unavailable', `the Safe ${config.safe} cannot simulate; is it of version 1.3 or later?`);
    return outcome;
  }

  return {
    async surveyBatch(payouts) {
      const { fits, short } = await affordable(payouts);
      // Simulated one by one, so that a reverting recipient is set aside instead of failing the batch.
      const fine = await Promise.all(fits.map((payout) => succeeds(encodeMultiSend([leg(payout)], null), 1)));
      const nonce = await node.safeNonce(config.safe);
      return {
        payable: fits.filter((_, i) => fine[i]),
        impossible: fits
          .filter((_, i) => !fine[i])
          .map((payout) => ({
            id: payout.id,
            reason: `destination-reverts: ${payout.destination} does not take ${payout.asset} within ${legGasMax} gas`,
          })),
        waiting: short.map((payout) => ({
          id: payout.id,
          reason: `the hot wallet holds less than ${payout.amount} of ${payout.asset}`,
        })),
        async build(_sql, _transactionId, chosen) {
          const legs = chosen.map(leg);
          const unsigned: UnsignedEvm = {
            safe_transaction: buildWithdrawalBatch({ legs, nonce, multiSend: config.multi_send }),
            simulation: encodeMultiSend(legs, null),
            legs: legs.length,
          };
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
      const { safe_transaction, simulation, legs } = unsigned as UnsignedEvm;
      const hash = hashOf(safe_transaction);
      const nonce = await node.safeNonce(config.safe);
      // A used nonce, or one that a reorg has put out of reach: either way it is rebuilt at the next one.
      if (nonce !== BigInt(safe_transaction.nonce)) {
        throw new Failure('would-revert', `the next Safe nonce is ${nonce}, not ${safe_transaction.nonce}`);
      }
      // Before anybody signs: what is signed and then fails can only be replaced, payout by payout, at the same nonce.
      if (!(await succeeds(simulation, legs)))
        throw new Failure('would-revert', `the batch of ${legs} at Safe nonce ${nonce} would revert`);
      const owners = await node.safeOwners(config.safe);
      const signatures = await panel.signEvm(
        { network: id, safe_transaction, intents: [...intents] },
        { safeTxHash: hash, owners },
      );
      const calldata = encodeExecTransaction(safe_transaction, packSignatures(signatures));
      return gas.prepare(config.safe, calldata, {
        refs: [`safe:${hash}`],
        gasMax: batchGasMax + BigInt(legs) * legGasMax,
      });
    },

    sweep: {
      async prepare(items) {
        const flush = items.map(({ customerId, index, asset }) => ({
          salt: forwarderSalt(customerId, index),
          token: contractOf.get(asset) ?? null,
        }));
        const unsigned = { to: config.forwarder_factory, data: encodeFlush(flush) };
        return {
          unsigned,
          signed: await gas.prepare(unsigned.to, unsigned.data, {
            refs: [],
            gasMax: BigInt(items.length) * sweepItemGasMax + batchGasMax,
          }),
        };
      },
    },
  };
}
