import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { addr } from 'micro-eth-signer';
import { loadArtifact, type ContractName } from '@holdfast/contracts/artifact.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import { devnetAbi, toHex } from './abi.ts';
import { addressOfKey } from './accounts.ts';
import { rpcCall, waitForReceipt, type Receipt } from './json-rpc.ts';
import { callAll } from './multi-send.ts';
import { sendTransaction } from './send-transaction.ts';
import { signedSafeCall } from './sign-safe-call.ts';

/** Addresses (EIP-55) of what the devnet deployed; JSON-safe. */
export interface EvmDeployment {
  readonly chainId: number;
  /** The hot vault: Safe 1.5.0, threshold 2, with guard, handler, and the modules desk and timelock. */
  readonly safe: string;
  /** The code behind all Safes. */
  readonly safeSingleton: string;
  /** Where an evacuation goes. */
  readonly coldSafe: string;
  /** Proposes to the time lock; of other custodians' keys than coldSafe where those are given. */
  readonly governanceSafe: string;
  /** VaultTimelock: owner of the registry, governor of the guard. */
  readonly timelock: string;
  /** EmergencyDesk. */
  readonly desk: string;
  /** VaultGuard. */
  readonly guard: string;
  /** ReservesHandler. */
  readonly handler: string;
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

/** The guard's limit for a token: base units at once, and a second from then on. */
export interface TokenLimit {
  readonly asset: 'ETH' | 'USDT' | 'USDC';
  readonly capacity: bigint;
  readonly refillPerSecond: bigint;
}

export interface DeployVaultInput {
  readonly rpcUrl: string;
  /** 0x hex; pays and owns the test tokens. */
  readonly deployerKey: string;
  /** Signers' owner addresses of the vault. */
  readonly owners: readonly string[];
  /** How many of `owners` must sign; 2 when left out. */
  readonly threshold?: number;
  /** A key a signer, at the desk. */
  readonly emergencyKeys: readonly string[];
  readonly limits: readonly TokenLimit[];
  readonly coldOwners: readonly string[];
  readonly coldThreshold: number;
  /** Owners of the governance Safe, with the same threshold. */
  readonly governanceOwners: readonly string[];
  /** Of the time lock; 5 when left out. */
  readonly governanceDelayS?: number;
}

/** What every step of a deployment needs. */
interface Deployer {
  readonly rpcUrl: string;
  readonly key: string;
}

/**
 * Deploys the canonical Safe contracts, the hot, the cold and the governance Safe, the vault's contracts and the test
 * tokens. Works with a node that mines by itself or on demand.
 */
export async function deployVault(input: DeployVaultInput): Promise<EvmDeployment> {
  const { rpcUrl } = input;
  const by: Deployer = { rpcUrl, key: input.deployerKey };
  const firstBlock = Number(await rpcCall<string>(rpcUrl, 'eth_blockNumber')) + 1;
  const chainId = Number(await rpcCall<string>(rpcUrl, 'eth_chainId'));
  const canonical = (artifact: string) => create(by, safeBytecode(artifact));
  const safeSingleton = await canonical('Safe.sol/Safe.json');
  const proxyFactory = await canonical('proxies/SafeProxyFactory.sol/SafeProxyFactory.json');
  const multiSend = await canonical('libraries/MultiSendCallOnly.sol/MultiSendCallOnly.json');
  const createSafe = async (owners: readonly string[], threshold: number, saltNonce: bigint) => {
    const call = proxyCall(safeSingleton, owners, threshold, saltNonce);
    return proxyOfReceipt(await sendMined(by, proxyFactory, call), proxyFactory);
  };
  const coldSafe = await createSafe(input.coldOwners, input.coldThreshold, 0n);
  // The deployer's until everything that only the Safe itself may change is in place.
  const safe = await createSafe([addressOfKey(by.key)], 1, 1n);
  const governanceSafe = await createSafe(input.governanceOwners, input.coldThreshold, 2n);
  const usdt = await deploy(by, 'TestUSDT');
  const usdc = await deploy(by, 'TestUSDC');
  const parties = { safe, governanceSafe, coldSafe, multiSend, tokens: { ETH: zeroAddress, USDT: usdt, USDC: usdc } };
  const vault = await deployGuards(by, input, parties);
  await handOver(by, { ...vault, chainId, safe, multiSend }, input);
  const registry = await deploy(by, 'VaultRegistry', word(vault.timelock), word(safe));
  return {
    chainId,
    safe,
    safeSingleton,
    coldSafe,
    governanceSafe,
    ...vault,
    multiSend,
    registry,
    factory: await deploy(by, 'ForwarderFactory', word(registry)),
    forwarderInitCodeHash: forwarderInitCodeHash(),
    usdt,
    usdc,
    splitter: await deploy(by, 'Splitter'),
    revertingRecipient: await deploy(by, 'RevertingRecipient'),
    gasBurner: await deploy(by, 'GasBurner'),
    firstBlock,
  };
}

type Guards = Pick<EvmDeployment, 'timelock' | 'desk' | 'guard' | 'handler'>;

async function deployGuards(
  by: Deployer,
  { emergencyKeys, limits, governanceDelayS = 5 }: DeployVaultInput,
  at: { safe: string; governanceSafe: string; coldSafe: string; multiSend: string; tokens: Record<string, string> },
): Promise<Guards> {
  const delay = BigInt(governanceDelayS).toString(16).padStart(64, '0');
  // ABI: the heads, with the offset of the list as the last one, then the list.
  const keys = [number(emergencyKeys.length), ...emergencyKeys.map(word)];
  const heads = [delay, word(at.governanceSafe), word(at.safe), word(at.coldSafe), number(5 * 32)];
  const timelock = await deploy(by, 'VaultTimelock', ...heads, ...keys);
  const desk = await rpcCall<string>(by.rpcUrl, 'eth_call', [{ to: timelock, data: '0xc12b293c' }, 'latest']);
  const listed = limits.flatMap((limit) => [
    word(at.tokens[limit.asset]!),
    number(limit.capacity),
    number(limit.refillPerSecond),
  ]);
  const guardArguments = [word(timelock), word(at.multiSend), number(3 * 32), number(limits.length), ...listed];
  return {
    timelock,
    desk: addr.addChecksum(`0x${desk.slice(-40)}`),
    guard: await deploy(by, 'VaultGuard', ...guardArguments),
    handler: await deploy(by, 'ReservesHandler', word(at.safe)),
  };
}

/** The last transaction of the Safe that no guard judges: it brings modules, handler, the signers as owners, and the guard. */
async function handOver(
  by: Deployer,
  vault: Guards & { chainId: number; safe: string; multiSend: string },
  { owners, threshold = 2 }: DeployVaultInput,
): Promise<void> {
  const { safe, multiSend, chainId } = vault;
  const [first, ...others] = owners;
  invariant(first !== undefined, 'a vault has owners');
  const enforced = (count: number): bigint => BigInt(Math.min(threshold, count));
  const calls = [
    devnetAbi.enableModule.encodeInput(vault.timelock),
    devnetAbi.enableModule.encodeInput(vault.desk),
    devnetAbi.setFallbackHandler.encodeInput(vault.handler),
    devnetAbi.swapOwner.encodeInput({ prevOwner: sentinel, oldOwner: addressOfKey(by.key), newOwner: first }),
    ...others.map((owner, at) => devnetAbi.addOwnerWithThreshold.encodeInput({ owner, threshold: enforced(at + 2) })),
    devnetAbi.setGuard.encodeInput(vault.guard),
  ].map((data) => ({ to: safe, data }));
  const tx = callAll(calls, multiSend, 0n);
  const receipt = await sendMined(by, safe, signedSafeCall({ chainId, safe, tx, keys: [by.key] }));
  invariant(receipt.logs.length > calls.length, 'the Safe was handed over');
}

const zeroAddress = `0x${'0'.repeat(40)}`;
/** Head of the Safe's list of owners. */
const sentinel = `0x${'1'.padStart(40, '0')}`;
/** An address or a number as an ABI word, 64 hex digits. */
const word = (address: string): string => address.slice(2).toLowerCase().padStart(64, '0');
const number = (value: number | bigint): string => value.toString(16).padStart(64, '0');

/** @param words of the constructor's arguments, ABI encoded. */
function deploy(by: Deployer, name: ContractName, ...words: string[]): Promise<string> {
  return create(by, loadArtifact(name).bytecode + words.join(''));
}

async function create(by: Deployer, initCode: string): Promise<string> {
  return addressOfReceipt(await sendMined(by, undefined, initCode));
}

/** keccak256 of the committed forwarder's init code, 0x hex. */
export function forwarderInitCodeHash(): string {
  return toHex(keccak_256(hexToBytes(loadArtifact('Forwarder').bytecode.slice(2))));
}

async function sendMined({ rpcUrl, key }: Deployer, to: string | undefined, data: string): Promise<Receipt> {
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
  const none = zeroAddress;
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
