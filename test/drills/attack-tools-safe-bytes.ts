import { randomBytes } from 'node:crypto';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { encodeExecTransaction, packSignatures } from '@holdfast/core/chains/evm/build.ts';
import { safeTransactionHash } from '@holdfast/core/chains/evm/safe-transaction.ts';
import type { ErrorCode } from '@holdfast/core/contract/error-codes.ts';
import type { AuthorizedIntent } from '@holdfast/core/signing/intent.ts';
import type { SafeTransaction } from '@holdfast/core/signing/messages.ts';
import { evmNetworkId } from '@holdfast/devnet/configure.ts';
import { addressOfKey, devnetKeys } from '@holdfast/devnet/evm/accounts.ts';
import { rpcCall, waitForReceipt } from '@holdfast/devnet/evm/json-rpc.ts';
import { sendTransaction } from '@holdfast/devnet/evm/send-transaction.ts';
import { askAll, mustRefuse } from './attack-tools-refusals.ts';
import type { DrillStage } from './drill-stage.ts';

/** The thief's own encoder: it writes what no honest builder would. Hex without 0x. */
export const word = (value: bigint | number): string => BigInt(value).toString(16).padStart(64, '0');
export const addressWord = (address: string): string => address.slice(2).toLowerCase().padStart(64, '0');
export const everyToken = (1n << 256n) - 1n;

/** A leg of MultiSend: operation (1 byte), to (20), value (32), length (32), data. */
export function leg(to: string, options: { value?: bigint; data?: string; operation?: number } = {}): string {
  const { value = 0n, data = '', operation = 0 } = options;
  const kind = operation.toString(16).padStart(2, '0');
  return `${kind}${to.slice(2).toLowerCase()}${word(value)}${word(data.length / 2)}${data}`;
}

/** `multiSend(bytes)` over these legs; the options break its ABI encoding. */
export function multiSendOf(
  legs: readonly string[],
  broken: { offset?: bigint; gap?: string; length?: bigint; padding?: string; after?: string } = {},
): string {
  const packed = legs.join('');
  const bytes = packed.length / 2;
  const { offset = 32n, gap = '', length = BigInt(bytes), after = '' } = broken;
  const padding = broken.padding ?? '00'.repeat((32 - (bytes % 32)) % 32);
  return `0x8d80ff0a${word(offset)}${gap}${word(length)}${packed}${padding}${after}`;
}

export const transferCall = (to: string, amount: bigint): string => `a9059cbb${addressWord(to)}${word(amount)}`;

/** What an honest builder makes of an intent, as a leg. */
export function honestLeg({ intent }: AuthorizedIntent): string {
  const amount = BigInt(intent.amount);
  if (intent.asset.includes('slip44')) return leg(intent.destination, { value: amount });
  return leg(contractOf(intent.asset), { data: transferCall(intent.destination, amount) });
}

/** `notAfter(uint256)` of the vault's guard, or of another contract: the first leg of an honest batch. */
export function deadlineLeg(notAfterS: bigint, guard: string): string {
  return leg(guard, { data: `f11e333d${word(notAfterS)}` });
}

const contractOf = (asset: string): string => asset.slice(asset.indexOf('erc20:') + 6);

/** The thief's account on the chain: it has gas, and hands in whatever the thief could get. */
export const thiefKey = devnetKeys.spare;
export const thiefAccount = addressOfKey(thiefKey);

export async function safeNonce(stage: DrillStage): Promise<bigint> {
  const { chains, evm } = stage.system;
  return BigInt(await rpcCall<string>(chains.anvil.url, 'eth_getStorageAt', [evm.safe, '0x5', 'latest']));
}

export async function viaMultiSend(stage: DrillStage, data: string): Promise<SafeTransaction> {
  const nonce = (await safeNonce(stage)).toString();
  return { to: stage.system.evm.multiSend, value: '0', data, operation: 1, nonce };
}

