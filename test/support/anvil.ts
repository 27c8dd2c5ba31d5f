import { buildWithdrawalBatch, type WithdrawalLeg } from '@holdfast/core/chains/evm/build.ts';
import { forwarderAddress, forwarderSalt } from '@holdfast/core/chains/evm/forwarder.ts';
import type { EvmBlock, EvmHeader } from '@holdfast/core/chains/evm/node-block.ts';
import { scanEvmBlock, touchedBalances, type EvmWatch } from '@holdfast/core/chains/evm/scan.ts';
import type { ScannedBlock } from '@holdfast/core/chains/chain.ts';
import type { SafeTransaction } from '@holdfast/core/signing/messages.ts';
import { devnetAbi, toHex } from '@holdfast/devnet/evm/abi.ts';
import { addressOfKey, devnetKeys } from '@holdfast/devnet/evm/accounts.ts';
import { deployVault, type DeployVaultInput, type EvmDeployment } from '@holdfast/devnet/evm/deploy-vault.ts';
import { rpcCall, waitForReceipt, type Receipt } from '@holdfast/devnet/evm/json-rpc.ts';
import { guardLimits } from '@holdfast/devnet/policy.ts';
import { sendAndWait } from '@holdfast/devnet/evm/send-transaction.ts';
import { signedSafeCall } from '@holdfast/devnet/evm/sign-safe-call.ts';
import { startAnvil, type AnvilOptions } from '@holdfast/devnet/evm/start-anvil.ts';

const keysOf = (digit: string) => [1, 2, 3].map((at) => `0x${String(at).padStart(2, '0')}${digit.repeat(62)}`);
/** Owner keys of the vault, of the cold Safe and of the governance Safe, all 2-of-3. */
export const ownerKeys: readonly string[] = keysOf('a');
export const coldOwnerKeys: readonly string[] = keysOf('c');
export const governanceKeys: readonly string[] = keysOf('d');
/** At the emergency desk. */
export const emergencyKeys: readonly string[] = keysOf('e');
/** Pays the gas of the vault's transactions. */
export const relayerKey = devnetKeys.spare;

export interface VaultDevnet {
  readonly url: string;
  readonly deployment: EvmDeployment;
  stop(): Promise<void>;
}

/** @param change of the owners of cold and governance Safe, and of their threshold. */
export function deployTestVault(rpcUrl: string, change: Partial<DeployVaultInput> = {}): Promise<EvmDeployment> {
  return deployVault({
    rpcUrl,
    deployerKey: devnetKeys.deployer,
    owners: ownerKeys.map(addressOfKey),
    emergencyKeys: emergencyKeys.map(addressOfKey),
    limits: guardLimits(),
    coldOwners: coldOwnerKeys.map(addressOfKey),
    coldThreshold: 2,
    governanceOwners: governanceKeys.map(addressOfKey),
    ...change,
  });
}

/** An anvil with the whole deployment; 2-of-3 by ownerKeys, cold 2-of-3 by coldOwnerKeys. */
export async function startVaultDevnet(options: AnvilOptions = {}): Promise<VaultDevnet> {
  const node = await startAnvil(options);
  try {
    const deployment = await deployTestVault(node.url);
    return { url: node.url, deployment, stop: () => node.stop() };
  } catch (error) {
    await node.stop();
    throw error;
  }
}

/** Builds, signs with two owners and relays one batch of the vault. */
export async function payBatch(
  devnet: VaultDevnet,
  legs: readonly WithdrawalLeg[],
): Promise<{ tx: SafeTransaction; receipt: Receipt }> {
  const { safe, multiSend, chainId, guard } = devnet.deployment;
  const { timestamp } = await rpcCall<{ timestamp: string }>(devnet.url, 'eth_getBlockByNumber', ['latest', false]);
  const deadline = { guard, notAfterS: BigInt(timestamp) + 3_600n };
  const tx = buildWithdrawalBatch({ legs, nonce: await safeNonce(devnet.url, safe), multiSend, deadline });
  const data = signedSafeCall({ safe, chainId, tx, keys: ownerKeys.slice(0, 2) });
  return { tx, receipt: await sendAndWait({ rpcUrl: devnet.url, key: relayerKey, to: safe, data }) };
}

/** nonce() of a Safe. */
export async function safeNonce(rpcUrl: string, safe: string): Promise<bigint> {
  return BigInt(await rpcCall<string>(rpcUrl, 'eth_call', [{ to: safe, data: '0xaffed0e0' }, 'latest']));
}

