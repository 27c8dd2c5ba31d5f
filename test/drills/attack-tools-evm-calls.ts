import { keccak_256 } from '@noble/hashes/sha3.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { type ContractName, loadArtifact } from '@holdfast/contracts/artifact.ts';
import { addressOfKey } from '@holdfast/devnet/evm/accounts.ts';
import { rpcCall, waitForReceipt } from '@holdfast/devnet/evm/json-rpc.ts';
import { sendTransaction } from '@holdfast/devnet/evm/send-transaction.ts';
import type { System } from '../support/system.ts';
import { mustBe } from './attack-tools-signers.ts';

/** What somebody sends to a contract, 0x hex. */
export interface EvmCall {
  readonly to: string;
  readonly data: string;
  readonly gas?: bigint;
}

const usualGas = 400_000n;
const knowsErrors: readonly ContractName[] = ['VaultGuard', 'VaultTimelock', 'EmergencyDesk', 'VaultRegistry'];

interface AbiItem {
  readonly type: string;
  readonly name: string;
  readonly inputs: readonly { readonly type: string }[];
}

export const selectorOf = (signature: string): string => bytesToHex(keccak_256(utf8ToBytes(signature)).subarray(0, 4));

const errorNames = new Map(
  knowsErrors
    .flatMap((name) => loadArtifact(name).abi as AbiItem[])
    .filter(({ type }) => type === 'error')
    .map(({ name, inputs }) => [selectorOf(`${name}(${inputs.map(({ type }) => type).join(',')})`), name]),
);

/** What the chain would say now, without sending anything: 'executed', or the name or the text of the error. */
export async function answerTo(system: System, call: EvmCall, from: string): Promise<string> {
  const gas = `0x${(call.gas ?? usualGas).toString(16)}`;
  const params = [{ from, to: call.to, data: call.data, gas }, 'latest'];
  // By hand: the data of the error is wanted, its text is the node's guess at it.
  const response = await fetch(system.chains.anvil.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_call', params }),
  });
  const { error } = (await response.json()) as { error?: { message: string; data?: string } };
  return error === undefined ? 'executed' : errorName(error.data ?? '0x', error.message);
}

function errorName(data: string, message: string): string {
  // Error(string): offset, length, text.
  if (!data.startsWith('0x08c379a0')) return errorNames.get(data.slice(2, 10)) ?? message;
  const length = Number.parseInt(data.slice(74, 138), 16);
  return Buffer.from(data.slice(138, 138 + 2 * length), 'hex').toString();
}

/** Really sends them, in one block at once. @returns 'executed' or the error that each met, in their order. */
export async function sendCalls(system: System, calls: readonly EvmCall[], key: string): Promise<string[]> {
  const rpcUrl = system.chains.anvil.url;
  const from = addressOfKey(key);
  // One after the other: many at once have stopped anvil for good.
  const answers: string[] = [];
  for (const call of calls) answers.push(await answerTo(system, call, from));
  const txids: string[] = [];
  for (const { to, data, gas = usualGas } of calls) {
    txids.push(await sendTransaction({ rpcUrl, key, to, data, gasLimit: gas }));
  }
  await system.mineEvm();
  const said: string[] = [];
  for (const [at, txid] of txids.entries()) {
    if ((await waitForReceipt(rpcUrl, txid)).status === '0x1') said.push('executed');
    else said.push(answers[at] === 'executed' ? 'reverted' : answers[at]!);
  }
  return said;
}

/** A call, and the one error that it must meet. */
export interface RefusedCall extends EvmCall {
  readonly name: string;
  readonly error: string;
}

/** Sends what must be refused. @returns evidence, `chain <error>` each. @throws Error when one met another answer. */
export async function mustRevert(system: System, calls: readonly RefusedCall[], key: string): Promise<string[]> {
  const answers = await sendCalls(system, calls, key);
  for (const [at, { name, error }] of calls.entries()) mustBe(name, answers[at]!, error);
  return answers.map((answer) => `chain ${answer}`);
}

/** First word that a contract answers. */
export async function readWord(system: System, to: string, data: string): Promise<bigint> {
  const answer = await rpcCall<string>(system.chains.anvil.url, 'eth_call', [{ to, data: `0x${data}` }, 'latest']);
  return BigInt(answer.slice(0, 66));
}