/** Bytes of the thief with the victim's real evidence, and the refusal that they must meet. */
export interface SafeAttempt {
  readonly name: string;
  readonly code: ErrorCode;
  readonly tx: SafeTransaction;
  readonly intents: readonly AuthorizedIntent[];
}

/** Asks all three signers, hands in to the Safe whatever came of it, and fails unless all refused for the reason. */
export async function trySafeBytes(stage: DrillStage, attempts: readonly SafeAttempt[]): Promise<void> {
  for (const { name, code, tx, intents } of attempts) {
    const request = { network: evmNetworkId, safe_transaction: tx, intents: [...intents] };
    const answers = await askAll(stage, async (client) => client.call('/v1/sign/evm', request));
    await handIn(
      stage,
      tx,
      answers.flatMap(({ value }) => value ?? []),
    );
    mustRefuse(name, answers, code);
  }
}

/**
 * Offers the Safe a transaction with the signatures at hand, filled up to its threshold with the thief's own; mined when
 * the loot is counted.
 */
export async function handIn(
  stage: DrillStage,
  asked: SafeTransaction,
  obtained: readonly { readonly owner: string; readonly signature: string }[],
): Promise<void> {
  const { chains, evm } = stage.system;
  // No chain has a place for it.
  if (BigInt(asked.value) > everyToken) return;
  // The contract has neither capitals nor leading zeros, and no fields that a signer does not know.
  const { to, operation, nonce } = asked;
  const tx = { to, value: BigInt(asked.value).toString(), data: asked.data.toLowerCase(), operation, nonce };
  const hash = safeTransactionHash({ chainId: BigInt(evm.chainId), safe: evm.safe, tx });
  const filled = obtained.slice(0, 2);
  for (const key of [thiefKey, `0x${bytesToHex(randomBytes(32))}`].slice(filled.length)) {
    const signature = secp256k1.sign(hash, hexToBytes(key.slice(2)), { prehash: false, format: 'recovered' });
    const rsv = bytesToHex(signature.subarray(1)) + (27 + signature[0]!).toString(16);
    filled.push({ owner: addressOfKey(key), signature: rsv });
  }
  const data = encodeExecTransaction(tx, packSignatures(filled));
  await sendTransaction({ rpcUrl: chains.anvil.url, key: thiefKey, to: evm.safe, data, gasLimit: 400_000n });
}

/** What an allowance or a module, had one been let in, would now be used for. */
export async function cashIn(stage: DrillStage, to: string): Promise<void> {
  const { chains, evm } = stage.system;
  const taken = `23b872dd${addressWord(evm.safe)}${addressWord(to)}${word(1_000_000)}`;
  // execTransactionFromModule(address,uint256,bytes,uint8): a call with one ether and no data.
  const byModule = `468721a7${addressWord(to)}${word(10n ** 18n)}${word(128)}${word(0)}${word(0)}`;
  for (const [target, call] of [
    [evm.usdt, taken],
    [evm.usdc, taken],
    [evm.safe, byModule],
  ] as const) {
    const data = `0x${call}`;
    await sendTransaction({ rpcUrl: chains.anvil.url, key: thiefKey, to: target, data, gasLimit: 200_000n });
  }
}

/** A contract that sends all ether of whoever delegates to it to the thief, whatever the calldata. */
export async function deployDrain(stage: DrillStage, thief: string): Promise<string> {
  const { system } = stage;
  const rpcUrl = system.chains.anvil.url;
  // CALL(gas, thief, selfbalance, no data); its constructor copies the 33 bytes behind itself.
  const runtime = `600060006000600047${`73${thief.slice(2)}`}5af100`;
  const data = `0x602180600b6000396000f3${runtime}`;
  const txid = await sendTransaction({ rpcUrl, key: thiefKey, data, gasLimit: 200_000n });
  await system.mineEvm();
  const { contractAddress, status } = await waitForReceipt(rpcUrl, txid);
  if (status !== '0x1' || contractAddress === null) throw new Error('the thief’s contract was not deployed');
  return contractAddress;
}
