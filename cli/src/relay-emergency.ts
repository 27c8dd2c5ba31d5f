import { setTimeout as sleep } from 'node:timers/promises';
import { emergencyProblem } from '@holdfast/core/chains/evm/emergency-desk.ts';
import { deskErrorText, isSpent, readDeskLogs } from '@holdfast/core/chains/evm/emergency-desk-answers.ts';
import { signRelay } from '@holdfast/core/chains/evm/sign-relay.ts';
import { evmAddressOf } from '@holdfast/core/cold/evm-address-of.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { evmChainId, parseNetworkId } from '@holdfast/core/money/network.ts';
import type { EmergencyAuthorisation } from '@holdfast/core/signing/emergency.ts';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import type { EvmRpc } from './evm-rpc.ts';

/** What came of it. */
export interface Relayed {
  /** `done` by this transaction; `spent`: it was executed before, nothing was sent. */
  readonly state: 'done' | 'spent';
  readonly txid: string | null;
  /** What the desk says that it did, a line each. */
  readonly effects: readonly string[];
}

interface Receipt {
  readonly status: string;
  readonly logs: Parameters<typeof readDeskLogs>[1];
}

const pollMs = 500;
/** Some blocks of a slow chain. */
const minedWithinMs = 180_000;
const gwei = 10n ** 9n;
const quantity = (value: bigint): string => `0x${value.toString(16)}`;

/**
 * Sends an authorisation to its desk, with gas of an account that has nothing else to do with the vault. It is tried first:
 * what the desk would refuse costs no gas.
 * @param key 32 bytes, of the account.
 * @throws Failure emergency-refused with the desk's reason; chain-mismatch; node-unavailable, also when it was sent and is not
 * mined in time: relaying it again is harmless.
 */
export async function relayEmergency(rpc: EvmRpc, one: EmergencyAuthorisation, key: Uint8Array): Promise<Relayed> {
  const problem = emergencyProblem(one);
  if (problem !== null) throw new Failure('emergency-refused', `the file is not what a signer made: ${problem}`);
  const chainId = evmChainId(parseNetworkId(one.network));
  const answered = BigInt(await rpc.ask<string>('eth_chainId', []));
  if (answered !== chainId) throw new Failure('chain-mismatch', `the node serves chain ${answered}, not ${chainId}`);
  const from = evmAddressOf(secp256k1.getPublicKey(key, true));
  const call = { from, to: one.desk, data: one.calldata };
  const refusal = await rpc.tryCall(call);
  if (refusal?.data && isSpent(refusal.data)) return { state: 'spent', txid: null, effects: [] };
  if (refusal) {
    const why = (refusal.data && deskErrorText(refusal.data)) ?? refusal.message;
    throw new Failure('emergency-refused', `the desk ${one.desk} refuses: ${why}`);
  }
  const txid = await send(rpc, call, chainId, key);
  const { status, logs } = await mined(rpc, txid);
  if (BigInt(status) === 1n) return { state: 'done', txid, effects: readDeskLogs(one.desk, logs) };
  // Somebody else's came before it in the same block, or the chain went on.
  const now = await rpc.tryCall(call);
  if (now?.data && isSpent(now.data)) return { state: 'spent', txid, effects: [] };
  throw new Failure('emergency-refused', `${txid} reverted; relay it again`);
}

async function send(
  rpc: EvmRpc,
  call: { readonly from: string; readonly to: string; readonly data: string },
  chainId: bigint,
  key: Uint8Array,
): Promise<string> {
  const [nonce, gas, tip, block] = await Promise.all([
    rpc.ask<string>('eth_getTransactionCount', [call.from, 'pending']),
    rpc.ask<string>('eth_estimateGas', [call]),
    rpc.ask<string>('eth_maxPriorityFeePerGas', []).catch(() => quantity(2n * gwei)),
    rpc.ask<{ baseFeePerGas: string }>('eth_getBlockByNumber', ['latest', false]),
  ]);
  const { raw, txid } = signRelay(
    {
      chainId,
      nonce: BigInt(nonce),
      to: call.to,
      data: call.data,
      // The desk reverts when an item would get too little, so the estimate has enough; the rest is for changes meanwhile.
      gasLimit: (BigInt(gas) * 5n) / 4n,
      // Three blocks in a row may raise the base fee by an eighth each, and twice over: it is not the day to save gas.
      maxFeePerGas: BigInt(block.baseFeePerGas) * 3n + BigInt(tip),
      maxPriorityFeePerGas: BigInt(tip),
    },
    key,
  );
  await rpc.ask('eth_sendRawTransaction', [raw]);
  return txid;
}

async function mined(rpc: EvmRpc, txid: string): Promise<Receipt> {
  for (let waitedMs = 0; waitedMs < minedWithinMs; waitedMs += pollMs) {
    const receipt = await rpc.ask<Receipt | null>('eth_getTransactionReceipt', [txid]);
    if (receipt !== null) return receipt;
    await sleep(pollMs);
  }
  throw new Failure('node-unavailable', `${txid} was sent and is in no block after ${minedWithinMs / 1_000} s`);
}
