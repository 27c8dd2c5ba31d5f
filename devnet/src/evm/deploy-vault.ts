import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { addr } from 'micro-eth-signer';
import { loadArtifact, type ContractName } from '@holdfast/contracts/artifact.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import { devnetAbi, toHex } from './abi.ts';
import { rpcCall, waitForReceipt, type Receipt } from './json-rpc.ts';
import { sendTransaction } from './send-transaction.ts';

/** Addresses (EIP-55) of what the devnet deployed; JSON-safe. */
export interface EvmDeployment {
  readonly chainId: number;
  /** The hot vault: Safe 1.5.0, threshold 2, no module, guard or fallback handler. */
  readonly safe: string;
  /** The code behind both Safes. */
  readonly safeSingleton: string;
  /** Owner of the registry. */
  readonly coldSafe: string;
  readonly multiSend: string;
  readonly registry: string;
  readonly factory: string;
  /** keccak256 of the forwarder's init code, 0x hex. */
  readonly forwarderInitCodeHash: string;
  readonly usdt: string;
  readonly usdc: string;
  readonly splitter: string;
  readonly revertingRecipient: string;
  readonly gasBurner: string;
  /** Nothing of the vault is in an earlier block. */
  readonly firstBlock: number;
}

export interface DeployVaultInput {
  readonly rpcUrl: string;
  /** 0x hex; pays and owns the test tokens. */
  readonly deployerKey: string;
  /** Signers' owner addresses of the vault. */
  readonly owners: readonly string[];
  /** How many of `owners` must sign; 2 when left out. */
  readonly threshold?: number;
  readonly coldOwners: readonly string[];
  readonly coldThreshold: number;
}

/**
 * Deploys the canonical Safe contracts, the hot and the cold Safe, the registry, the forwarder factory and the test
 * tokens. Works with a node that mines by itself or on demand.
 */
export async function deployVault(input: DeployVaultInput): Promise<EvmDeployment> {
  const { rpcUrl } = input;
  const firstBlock = Number(await rpcCall<string>(rpcUrl, 'eth_blockNumber')) + 1;
  const run = (to: string | undefined, data: string) => sendMined(rpcUrl, input.deployerKey, to, data);
  const create = async (initCode: string) => addressOfReceipt(await run(undefined, initCode));
  const ours = (name: ContractName, ...args: string[]) =>
    create(loadArtifact(name).bytecode + args.map((arg) => arg.slice(2).toLowerCase().padStart(64, '0')).join(''));

  const singleton = await create(safeBytecode('Safe.sol/Safe.json'));
  const proxyFactory = await create(safeBytecode('proxies/SafeProxyFactory.sol/SafeProxyFactory.json'));
  const multiSend = await create(safeBytecode('libraries/MultiSendCallOnly.sol/MultiSendCallOnly.json'));
  const createSafe = async (owners: readonly string[], threshold: number, saltNonce: bigint) =>
    proxyOfReceipt(await run(proxyFactory, proxyCall(singleton, owners, threshold, saltNonce)), proxyFactory);
  const coldSafe = await createSafe(input.coldOwners, input.coldThreshold, 0n);
  const safe = await createSafe(input.owners, input.threshold ?? 2, 1n);
  const registry = await ours('VaultRegistry', coldSafe, safe);
  return {
    chainId: Number(await rpcCall<string>(rpcUrl, 'eth_chainId')),
    safe,
    safeSingleton: singleton,
    coldSafe,
    multiSend,
    registry,
    factory: await ours('ForwarderFactory', registry),
    forwarderInitCodeHash: forwarderInitCodeHash(),
    usdt: await ours('TestUSDT'),
    usdc: await ours('TestUSDC'),
    splitter: await ours('Splitter'),
    revertingRecipient: await ours('RevertingRecipient'),
    gasBurner: await ours('GasBurner'),
    firstBlock,
  };
}

/** keccak256 of the committed forwarder's init code, 0x hex. */
export function forwarderInitCodeHash(): string {
  return toHex(keccak_256(hexToBytes(loadArtifact('Forwarder').bytecode.slice(2))));
}

async function sendMined(rpcUrl: string, key: string, to: string | undefined, data: string): Promise<Receipt> {
  const txid = await sendTransaction({ rpcUrl, key, data, ...(to === undefined ? {} : { to }) });
  await rpcCall(rpcUrl, 'anvil_mine', ['0x1']);
  const receipt = await waitForReceipt(rpcUrl, txid);
  invariant(receipt.status === '0x1', `deployment step ${txid} reverted`);
  return receipt;
}

function safeBytecode(artifact: string): string {
  const file = createRequire(import.meta.url).resolve(
    `@safe-global/safe-smart-account/build/artifacts/contracts/${artifact}`,
  );
  return (JSON.parse(readFileSync(file, 'utf8')) as { bytecode: string }).bytecode;
}

/** SafeProxyFactory.createProxyWithNonce with Safe.setup: owners and threshold, everything else off. */
function proxyCall(singleton: string, owners: readonly string[], threshold: number, saltNonce: bigint): string {
  const none = `0x${'0'.repeat(40)}`;
  const initializer = devnetAbi.setup.encodeInput({
    owners: [...owners],
    threshold: BigInt(threshold),
    to: none,
    data: new Uint8Array(),
    fallbackHandler: none,
    paymentToken: none,
    payment: 0n,
    paymentReceiver: none,
  });
  return toHex(devnetAbi.createProxyWithNonce.encodeInput({ singleton, initializer, saltNonce }));
}

function addressOfReceipt(receipt: Receipt): string {
  invariant(receipt.contractAddress !== null, 'no contract was created');
  return addr.addChecksum(receipt.contractAddress);
}

/** The factory's own event is ProxyCreation(address indexed proxy, address singleton); Safe.setup logs before it. */
function proxyOfReceipt(receipt: Receipt, proxyFactory: string): string {
  const log = receipt.logs.find(({ address }) => address.toLowerCase() === proxyFactory.toLowerCase());
  const topic = log?.topics[1];
  invariant(topic !== undefined, 'no ProxyCreation event');
  return addr.addChecksum(`0x${bytesToHex(hexToBytes(topic.slice(2)).subarray(12))}`);
}
