import { createContract } from 'micro-eth-signer/abi.js';
import type { SafeTransaction } from '@holdfast/core/signing/messages.ts';
import { toHex } from '@holdfast/devnet/evm/abi.ts';
import { devnetKeys } from '@holdfast/devnet/evm/accounts.ts';
import type { EvmDeployment } from '@holdfast/devnet/evm/deploy-vault.ts';
import type { Receipt } from '@holdfast/devnet/evm/json-rpc.ts';
import { sendAndWait } from '@holdfast/devnet/evm/send-transaction.ts';
import { signedSafeCall } from '@holdfast/devnet/evm/sign-safe-call.ts';
import { safeNonce } from './anvil.ts';

const input = <N extends string, T extends string>(name: N, type: T) => ({ name, type }) as const;
const operation = [
  input('target', 'address'),
  input('value', 'uint256'),
  input('data', 'bytes'),
  input('predecessor', 'bytes32'),
  input('salt', 'bytes32'),
] as const;
/** OpenZeppelin's TimelockController. */
const timelockAbi = createContract([
  { type: 'function', name: 'schedule', inputs: [...operation, input('delay', 'uint256')], outputs: [] },
  { type: 'function', name: 'execute', inputs: operation, outputs: [] },
  { type: 'function', name: 'hashOperation', inputs: operation, outputs: [] },
] as const);

/** A chain with a vault, and enough keys of its governance Safe. */
export interface Governance {
  readonly rpcUrl: string;
  readonly vault: EvmDeployment;
  readonly keys: readonly string[];
}

/** What governance wants done; the same call again needs another `salt`. */
export interface GovernanceCall {
  readonly target: string;
  readonly data: Uint8Array;
  readonly salt?: number;
}

const argumentsOf = ({ target, data, salt = 0 }: GovernanceCall) => ({
  target,
  value: 0n,
  data,
  predecessor: new Uint8Array(32),
  salt: Uint8Array.of(...new Uint8Array(31), salt),
});

/** Any transaction of the governance Safe. */
export async function asGovernance(by: Governance, to: string, data: Uint8Array): Promise<Receipt> {
  const { governanceSafe: safe, chainId } = by.vault;
  const nonce = String(await safeNonce(by.rpcUrl, safe));
  const tx: SafeTransaction = { to, value: '0', data: toHex(data), operation: 0, nonce };
  const call = signedSafeCall({ safe, chainId, tx, keys: by.keys });
  return sendAndWait({ rpcUrl: by.rpcUrl, key: devnetKeys.spare, to: safe, data: call });
}

/** Calldata of TimelockController.schedule, for the proposer. @param delayS seconds. */
export function scheduleCall(call: GovernanceCall, delayS: number): Uint8Array {
  return timelockAbi.schedule.encodeInput({ ...argumentsOf(call), delay: BigInt(delayS) });
}

/** Calldata of TimelockController.execute, for anybody. */
export function executeCall(call: GovernanceCall): string {
  return toHex(timelockAbi.execute.encodeInput(argumentsOf(call)));
}

export function schedule(by: Governance, call: GovernanceCall, delayS = 5): Promise<Receipt> {
  return asGovernance(by, by.vault.timelock, scheduleCall(call, delayS));
}

/** Anybody may. Rejects with what the chain says when it reverts. */
export function executeScheduled(by: Pick<Governance, 'rpcUrl' | 'vault'>, call: GovernanceCall): Promise<Receipt> {
  const data = executeCall(call);
  return sendAndWait({ rpcUrl: by.rpcUrl, key: devnetKeys.spare, to: by.vault.timelock, data });
}

/** Calldata of TimelockController.hashOperation: the call's id at the time lock, which a veto names. */
export function operationIdCall(call: GovernanceCall): string {
  return toHex(timelockAbi.hashOperation.encodeInput(argumentsOf(call)));
}
