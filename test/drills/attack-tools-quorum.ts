import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { createContract } from 'micro-eth-signer/abi.js';
import { packSignatures } from '@holdfast/core/chains/evm/build.ts';
import { toHex } from '@holdfast/devnet/evm/abi.ts';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import type { DigestSigner } from '@holdfast/signer/keys/digest-signer.ts';
import type { FrostKey } from '@holdfast/signer/keys/frost-key.ts';
import type { System } from '../support/system.ts';
import { safeNonce } from './attack-tools-chains.ts';
import { type EvmCall, readWord, selectorOf } from './attack-tools-evm-calls.ts';
import { addressWord, deadlineLeg, leg, multiSendOf, transferCall, word } from './attack-tools-safe-bytes.ts';
import { chainTimeS } from './attack-tools-emergency.ts';
import { stealSigner, type StolenSigner } from './attack-tools-signers.ts';
import { type DrillStage, signerNames } from './drill-stage.ts';

/** Every key of the hot wallets: owners of the Safe, shares of the threshold key. The processes go on, and are not asked. */
export interface StolenQuorum {
  readonly owners: readonly DigestSigner[];
  readonly shares: readonly FrostKey[];
  readonly close: () => void;
}

export async function stealQuorum(stage: DrillStage): Promise<StolenQuorum> {
  const stolen: StolenSigner[] = await Promise.all(signerNames.map((id) => stealSigner(stage, id)));
  return {
    owners: stolen.map(({ owner }) => owner),
    shares: stolen.map(({ share }) => share),
    close: () => stolen.forEach((one) => one.close()),
  };
}

/**
 * Waits until every signer has halted for what it saw leave on this network: a halt of an attack before counts for nothing.
 * @returns the milliseconds since `startedAtMs`.
 */
export async function noticedAfterMs(
  stage: DrillStage,
  mark: ReadonlyMap<string, number>,
  network: string,
  startedAtMs: number,
  withinMs: number,
): Promise<number> {
  const noticed = (signer: string): boolean =>
    stage
      .journal(signer)
      .slice(mark.get(signer))
      .some((record) => record.kind === 'halt' && record.body.statement.reason.endsWith(` on ${network}`));
  await awaitCondition(`every signer halted for ${network}`, async () => signerNames.every(noticed), withinMs, 20);
  return Math.round(performance.now() - startedAtMs);
}

/** All fields of a transaction of the Safe, its nonce aside; what is left out is zero. */
export interface AnySafeCall {
  readonly to: string;
  readonly value?: bigint;
  /** 0x hex. */
  readonly data?: string;
  readonly operation?: 0 | 1;
  readonly safeTxGas?: bigint;
  readonly baseGas?: bigint;
  readonly gasPrice?: bigint;
  readonly gasToken?: string;
  readonly refundReceiver?: string;
}

const input = <N extends string, T extends string>(name: N, type: T) => ({ name, type }) as const;
const fields = [
  input('to', 'address'),
  input('value', 'uint256'),
  input('data', 'bytes'),
  input('operation', 'uint8'),
  input('safeTxGas', 'uint256'),
  input('baseGas', 'uint256'),
  input('gasPrice', 'uint256'),
  input('gasToken', 'address'),
  input('refundReceiver', 'address'),
] as const;
/** With every field, which no honest builder has. */
const safeAbi = createContract([
  { type: 'function', name: 'execTransaction', inputs: [...fields, input('signatures', 'bytes')], outputs: [] },
  { type: 'function', name: 'getTransactionHash', inputs: [...fields, input('nonce', 'uint256')], outputs: [] },
] as const);

const nobody = `0x${'0'.repeat(40)}`;

/** Two owners' signatures over a hash, as the Safe takes them. */
export async function signatures({ owners }: StolenQuorum, hash: Uint8Array): Promise<string> {
  const two = owners.slice(0, 2);
  const signed = await Promise.all(
    two.map(async (owner) => ({ owner: owner.address, signature: bytesToHex(await owner.sign(hash)) })),
  );
  return packSignatures(signed);
}