export async function balanceWei(
  rpcUrl: string,
  address: string,
  at: 'latest' | { readonly blockHash: string } = 'latest',
): Promise<bigint> {
  return BigInt(await rpcCall<string>(rpcUrl, 'eth_getBalance', [address, at]));
}

/** balanceOf(address) of a token, at the latest block or the one with this hash. */
export async function tokenBalance(
  rpcUrl: string,
  contract: string,
  address: string,
  blockHash?: string,
): Promise<bigint> {
  const data = toHex(devnetAbi.balanceOf.encodeInput(address));
  return BigInt(
    await rpcCall<string>(rpcUrl, 'eth_call', [
      { to: contract, data },
      blockHash === undefined ? 'latest' : { blockHash },
    ]),
  );
}

/** Everything that the scan wants to know of one block, asked by the block's hash. */
export async function fetchBlock(rpcUrl: string, blockHash: string, watch: EvmWatch): Promise<EvmBlock> {
  const [header, receipts, traces] = await Promise.all([
    rpcCall<EvmHeader>(rpcUrl, 'eth_getBlockByHash', [blockHash, false]),
    rpcCall<EvmBlock['receipts']>(rpcUrl, 'eth_getBlockReceipts', [blockHash]),
    rpcCall<EvmBlock['traces']>(rpcUrl, 'debug_traceBlockByHash', [blockHash, { tracer: 'callTracer' }]),
  ]);
  const balanceDeltas = await Promise.all(
    touchedBalances({ header, receipts, traces }, watch).map(async ({ contract, address }) => {
      const at = (blockHash: string): Promise<bigint> =>
        contract === null
          ? balanceWei(rpcUrl, address, { blockHash })
          : tokenBalance(rpcUrl, contract, address, blockHash);
      return { contract, address, delta: (await at(header.hash)) - (await at(header.parentHash)) };
    }),
  );
  return { header, receipts, traces, balanceDeltas };
}

export async function scanBlock(rpcUrl: string, blockHash: string, watch: EvmWatch): Promise<ScannedBlock> {
  return scanEvmBlock(await fetchBlock(rpcUrl, blockHash, watch), watch);
}

/** Watches the vault, the relayer and these deposit addresses. */
export function watchOf(deployment: EvmDeployment, deposits: readonly string[]): EvmWatch {
  const kinds = new Map<string, 'deposit' | 'hot' | 'relayer'>([
    ...deposits.map((address) => [address.toLowerCase(), 'deposit'] as const),
    [deployment.safe.toLowerCase(), 'hot'],
    [addressOfKey(relayerKey).toLowerCase(), 'relayer'],
  ]);
  return {
    kindOf: (address) => kinds.get(address),
    tokens: new Map([
      [deployment.usdt, 'USDT'],
      [deployment.usdc, 'USDC'],
    ]),
    nativeAsset: 'ETH',
  };
}

let issued = 0;

/** An address of nobody, another one each time. */
export function newAddress(): string {
  return addressOfKey(`0x${String(++issued).padStart(64, '7')}`);
}

/** The forwarder of a fresh customer; not deployed. */
export function newForwarder(devnet: VaultDevnet): { salt: Uint8Array; address: string } {
  const salt = forwarderSalt(`cus_00000000-0000-7000-8000-${String(++issued).padStart(12, '0')}`, 0);
  const { factory, forwarderInitCodeHash } = devnet.deployment;
  return { salt, address: forwarderAddress({ factory, initCodeHash: forwarderInitCodeHash, salt }) };
}

/** The receipt of a payment that was just sent. */
export async function mined(devnet: Pick<VaultDevnet, 'url'>, txid: Promise<string>): Promise<Receipt> {
  return waitForReceipt(devnet.url, await txid);
}

/**
 * A payment by one of the Splitter's functions; the faucet pays. The gas is named, because an estimate finds the least
 * with which the transaction succeeds, and payAndRevert also succeeds without reaching the payment that it undoes.
 */
export function viaSplitter(devnet: VaultDevnet, data: Uint8Array, valueWei: bigint): Promise<Receipt> {
  return sendAndWait({
    rpcUrl: devnet.url,
    key: devnetKeys.faucet,
    to: devnet.deployment.splitter,
    data: toHex(data),
    valueWei,
    gasLimit: 500_000n,
  });
}
