import { loadArtifact } from '@holdfast/contracts/artifact.ts';
import { accountCodes } from '@holdfast/core/ledger/account-codes.ts';
import { toHex } from '@holdfast/devnet/evm/abi.ts';
import { addressOfKey, devnetKeys } from '@holdfast/devnet/evm/accounts.ts';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import { mine, sendEth } from '@holdfast/devnet/evm/payments.ts';
import { sendAndWait } from '@holdfast/devnet/evm/send-transaction.ts';
import type { Context } from '@holdfast/server/context.ts';
import type { Network } from '@holdfast/server/networks/network.ts';
import { checkRecoverable } from '@holdfast/server/operations/check-recoverable.ts';
import { lockBalances } from '@holdfast/server/store/ledger/balances.ts';
import { listRecoverables } from '@holdfast/server/store/recoverables.ts';
import { addr } from 'micro-eth-signer';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mined, startVaultDevnet, type VaultDevnet } from '../support/anvil.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { catchUp, depositContext, depositsAt, evmStageNetwork, stageCustomer } from '../support/deposit-stage.ts';
import { hostile, spammer } from '../support/hostile-token.ts';

/* Money that arrived where nobody credits it by itself: a token that is not listed, an address of another network. */

const home = 'eip155:31337';
const twin = 'eip155:99999';
const key = devnetKeys.faucet;
let devnet: VaultDevnet;
let database: TestDatabase;
let ctx: Context;
let network: Network;
/** The network beside it: here the same node, as if both had the same blocks. */
let beside: Network;
let token: string;

beforeAll(async () => {
  [devnet, database] = await Promise.all([startVaultDevnet(), testDatabase()]);
  ctx = depositContext(database);
  token = await deployed(loadArtifact('HostileToken').bytecode);
  await send(token, hostile.mint.encodeInput({ to: addressOfKey(key), amount: 10n ** 12n }));
  const startHeight = Number(await rpcCall<string>(devnet.url, 'eth_blockNumber', [])) + 1;
  network = evmStageNetwork(ctx, devnet, { id: home, startHeight, twins: [twin] });
  beside = evmStageNetwork(ctx, devnet, { id: twin, startHeight, twins: [home] });
});
afterAll(async () => {
  await database?.close();
  await devnet?.stop();
});

const send = (to: string, data: Uint8Array) => sendAndWait({ rpcUrl: devnet.url, key, to, data: toHex(data) });
async function deployed(data: string): Promise<string> {
  const { contractAddress } = await sendAndWait({ rpcUrl: devnet.url, key, data, gasLimit: 5_000_000n });
  return addr.addChecksum(contractAddress!);
}
const transfer = (to: string, amount: bigint) => send(token, hostile.transfer.encodeInput({ to, amount }));
const listed = async (customer: string) =>
  (await listRecoverables(ctx.db, { customer }, { limit: 100, after: null })).data;
const check = (contract: string, address: string) =>
  checkRecoverable(ctx, new Map([[home, network]]), { network: home, contract, address });

describe('a token that is not listed', () => {
  test('is remembered once an address with its contract and transaction, and counted by the nodes’ word alone', async () => {
    const { id, address } = await stageCustomer(ctx, network, devnet, 1);
    await transfer(address, 40n);
    const { transactionHash } = await transfer(address, 2n);
    await send(token, hostile.spoof.encodeInput({ from: address, to: addressOfKey(key), amount: 9n }));
    await catchUp(ctx, network);
    expect(await depositsAt(ctx, id)).toEqual([]);
    expect(await listed(id)).toMatchObject([
      { network: home, address, contract: token, txid: transactionHash, claimed: '2', held: null },
    ]);
    expect(await check(token, address)).toMatchObject({ held: '42' });
    expect(await listed(id)).toMatchObject([{ claimed: '2', held: '42' }]);
  });

  test('that fakes ten thousand arrivals leaves a bounded trace, and what it hid is found by name', async () => {
    const { id, address } = await stageCustomer(ctx, network, devnet, 2);
    const to = await deployed(loadArtifact('TokenSpammer').bytecode);
    const data = toHex(spammer.spam.encodeInput({ to: address, tokens: 40n, logs: 250n }));
    await sendAndWait({ rpcUrl: devnet.url, key, to, data, gasLimit: 29_000_000n });
    await transfer(address, 7n);
    await catchUp(ctx, network);
    const found = await listed(id);
    expect(found).toHaveLength(20);
    expect(found.map(({ contract }) => contract)).not.toContain(token);
    const alarms = await ctx.db.query('select message from alarm where code = $1', ['recoverables-full']);
    expect(alarms).toHaveLength(1);
    expect(await check(token, address)).toMatchObject({ contract: token, held: '7' });
    expect(await listed(id)).toHaveLength(21);
  });

  test('is asked about only where it can be: typed refusals', async () => {
    const { address } = await stageCustomer(ctx, network, devnet, 3);
    await expect(check(token, addressOfKey(key))).rejects.toMatchObject({ code: 'not-found' });
    await expect(check(devnet.deployment.gasBurner, address)).rejects.toMatchObject({ code: 'invalid-request' });
    await expect(check('nonsense', address)).rejects.toMatchObject({ code: 'invalid-address' });
  });
});

describe('coins at an address that was issued on another network', () => {
  test('are set aside on the network where they are, for their customer, and stay in the books of both', async () => {
    const { id, address } = await stageCustomer(ctx, network, devnet, 4);
    await mined(devnet, sendEth({ rpcUrl: devnet.url, to: address, amountWei: 5n }));
    await mine({ rpcUrl: devnet.url, blocks: 3 });
    await catchUp(ctx, network);
    await catchUp(ctx, beside);
    // The node is the same one here: at home it is a deposit.
    expect(await depositsAt(ctx, id)).toEqual(['credited 5 ETH', 'quarantined 5 ETH wrong-network']);
    const accounts = [accountCodes.quarantine(twin, 'ETH'), accountCodes.uncollected(twin, 'ETH')];
    const held = await ctx.db.transaction((sql) => lockBalances(sql, accounts));
    expect(accounts.map((code) => held.get(code))).toEqual([5n, 5n]);
    const tip = Number(await rpcCall<string>(devnet.url, 'eth_blockNumber', []));
    const addressed = await beside.chainBalances(tip, await beside.hashAt(tip));
    expect(addressed.get('ETH')! >= 5n).toBe(true);
  });
});