/** execTransaction with the owners' signatures; what is signed is what the Safe itself says. @param ahead of its nonce. */
export async function bySafe(system: System, quorum: StolenQuorum, call: AnySafeCall, ahead = 0): Promise<EvmCall> {
  const { safe } = system.evm;
  const values = {
    to: call.to,
    value: call.value ?? 0n,
    data: hexToBytes((call.data ?? '0x').slice(2)),
    operation: BigInt(call.operation ?? 0),
    safeTxGas: call.safeTxGas ?? 0n,
    baseGas: call.baseGas ?? 0n,
    gasPrice: call.gasPrice ?? 0n,
    gasToken: call.gasToken ?? nobody,
    refundReceiver: call.refundReceiver ?? nobody,
  };
  const nonce = (await safeNonce(system)) + BigInt(ahead);
  const asked = toHex(safeAbi.getTransactionHash.encodeInput({ ...values, nonce }));
  const hash = await rpcCall<string>(system.chains.anvil.url, 'eth_call', [{ to: safe, data: asked }, 'latest']);
  const packed = await signatures(quorum, hexToBytes(hash.slice(2)));
  const data = toHex(safeAbi.execTransaction.encodeInput({ ...values, signatures: hexToBytes(packed.slice(2)) }));
  return { to: safe, data };
}

/** A batch of these legs, of the form that the guard lets through. @param endsInS of its deadline, by the chain's clock. */
export async function batchCall(
  system: System,
  legs: readonly string[],
  { endsInS = 600n, deadline = true }: { endsInS?: bigint; deadline?: boolean } = {},
): Promise<AnySafeCall> {
  const { guard, multiSend } = system.evm;
  const first = deadline ? [deadlineLeg((await chainTimeS(system)) + endsInS, guard)] : [];
  return { to: multiSend, data: multiSendOf([...first, ...legs]), operation: 1 };
}

export type EvmAsset = 'ETH' | 'USDT' | 'USDC';
export const evmAssets: readonly EvmAsset[] = ['ETH', 'USDT', 'USDC'];

/** Contract of a token; the zero address for ether, as guard and desk say it. */
export function tokenOf({ evm }: System, asset: EvmAsset): string {
  return asset === 'ETH' ? nobody : asset === 'USDT' ? evm.usdt : evm.usdc;
}

export function payLeg(system: System, asset: EvmAsset, to: string, amount: bigint): string {
  if (asset === 'ETH') return leg(to, { value: amount });
  return leg(tokenOf(system, asset), { data: transferCall(to, amount) });
}

/** What the guard would let go of it now. */
export function availableOf(system: System, asset: EvmAsset): Promise<bigint> {
  const data = selectorOf('available(address)') + addressWord(tokenOf(system, asset));
  return readWord(system, system.evm.guard, data);
}

/** What an address holds, in the last block. */
export async function holds(system: System, asset: EvmAsset, address: string): Promise<bigint> {
  if (asset !== 'ETH') return readWord(system, tokenOf(system, asset), `70a08231${addressWord(address)}`);
  return BigInt(await rpcCall<string>(system.chains.anvil.url, 'eth_getBalance', [address, 'latest']));
}

/** What reached an address of the thief; every call of these drills is in a block when it is looked at. */
export async function holdings(system: System, address: string): Promise<Record<EvmAsset, bigint>> {
  const held = evmAssets.map(async (asset) => [asset, await holds(system, asset, address)] as const);
  return Object.fromEntries(await Promise.all(held)) as Record<EvmAsset, bigint>;
}

/** Everything that rules the vault, as the chain has it: owners, threshold, guard, handler, modules, destination, limits. */
export async function constitution(system: System): Promise<string> {
  const { safe, guard, desk, timelock, registry } = system.evm;
  const url = system.chains.anvil.url;
  const modules = 'getModulesPaginated(address,uint256)';
  const reads: readonly (readonly [string, string])[] = [
    [safe, selectorOf('getOwners()')],
    [safe, selectorOf('getThreshold()')],
    [safe, selectorOf(modules) + addressWord(`0x${'1'.padStart(40, '0')}`) + word(9)],
    [registry, selectorOf('vault()')],
    [registry, selectorOf('owner()')],
    [desk, selectorOf('keyCount()')],
    [timelock, selectorOf('getMinDelay()')],
    [guard, selectorOf('horizon()')],
    ...evmAssets.map((asset) => [guard, selectorOf('limitOf(address)') + addressWord(tokenOf(system, asset))] as const),
  ];
  const found: string[] = [];
  for (const [to, data] of reads) found.push(await rpcCall(url, 'eth_call', [{ to, data: `0x${data}` }, 'latest']));
  // Guard, handler and guard of modules: keccak256 of their names (Safe 1.5.0).
  for (const slot of [
    '0x4a204f620c8c5ccdca3fd54d003badd85ba500436a431f0cbda4f558c93c34c8',
    '0x6c9a6c4a39284e37ed1cf53d337577d14212a4870fb976a4366c693b939918d5',
    '0xb104e0b93118902c651344349b610029d694cfdec91c589c91ebafbcd0289947',
  ])
    found.push(await rpcCall(url, 'eth_getStorageAt', [safe, slot, 'latest']));
  return found.join(' ');
}
