import type { AlarmResource, DepositResource } from '@holdfast/core/contract/resources.ts';
import { addr } from 'micro-eth-signer';
import { createContract } from 'micro-eth-signer/abi.js';
import { devnetAbi, toHex } from '@holdfast/devnet/evm/abi.ts';
import { addressOfKey, devnetKeys } from '@holdfast/devnet/evm/accounts.ts';
import { rpcCall, waitForReceipt } from '@holdfast/devnet/evm/json-rpc.ts';
import { sendTransaction } from '@holdfast/devnet/evm/send-transaction.ts';
import { bitcoinNetworkId, evmNetworkId } from '@holdfast/devnet/configure.ts';
import { type Customer } from '@holdfast/devnet/story/actors.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import type { RpcProxy } from '@holdfast/devnet/proxy.ts';
import type { System } from './system.ts';

/** The server's own proxies to the nodes of a network. */
export function endpointsOf(system: System, network: string): readonly RpcProxy[] {
  const view = system.views.get('server')!;
  return network === bitcoinNetworkId ? view.bitcoin : view.evm;
}

/**
 * Waits until the server has asked an endpoint so often that, whatever it was doing at the call, a whole pass of its
 * follow loop began and ended since: what it has not done by then it does not do.
 * @param endpoint the second one by default: the first is also asked for fees and estimates.
 * @param requests enough for idle passes, of two requests each; one that fails at once makes fewer.
 */
export async function awaitPasses(system: System, network: string, endpoint = 1, requests = 8): Promise<void> {
  const proxy = endpointsOf(system, network)[endpoint]!;
  const from = proxy.requestCount();
  await awaitCondition(
    `passes of the server over ${network}`,
    async () => proxy.requestCount() >= from + requests,
    30_000,
    10,
  );
}

/** Follows both chains and lets the server act on what it found. */
export async function settle(system: System): Promise<void> {
  await system.followed();
  await Promise.all([awaitPasses(system, evmNetworkId), awaitPasses(system, bitcoinNetworkId)]);
}

/** A customer's deposits, oldest first. */
export async function depositsOf(system: System, customer: Customer): Promise<DepositResource[]> {
  return (await system.client.listDeposits({ customer: customer.id, limit: 200 })).data.toReversed();
}

/** The types of the events of one resource, in order. */
export async function eventTypesOf(system: System, resourceId: string): Promise<string[]> {
  const types: string[] = [];
  for await (const event of system.client.each('listEvents', { limit: 200 })) {
    if (event.resource_id === resourceId) types.push(event.type);
  }
  return types;
}

export async function openAlarms(system: System, code?: string): Promise<AlarmResource[]> {
  const alarms = (await system.client.listAlarms({ limit: 200 })).data;
  return code === undefined ? alarms : alarms.filter((alarm) => alarm.code === code);
}

/** Waits for an open alarm that says `text`: what it says may change while it is open, and every loop has its own. */
export async function awaitAlarm(system: System, code: string, text = '', of = ''): Promise<AlarmResource> {
  const find = async (): Promise<AlarmResource | undefined> =>
    (await openAlarms(system, code)).find(({ message, subject }) => message.includes(text) && subject.endsWith(of));
  return awaitCondition(`alarm ${code} ${text} of ${of}`, find, 20_000, 30);
}

/** Waits until no alarm of the code is open. */
export async function awaitNoAlarm(system: System, code: string, withinMs = 30_000): Promise<void> {
  await awaitCondition(
    `end of the alarm ${code}`,
    async () => (await openAlarms(system, code)).length === 0,
    withinMs,
    30,
  );
}

/** An operator lets the networks go on after reorgs that were deeper than what counts for good. */
export async function acceptDeepReorgs(system: System): Promise<void> {
  for (const { id, subject } of await openAlarms(system, 'reorg-below-finality'))
    if (subject.endsWith(' finality')) await system.client.closeAlarm({ id, note: 'the chain has settled' });
}

/** A call of the devnet's spare account, waiting in the pool. */
export async function callContract(
  system: System,
  to: string,
  data: Uint8Array,
  options: { valueWei?: bigint; key?: string } = {},
): Promise<string> {
  const { key = devnetKeys.spare, valueWei = 0n } = options;
  return sendTransaction({
    rpcUrl: system.chains.anvil.url,
    key,
    to,
    data: toHex(data),
    valueWei,
    gasLimit: 3_000_000n,
  });
}

/** A call that is mined at once and must succeed. */
export async function callMined(
  system: System,
  to: string,
  data: Uint8Array,
  options: { valueWei?: bigint; key?: string } = {},
): Promise<string> {
  const txid = await callContract(system, to, data, options);
  await system.mineEvm();
  const receipt = await waitForReceipt(system.chains.anvil.url, txid);
  if (receipt.status !== '0x1') throw new Error(`${txid} reverted`);
  return txid;
}

/** Deploys init code (0x hex) from the spare account, mined at once. @returns the contract's address, EIP-55. */
export async function deploy(system: System, initCode: string): Promise<string> {
  const rpcUrl = system.chains.anvil.url;
  const txid = await sendTransaction({ rpcUrl, key: devnetKeys.spare, data: initCode });
  await system.mineEvm();
  const { contractAddress } = await waitForReceipt(rpcUrl, txid);
  return addr.addChecksum(contractAddress!);
}

const word = (hex: string): string => hex.replace(/^0x/, '').toLowerCase().padStart(64, '0');

/**
 * Init code that, as it is deployed, logs Transfer(from, to, amount) like an ERC-20 and moves nothing: PUSH amount,
 * MSTORE at 0, PUSH the three topics, LOG3, and no code is left.
 */
export function forgedTransfer(to: string, amount: bigint, from = addressOfKey(devnetKeys.faucet)): string {
  const topic = 'ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef';
  return `0x7f${word(amount.toString(16))}5f52${[word(to), word(from), topic].map((value) => `7f${value}`).join('')}60205fa300`;
}

const erc20 = createContract([
  {
    type: 'function',
    name: 'balanceOf',
    inputs: [{ name: 'account', type: 'address' }],
    outputs: [{ name: 'balance', type: 'uint256' }],
  },
  {
    type: 'function',
    name: 'setBlacklisted',
    inputs: [
      { name: 'account', type: 'address' },
      { name: 'barred', type: 'bool' },
    ],
    outputs: [],
  },
] as const);
const forwarderAbi = createContract([
  {
    type: 'function',
    name: 'flush',
    inputs: [
      { name: 'salts', type: 'bytes32[]' },
      { name: 'tokens', type: 'address[]' },
    ],
    outputs: [],
  },
] as const);

/** What an address holds now, base units; native when the contract is null. */
export async function holdingOf(system: System, contract: string | null, address: string): Promise<bigint> {
  const rpcUrl = system.chains.anvil.url;
  if (contract === null) return BigInt(await rpcCall<string>(rpcUrl, 'eth_getBalance', [address, 'latest']));
  return BigInt(
    await rpcCall<string>(rpcUrl, 'eth_call', [
      { to: contract, data: toHex(erc20.balanceOf.encodeInput(address)) },
      'latest',
    ]),
  );
}

export const calls = {
  ...devnetAbi,
  setBlacklisted: erc20.setBlacklisted,
  flush: forwarderAbi.flush,
};
