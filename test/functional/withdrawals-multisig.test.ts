import { parseBitcoinAddress } from '@holdfast/core/chains/bitcoin/address.ts';
import { bitcoinParams } from '@holdfast/core/chains/bitcoin/params.ts';
import { bitcoinNetworkId } from '@holdfast/devnet/configure.ts';
import type { Customer } from '@holdfast/devnet/story/actors.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openAlarms } from '../support/chain-steps.ts';
import { multisigOf } from '../support/multisig-stage.ts';
import { fund, mineUntilAll, received, units, withdrawalBody } from '../support/payouts.ts';
import { relaxPolicy, startSystem, type System } from '../support/system.ts';

/** The whole system on a wallet of 2 of 3 ordinary keys; that HSMs sign for it is shown by signer-multisig.test.ts. */
let system: System;
let customer: Customer;

interface DecodedTransaction {
  readonly vin: readonly { readonly txid: string; readonly txinwitness: readonly string[] }[];
  readonly vout: readonly { readonly scriptPubKey: { readonly address: string } }[];
}
const rpc = async <T>(method: string, ...params: unknown[]): Promise<T> =>
  system.chains.bitcoin!.miner.rpc<T>(method, params);

beforeAll(async () => {
  system = await startSystem({
    consolidateAbove: 1,
    policy: (policy, ownerKeys) => {
      relaxPolicy(policy);
      for (const network of policy.networks) if (network.family === 'bitcoin') network.wallet = multisigOf(ownerKeys);
    },
  });
  customer = await system.newCustomer('multisig');
});
afterAll(async () => system?.stop());

async function pay(coins: string): Promise<{ to: string; decoded: DecodedTransaction; txid: string }> {
  const to = await rpc<string>('getnewaddress');
  const { id } = await system.client.createWithdrawal(withdrawalBody(system, customer, 'BTC', coins, to));
  const [settled] = await mineUntilAll(system, [id], 'settled');
  const txid = settled!.txid!;
  return { to, txid, decoded: await rpc<DecodedTransaction>('getrawtransaction', txid, true) };
}

test('a deposit to a P2WSH address is credited, pays a withdrawal, and its change pays the next', async () => {
  await fund(system, customer, { BTC: '1' });
  const first = await pay('0.3');
  expect(await received(system, 'BTC', first.to)).toBe(units('BTC', '0.3'));
  // The empty item, two signatures, the script with its tag.
  expect(first.decoded.vin.map(({ txinwitness }) => txinwitness.length)).toEqual([4]);
  expect(first.decoded.vin[0]?.txinwitness[3]).toMatch(/^10[0-9a-f]{32}7552(21[0-9a-f]{66}){3}53ae$/);

  const second = await pay('0.4');
  expect(await received(system, 'BTC', second.to)).toBe(units('BTC', '0.4'));
  expect(second.decoded.vin.map(({ txid }) => txid)).toEqual([first.txid]);
  expect(second.decoded.vin[0]?.txinwitness[3]).toMatch(/^52(21[0-9a-f]{66}){3}53ae$/);
  // Change always goes to the one address of the wallet.
  const others = [first, second].map(({ to, decoded }) =>
    decoded.vout.map(({ scriptPubKey }) => scriptPubKey.address).filter((address) => address !== to),
  );
  expect(others[0]).toHaveLength(1);
  expect(others[1]).toEqual(others[0]);
  expect(parseBitcoinAddress(others[0]![0]!, bitcoinParams(bitcoinNetworkId)).script).toMatch(/^0020/);

  await system.followed();
  await system.mustBalance();
  expect(await openAlarms(system)).toEqual([]);
});

test('small coins become one, at the one change address', async () => {
  for (let i = 0; i < 6; i++) await rpc('sendtoaddress', customer.addresses.get(bitcoinNetworkId), '0.01');
  await system.mineUntil('a consolidation', async () => {
    const { data } = await system.client.listTransactions({ limit: 50 });
    return data.some(({ kind, state }) => kind === 'sweep' && state === 'final');
  });
  await system.followed();
  await system.mustBalance();
  expect(await openAlarms(system)).toEqual([]);
});
