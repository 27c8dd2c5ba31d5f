import { loadArtifact } from '@holdfast/contracts/artifact.ts';
import { accountCodes } from '@holdfast/core/ledger/account-codes.ts';
import { baseUnits } from '@holdfast/core/money/base-units.ts';
import { toHex } from '@holdfast/devnet/evm/abi.ts';
import { addressOfKey, devnetKeys } from '@holdfast/devnet/evm/accounts.ts';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import { mine, sendEth } from '@holdfast/devnet/evm/payments.ts';
import { sendAndWait } from '@holdfast/devnet/evm/send-transaction.ts';
import type { Context } from '@holdfast/server/context.ts';
import type { Network, Payout } from '@holdfast/server/networks/network.ts';
import { closeAlarms, openSubjects } from '@holdfast/server/store/alarms.ts';
import { balances } from '@holdfast/server/store/ledger/balances.ts';
import { addr } from 'micro-eth-signer';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { mined, newAddress, startVaultDevnet, type VaultDevnet } from '../support/anvil.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { catchUp, depositContext, depositsAt, evmStageNetwork, stageCustomer } from '../support/deposit-stage.ts';
import { habits, hostile } from '../support/hostile-token.ts';

/* A listed token that turns on its network: it answers no balance, is paused, bars the vault. And recipients that do. */

const id = 'eip155:31337';
const key = devnetKeys.faucet;
const aside = `${id} HST balance`;
let devnet: VaultDevnet;
let database: TestDatabase;
let ctx: Context;
let network: Network;
let token: string;
let customers = 0;

beforeAll(async () => {
  [devnet, database] = await Promise.all([startVaultDevnet(), testDatabase()]);
  ctx = depositContext(database);
  const { contractAddress } = await sendAndWait({
    rpcUrl: devnet.url,
    key,
    data: loadArtifact('HostileToken').bytecode,
    gasLimit: 5_000_000n,
  });
  token = addr.addChecksum(contractAddress!);
  await call(hostile.mint.encodeInput({ to: addressOfKey(key), amount: 10n ** 12n }));
  await call(hostile.mint.encodeInput({ to: devnet.deployment.safe, amount: 1_000n }));
  await mined(devnet, sendEth({ rpcUrl: devnet.url, to: devnet.deployment.safe, amountWei: 10n ** 18n }));
  const startHeight = Number(await rpcCall<string>(devnet.url, 'eth_blockNumber', [])) + 1;
  // Without the guard, which lets none of this token pass.
  network = evmStageNetwork(ctx, devnet, { id, startHeight, tokens: new Map([[token, 'HST']]) });
});
afterAll(async () => {
  await database?.close();
  await devnet?.stop();
});
beforeEach(() => call(hostile.setHabit.encodeInput(habits.honest)));
afterEach(() => closeAlarms(ctx.db, aside, ctx.now()));

const call = (data: Uint8Array) => sendAndWait({ rpcUrl: devnet.url, key, to: token, data: toHex(data) });
const turn = (habit: bigint) => call(hostile.setHabit.encodeInput(habit));
const pay = (to: string, amount: bigint) => call(hostile.transfer.encodeInput({ to, amount }));
const customer = () => stageCustomer(ctx, network, devnet, ++customers);
const isAside = async () => (await openSubjects(ctx.db, 'token-unread')).has(aside);

/** In the books of the token: on deposit addresses, awaiting credit, in quarantine. */
async function booked(): Promise<(bigint | undefined)[]> {
  const codes = [
    accountCodes.uncollected(id, 'HST'),
    accountCodes.unconfirmed(id, 'HST'),
    accountCodes.quarantine(id, 'HST'),
  ];
  const all = await balances(ctx.db, codes);
  return codes.map((code) => all.get(code) ?? 0n);
}

