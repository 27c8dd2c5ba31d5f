import {
  buildWithdrawalBatch,
  decodeSimulation,
  encodeExecTransaction,
  encodeFlush,
  encodeMultiSend,
  encodeSimulation,
  packSignatures,
  type BatchDeadline,
  type WithdrawalLeg,
} from '@holdfast/core/chains/evm/build.ts';
import { forwarderSalt } from '@holdfast/core/chains/evm/forwarder.ts';
import { safeTransactionHash } from '@holdfast/core/chains/evm/safe-transaction.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { baseUnits } from '@holdfast/core/money/base-units.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import { evmChainId, parseNetworkId } from '@holdfast/core/money/network.ts';
import type { SafeTransaction } from '@holdfast/core/signing/messages.ts';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { EvmNetwork } from '../../config.ts';
import type { SignerPanel } from '../../signers/panel.ts';
import type { BatchOutlook, Network, Payout } from '../network.ts';
import type { EvmNode } from './evm-node.ts';
import type { Relayer } from './relayer.ts';

/** A recipient that needs more gas than this is set aside: it could burn the batch's gas. */
const legGasMax = 200_000n;
/** First flush of a forwarder, which deploys it; the factory asks for 480,000 gas to be left for each. */
const sweepItemGasMax = 600_000n;
/** What the Safe itself takes: signatures, nonce, the loop over the legs. */
const batchGasMax = 200_000n;

/** A signed batch that no block takes must not hold its withdrawals for long; no block takes it after this. */
const deadlineAheadMs = 6 * 3_600_000;
/** What is signed this close to its deadline would hardly be mined in time. */
const leadMs = 5_000;

type Waiting = BatchOutlook['waiting'][number];

export interface UnsignedEvm {
  readonly safe_transaction: SafeTransaction;
  /** The guard's deadline, UTC milliseconds; null for a Safe without a guard. */
  readonly not_after_ms: string | null;
  /** What it pays as MultiSendCallOnly calldata, for the simulation; one payout too. */
  readonly simulation: string;
  readonly legs: number;
  readonly skim?: true;
}

