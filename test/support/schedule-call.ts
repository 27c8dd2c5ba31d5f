import { randomBytes } from 'node:crypto';
import { buildSafeGovernance } from '@holdfast/core/cold/build-request.ts';
import type { GovernanceDraft } from '@holdfast/core/cold/draft.ts';
import type { EvmDeployment } from '@holdfast/devnet/evm/deploy-vault.ts';
import { rpcCall, waitForReceipt } from '@holdfast/devnet/evm/json-rpc.ts';
import { sendTransaction } from '@holdfast/devnet/evm/send-transaction.ts';
import { signedSafeCall } from '@holdfast/devnet/evm/sign-safe-call.ts';
import { relayerKey, safeNonce } from './anvil.ts';

/** Governance schedules a call at the time lock, with keys of its Safe. @returns the operation's id, 0x and 64 hex digits. */
export async function scheduleCall(
  at: {
    readonly url: string;
    readonly vault: EvmDeployment;
    readonly keys: readonly string[];
    readonly quorum?: number;
  },
  call: NonNullable<GovernanceDraft['call']>,
  delayS: number,
): Promise<string> {
  const { url, vault, keys, quorum = 2 } = at;
  const nonce = (await safeNonce(url, vault.governanceSafe)).toString();
  const salt = randomBytes(32).toString('hex');
  const timelock = { action: 'schedule' as const, salt, delay_s: String(delayS) };
  const network = `eip155:${vault.chainId}`;
  const contracts = [
    { kind: 'vault-guard' as const, address: vault.guard },
    { kind: 'timelock' as const, address: vault.timelock },
  ];
  const setup = { network, coin: 'ETH', cold_safe: vault.governanceSafe, hot_safe: vault.safe, tokens: [], contracts };
  const tx = buildSafeGovernance({ network, nonce, call, timelock }, setup);
  const data = signedSafeCall({ safe: vault.governanceSafe, chainId: vault.chainId, tx, keys: keys.slice(0, quorum) });
  const txid = await sendTransaction({ rpcUrl: url, key: relayerKey, to: vault.governanceSafe, data });
  // The node may mine only when it is told to.
  await rpcCall(url, 'anvil_mine', ['0x1']);
  const receipt = await waitForReceipt(url, txid);
  const log = receipt.logs.find(({ address }) => address.toLowerCase() === vault.timelock.toLowerCase());
  const id = log?.topics[1];
  if (id === undefined) throw new Error('nothing was scheduled');
  return id;
}

/** Whether the vault's guard is paused: its first slot holds paused, pauses, pausedAt and horizon, from low to high. */
export async function isVaultPaused(url: string, guard: string): Promise<boolean> {
  const slot = await rpcCall<string>(url, 'eth_getStorageAt', [guard, '0x0', 'latest']);
  return slot.endsWith('01');
}

/** As if governance had unpaused the vault, without its delay. First the halts must be lifted, at the server's knowledge too. */
export async function unpauseVault(url: string, guard: string): Promise<void> {
  const slot = await rpcCall<string>(url, 'eth_getStorageAt', [guard, '0x0', 'latest']);
  await rpcCall(url, 'anvil_setStorageAt', [guard, '0x0', `${slot.slice(0, -2)}00`]);
  // No block has this state yet, so that nothing about the newest one could be proven.
  await rpcCall(url, 'anvil_mine', ['0x1']);
}