describe('a listed token whose balanceOf', () => {
  test.each<[string, bigint]>([
    ['reverts', habits.balanceReverts],
    ['never ends', habits.balanceBurns],
    ['answers half a megabyte', habits.balanceBombs],
    ['answers a byte', habits.balanceShort],
    ['answers more than there can be', habits.balanceHuge],
  ])('%s is set aside, and its network goes on', async (_, habit) => {
    const [ann, ben] = [await customer(), await customer()];
    await pay(ann.address, 7n);
    await turn(habit);
    await pay(ann.address, 40n);
    await mined(devnet, sendEth({ rpcUrl: devnet.url, to: ben.address, amountWei: 5n }));
    await mine({ rpcUrl: devnet.url, blocks: 3 });
    const before = await booked();
    await catchUp(ctx, network);
    expect(await depositsAt(ctx, ben.id)).toEqual(['credited 5 ETH']);
    // What was proven before waits as well: who answers nothing now may have lied then.
    expect(await depositsAt(ctx, ann.id)).toEqual(['quarantined 40 HST balance-unread', 'seen 7 HST']);
    expect(await isAside()).toBe(true);
    // Nothing is booked that nothing proves.
    expect(await booked()).toEqual([before[0]! + 7n, before[1]! + 7n, before[2]]);

    const tip = Number(await rpcCall<string>(devnet.url, 'eth_blockNumber', []));
    const read = await network.chainBalances(tip, await network.hashAt(tip));
    expect([read.has('ETH'), read.has('HST')]).toEqual([true, false]);
    const outlook = await network.surveyBatch([payout('HST', newAddress()), payout('ETH', newAddress())]);
    expect(outlook).toMatchObject({
      payable: [{ asset: 'ETH' }],
      impossible: [],
      waiting: [{ reason: 'HST answers no balance of the vault' }],
    });

    await turn(habits.honest);
    await closeAlarms(ctx.db, aside, ctx.now());
    await pay(ann.address, 2n);
    await mine({ rpcUrl: devnet.url, blocks: 3 });
    await catchUp(ctx, network);
    expect(await depositsAt(ctx, ann.id)).toEqual([
      'credited 2 HST',
      'credited 7 HST',
      'quarantined 40 HST balance-unread',
    ]);
    expect(await isAside()).toBe(false);
  });

  test('reverts books nothing of what its logs claim to leave our addresses', async () => {
    const ann = await customer();
    const before = await booked();
    await turn(habits.balanceReverts);
    await call(hostile.spoof.encodeInput({ from: ann.address, to: devnet.deployment.safe, amount: 10n ** 30n }));
    await call(hostile.spoof.encodeInput({ from: devnet.deployment.safe, to: newAddress(), amount: 10n ** 30n }));
    await catchUp(ctx, network);
    expect(await depositsAt(ctx, ann.id)).toEqual([]);
    expect(await booked()).toEqual(before);
    expect(await isAside()).toBe(true);
    expect(await openSubjects(ctx.db, 'unexplained-outflow')).toEqual(new Set());
  });
});

const payout = (asset: string, destination: string): Payout => ({
  id: `${asset} ${destination}`,
  asset,
  amount: baseUnits(3n),
  destination,
  expiresAtMs: ctx.now() + 3_600_000,
});

/** Puts code at a fresh address. */
async function withCode(code: string): Promise<string> {
  const address = newAddress();
  await rpcCall(devnet.url, 'anvil_setCode', [address, code]);
  return address;
}

describe('a payout', () => {
  test('to a recipient that loops, or answers or reverts with more than its gas pays for, is set aside; others are paid', async () => {
    // JUMPDEST PUSH1 0 JUMP; RETURN and REVERT of 10 MB; RETURN of 32 KB, which fits.
    const codes = ['0x5b600056', '0x629896805ff3', '0x629896805ffd', '0x6180005ff3'];
    const [loop, bomb, revertBomb, fits] = await Promise.all(codes.map(withCode));
    const outlook = await network.surveyBatch([loop, bomb, revertBomb, fits].map((to) => payout('ETH', to!)));
    expect(outlook.payable.map(({ destination }) => destination)).toEqual([fits]);
    expect(outlook.impossible.map(({ reason }) => reason)).toEqual(
      [loop, bomb, revertBomb].map((to) => `destination-reverts: ${to} does not take ETH within 200000 gas`),
    );
  });

  test('of a token that is paused, or that bars the vault, waits with the reason; a barred recipient is set aside', async () => {
    const [fine, barred] = [newAddress(), newAddress()];
    const bar = (account: string, isBarred: boolean) =>
      call(hostile.setBlacklisted.encodeInput({ account, barred: isBarred }));
    const survey = async () => {
      const found = await network.surveyBatch([payout('HST', fine), payout('HST', barred), payout('ETH', fine)]);
      const ids = (all: readonly { id: string }[]) => all.map((one) => one.id);
      return { payable: ids(found.payable), impossible: ids(found.impossible), waiting: ids(found.waiting) };
    };
    await bar(barred, true);
    const [ofFine, ofBarred, ofEth] = [`HST ${fine}`, `HST ${barred}`, `ETH ${fine}`];
    expect(await survey()).toEqual({ payable: [ofFine, ofEth], impossible: [ofBarred], waiting: [] });
    await turn(habits.paused);
    expect(await survey()).toEqual({ payable: [ofEth], impossible: [], waiting: [ofFine, ofBarred] });
    await turn(habits.honest);
    await bar(devnet.deployment.safe, true);
    expect(await survey()).toEqual({ payable: [ofEth], impossible: [], waiting: [ofFine, ofBarred] });
    await bar(devnet.deployment.safe, false);
    expect((await survey()).payable).toEqual([ofFine, ofEth]);
  });
});