/** Payouts through the Safe and sweeps of forwarders. */
export function evmPayments(
  config: EvmNetwork,
  deps: { node: EvmNode; gas: Relayer; sweepGas: Relayer; panel: SignerPanel; now: () => number },
): Pick<Network, 'surveyBatch' | 'sign' | 'sweep'> {
  const { node, gas, sweepGas, panel, now } = deps;
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

  async function affordable(
    payouts: readonly Payout[],
  ): Promise<{ fits: Payout[]; waiting: Waiting[]; paused: string | null }> {
    const assets = [...new Set(payouts.map((payout) => payout.asset))];
    const contracts = assets.map((asset) => contractOf.get(asset) ?? null);
    const hash = await node.hashAt(await node.height());
    const amounts = await node.balances(
      contracts.map((contract) => ({ contract, address: config.safe })),
      hash,
    );
    const room = config.guard === undefined ? amounts : await node.guardRoom(config.guard, contracts, hash);
    if (room === null) {
      const paused = `the guard ${config.guard} is paused, and only governance lets payments through again`;
      return { fits: [], waiting: payouts.map((payout) => ({ id: payout.id, reason: paused })), paused };
    }
    const left = new Map(assets.map((asset, i) => [asset, { held: amounts[i]!, room: room[i] ?? 0n }]));
    const fits: Payout[] = [];
    const waiting: Waiting[] = [];
    for (const payout of payouts) {
      const have = left.get(payout.asset)!;
      if (have.held === null) {
        waiting.push({ id: payout.id, reason: `${payout.asset} answers no balance of the vault` });
        continue;
      }
      if (have.held < payout.amount || have.room < payout.amount) {
        const why = have.held < payout.amount ? 'the hot wallet holds less than' : 'the guard lets now pass less than';
        waiting.push({ id: payout.id, reason: `${why} ${payout.amount} of ${payout.asset}` });
        continue;
      }
      left.set(payout.asset, { held: have.held - payout.amount, room: have.room - payout.amount });
      fits.push(payout);
    }
    return { fits, waiting, paused: null };
  }

  /** As early as the first intent ends: what customers did not agree to any more must not be paid. */
  function deadlineOf(payouts: readonly Payout[]): BatchDeadline | null {
    if (config.guard === undefined) return null;
    const atMs = Math.min(now() + deadlineAheadMs, ...payouts.map((payout) => payout.expiresAtMs));
    return { guard: config.guard, notAfterS: BigInt(Math.floor(atMs / 1_000)) };
  }

  /** Tries transactions of so many legs each as the chain will run them: sent by the relayer, paid by the Safe. */
  async function succeed(multiSendCalldata: readonly string[], legs: number): Promise<boolean[]> {
    const calls = multiSendCalldata.map((data) => ({
      from: gas.address,
      to: config.safe,
      value: 0n,
      data: encodeSimulation(config.multi_send, data),
    }));
    const outcomes = await node.revertData(calls, batchGasMax + BigInt(legs) * legGasMax);
    return outcomes.map((data) => {
      const outcome = decodeSimulation(data);
      if (outcome !== null) return outcome;
      throw new Failure('node-unavailable', `the Safe ${config.safe} cannot simulate; is it of version 1.3 or later?`);
    });
  }

  /** Tokens that the vault cannot even send to itself: no recipient is to blame, and the payouts wait. */
  async function assetsThatStandStill(assets: readonly string[]): Promise<ReadonlySet<string>> {
    const tokens = [...new Set(assets)].flatMap((asset) => {
      const contract = contractOf.get(asset) ?? null;
      return contract === null ? [] : [{ asset, contract }];
    });
    const moves = await succeed(
      tokens.map(({ contract }) =>
        encodeMultiSend([{ kind: 'erc20', contract, to: config.safe, amount: baseUnits(1n) }], null),
      ),
      1,
    );
    return new Set(tokens.filter((_, i) => !moves[i]).map(({ asset }) => asset));
  }

  return {
    async surveyBatch(payouts) {
      const { fits, waiting, paused } = await affordable(payouts);
      // Simulated one by one, so that a reverting recipient is set aside instead of failing the batch.
      const fine = await succeed(
        fits.map((payout) => encodeMultiSend([leg(payout)], null)),
        1,
      );
      const failing = fits.filter((_, i) => !fine[i]);
      const still = await assetsThatStandStill(failing.map(({ asset }) => asset));
      const nonce = await node.safeNonce(config.safe);
      return {
        payable: fits.filter((_, i) => fine[i]),
        impossible: failing
          .filter(({ asset }) => !still.has(asset))
          .map((payout) => ({
            id: payout.id,
            reason: `destination-reverts: ${payout.destination} does not take ${payout.asset} within ${legGasMax} gas`,
          })),
        waiting: [
          ...waiting,
          ...failing
            .filter(({ asset }) => still.has(asset))
            .map(({ id: of, asset }) => ({
              id: of,
              reason: `${asset} does not move: its contract refuses a transfer of the vault to itself too (paused, or the vault is barred)`,
            })),
        ],
        paused,
        async build(_sql, _transactionId, chosen) {
          const legs = chosen.map(leg);
          const deadline = deadlineOf(chosen);
          const unsigned: UnsignedEvm = {
            safe_transaction: buildWithdrawalBatch({ legs, nonce, multiSend: config.multi_send, deadline }),
            not_after_ms: deadline && (deadline.notAfterS * 1_000n).toString(),
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
      const { safe_transaction, simulation, legs, skim, not_after_ms: notAfterMs } = unsigned as UnsignedEvm;
      const hash = hashOf(safe_transaction);
      if (notAfterMs !== null && Number(notAfterMs) < now() + leadMs)
        throw new Failure('would-revert', `the deadline of the batch, ${notAfterMs} ms, has come`);
      const nonce = await node.safeNonce(config.safe);
      // A used nonce, or one that a reorg has put out of reach: either way it is rebuilt at the next one.
      if (nonce !== BigInt(safe_transaction.nonce)) {
        throw new Failure('would-revert', `the next Safe nonce is ${nonce}, not ${safe_transaction.nonce}`);
      }
      // Before anybody signs: what is signed and then fails can only be replaced, payout by payout, at the same nonce.
      if (!(await succeed([simulation], legs))[0])
        throw new Failure('would-revert', `the batch of ${legs} at Safe nonce ${nonce} would revert`);
      const owners = await node.safeOwners(config.safe);
      const signatures = await panel.signEvm(
        { network: id, safe_transaction, intents: [...intents], ...(skim && { skim }) },
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
          signed: await sweepGas.prepare(unsigned.to, unsigned.data, {
            refs: [],
            gasMax: BigInt(items.length) * sweepItemGasMax + batchGasMax,
          }),
        };
      },
    },
  };
}
