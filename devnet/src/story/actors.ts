import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DepositResource, WithdrawalResource } from '@holdfast/core/contract/resources.ts';
import type { CreateCustomerRecordBody } from '@holdfast/core/contract/bodies.ts';
import { parseUnits } from '@holdfast/core/money/base-units.ts';
import type { AuthorizedIntent, WithdrawalIntent } from '@holdfast/core/signing/intent.ts';
import { bitcoinNetworkId, caip19, evmNetworkId } from '../configure.ts';
import type { Devnet } from '../devnet.ts';
import { mintAndSendUsdc, mintAndSendUsdt, payFromContract, sendEth } from '../evm/payments.ts';
import { awaitCondition } from './await-condition.ts';

export type AssetName = 'BTC' | 'ETH' | 'USDT' | 'USDC';
export const decimalsOf: Readonly<Record<AssetName, number>> = { BTC: 8, ETH: 18, USDT: 6, USDC: 6 };
export const networkOf = (asset: AssetName): string => (asset === 'BTC' ? bitcoinNetworkId : evmNetworkId);

export interface Customer {
  readonly name: string;
  readonly id: string;
  /** Deposit address by network id. */
  readonly addresses: ReadonlyMap<string, string>;
}

/** Registers a customer and asks for an address on every network. */
export async function joinCustomer(devnet: Devnet, name: string, reference: string): Promise<Customer> {
  const { id } = await devnet.client.createCustomer({ client_reference: reference });
  const addresses = new Map<string, string>();
  for (const network of networksOf(devnet)) {
    addresses.set(network, (await devnet.client.issueDepositAddress({ customer: id, network })).address);
  }
  return { name, id, addresses };
}

export const networksOf = (devnet: Devnet): string[] =>
  devnet.chains.bitcoin ? [evmNetworkId, bitcoinNetworkId] : [evmNetworkId];
export const assetsOf = (devnet: Devnet): AssetName[] =>
  devnet.chains.bitcoin ? ['BTC', 'ETH', 'USDT', 'USDC'] : ['ETH', 'USDT', 'USDC'];

/** Somebody outside pays a customer. @returns the transaction id. */
export async function payDeposit(
  devnet: Devnet,
  customer: Customer,
  asset: AssetName,
  coins: string,
  how: 'direct' | 'contract' = 'direct',
): Promise<string> {
  const to = customer.addresses.get(networkOf(asset))!;
  const amount = parseUnits(coins, decimalsOf[asset]);
  const rpcUrl = devnet.chains.anvil.url;
  if (asset === 'BTC') return devnet.chains.bitcoin!.miner.pay(to, amount);
  if (asset === 'USDT') return mintAndSendUsdt({ rpcUrl, to, usdt: devnet.evm.usdt, amount });
  if (asset === 'USDC') return mintAndSendUsdc({ rpcUrl, to, usdc: devnet.evm.usdc, amount });
  if (how === 'contract') return payFromContract({ rpcUrl, to, splitter: devnet.evm.splitter, amountWei: amount });
  return sendEth({ rpcUrl, to, amountWei: amount });
}

/** The deposit that a transaction made, once it has reached the state. */
export async function awaitDeposit(
  devnet: Devnet,
  customer: Customer,
  txid: string,
  state: DepositResource['state'],
  withinMs?: number,
): Promise<DepositResource> {
  return awaitCondition(
    `deposit ${txid} ${state}`,
    async () =>
      (await devnet.client.listDeposits({ customer: customer.id, limit: 200 })).data.find(
        (deposit) => deposit.txid === txid && deposit.state === state,
      ),
    withinMs,
  );
}

/** A fresh address of the world outside. */
export async function outsideAddress(devnet: Devnet, asset: AssetName): Promise<string> {
  if (asset === 'BTC') {
    // Nobody's: the miner's wallet would spend what came to an address of its own in a later payment.
    const script = `0014${randomBytes(20).toString('hex')}`;
    return (await devnet.chains.bitcoin!.miner.rpc<{ address: string }>('decodescript', [script])).address;
  }
  return `0x${randomBytes(20).toString('hex')}`;
}

/** The customer's passkey, known to every signer and in effect there: from then on it authorises payments. */
export async function enrolCustomer(devnet: Devnet, customer: Customer): Promise<void> {
  await handInRecord(devnet, devnet.enrolment(customer.id));
}

/** An address in the customer's address book, signed with their passkey and matured at every signer. */
export async function addDestination(
  devnet: Devnet,
  customer: Customer,
  asset: AssetName,
  address: string,
): Promise<void> {
  await handInRecord(devnet, devnet.destination(customer.id, networkOf(asset), address));
}

/** Hands a record in and waits until it counts at every signer. */
async function handInRecord(devnet: Devnet, signed: CreateCustomerRecordBody): Promise<void> {
  const { id } = await devnet.client.createCustomerRecord(signed);
  const counts = await awaitCondition(`record ${id} at every signer`, async () => {
    const { signers } = await devnet.client.getCustomerRecord({ id });
    const refusal = signers.find((signer) => signer.state === 'refused');
    if (refusal) throw new Error(`${refusal.signer}: ${refusal.code} ${refusal.message}`);
    if (signers.length === 0 || signers.some((signer) => signer.state !== 'accepted')) return null;
    return Math.max(...signers.map((signer) => (signer.effective_at === null ? 0 : Date.parse(signer.effective_at))));
  });
  await sleep(Math.max(0, counts - Date.now()) + 50);
}

/**
 * Asks for a withdrawal.
 * @param authorize the integrator's key when left out; `devnet.authorizeWithPasskey` for the customer's own.
 */
export async function requestWithdrawal(
  devnet: Devnet,
  customer: Customer,
  asset: AssetName,
  coins: string,
  destination: string,
  authorize: (intent: WithdrawalIntent) => AuthorizedIntent = devnet.authorize,
): Promise<WithdrawalResource> {
  const authorized = authorize(withdrawalIntent(devnet, customer, asset, coins, destination));
  return devnet.client.createWithdrawal({ client_reference: `wd-${randomBytes(8).toString('hex')}`, ...authorized });
}

/** A new intent, good for an hour. */
export function withdrawalIntent(
  devnet: Devnet,
  customer: Customer,
  asset: AssetName,
  coins: string,
  destination: string,
): WithdrawalIntent {
  return {
    version: 1,
    kind: 'withdrawal',
    network: networkOf(asset),
    asset: caip19(asset, devnet.evm),
    amount: parseUnits(coins, decimalsOf[asset]).toString(),
    destination,
    memo: null,
    customer: customer.id,
    fee_max: parseUnits('2', decimalsOf[asset]).toString(),
    expires_at: new Date(Date.now() + 3_600_000).toISOString(),
    nonce: randomBytes(12).toString('hex'),
  };
}

export async function awaitWithdrawal(
  devnet: Devnet,
  id: string,
  state: WithdrawalResource['state'],
  withinMs?: number,
): Promise<WithdrawalResource> {
  return awaitCondition(
    `withdrawal ${id} ${state}`,
    async () => {
      const withdrawal = await devnet.client.getWithdrawal({ id });
      return withdrawal.state === state && withdrawal;
    },
    withinMs,
  );
}
