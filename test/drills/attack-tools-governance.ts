import { join } from 'node:path';
import { hexToBytes } from '@noble/hashes/utils.js';
import { keepColdKeys } from '@holdfast/devnet/chains.ts';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import { callAll, type PlainCall } from '@holdfast/devnet/evm/multi-send.ts';
import { signedSafeCall } from '@holdfast/devnet/evm/sign-safe-call.ts';
import { executeCall, type GovernanceCall, operationIdCall, scheduleCall } from '../support/governance.ts';
import type { System } from '../support/system.ts';
import { type EvmCall, readWord, type RefusedCall, selectorOf, sendCalls } from './attack-tools-evm-calls.ts';
import { addressWord, thiefKey, word } from './attack-tools-safe-bytes.ts';
import { mustBe } from './attack-tools-signers.ts';

/** What governance wants, with a name for the reader. */
export interface Operation extends GovernanceCall {
  readonly name: string;
}

/** A change in one line: contract, signature of the function, its arguments as words. */
export function operation(name: string, target: string, signature: string, ...words: readonly string[]): Operation {
  return { name, target, data: hexToBytes(selectorOf(signature) + words.join('')) };
}

/** The hot Safe made to call itself or another by the time lock, which is its module. */
export function byModule(system: System, name: string, to: string, data: string, value = 0n): Operation {
  const { safe } = system.evm;
  const bytes = word(data.length / 2) + data.padEnd(Math.ceil(data.length / 64) * 64, '0');
  const words = addressWord(to) + word(value) + word(128) + word(0) + bytes;
  return operation(name, safe, 'execTransactionFromModule(address,uint256,bytes,uint8)', words);
}

/** The keys of cold governance, on a devnet's disk. */
export function governanceKeys(system: System): readonly string[] {
  return keepColdKeys(join(system.folder, 'devnet', 'cold')).governance;
}

/** Several calls of the governance Safe in one transaction, with enough of its keys. @param ahead of its nonce. */
export async function byGovernance(system: System, calls: readonly PlainCall[], ahead = 0): Promise<EvmCall> {
  const { governanceSafe: safe, chainId, multiSend } = system.evm;
  const url = system.chains.anvil.url;
  const nonce = BigInt(await rpcCall<string>(url, 'eth_getStorageAt', [safe, '0x5', 'latest'])) + BigInt(ahead);
  const tx = callAll(calls, multiSend, nonce);
  const keys = governanceKeys(system).slice(0, 3);
  return { to: safe, data: signedSafeCall({ safe, chainId, tx, keys }), gas: 3_000_000n };
}

/** @returns ids at the time lock, which a veto names. */
export async function scheduleAll(system: System, operations: readonly Operation[], delayS: number): Promise<string[]> {
  const { timelock } = system.evm;
  const calls = operations.map((one) => ({ to: timelock, data: scheduleCall(one, delayS) }));
  const [said] = await sendCalls(system, [await byGovernance(system, calls)], thiefKey);
  mustBe('what governance schedules', said!, 'executed');
  return Promise.all(operations.map((one) => idOf(system, one)));
}

async function idOf(system: System, one: Operation): Promise<string> {
  return `0x${word(await readWord(system, system.evm.timelock, operationIdCall(one).slice(2)))}`;
}

/** Anybody executes it; the time lock must not let it. */
export function notExecuted(system: System, operations: readonly Operation[], when: string): RefusedCall[] {
  return operations.map((one) => ({
    name: `${one.name}, ${when}`,
    error: 'TimelockUnexpectedOperationState',
    to: system.evm.timelock,
    data: executeCall(one),
  }));
}

/** The chain's clock goes on, and a block comes. */
export async function pass(system: System, seconds: number): Promise<void> {
  await rpcCall(system.chains.anvil.url, 'evm_increaseTime', [seconds]);
  await system.mineEvm();
}
