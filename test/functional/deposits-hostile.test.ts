import { loadArtifact } from '@holdfast/contracts/artifact.ts';
import { encodeFlush } from '@holdfast/core/chains/evm/build.ts';
import { forwarderSalt } from '@holdfast/core/chains/evm/forwarder.ts';
import type { ScannedTransfer } from '@holdfast/core/chains/chain.ts';
import type { EvmNetworkPolicy } from '@holdfast/core/policy/policy.ts';
import { devnetAbi, toHex } from '@holdfast/devnet/evm/abi.ts';
import { addressOfKey, devnetKeys } from '@holdfast/devnet/evm/accounts.ts';
import { rpcCall, type Receipt, waitForReceipt } from '@holdfast/devnet/evm/json-rpc.ts';
import { mine } from '@holdfast/devnet/evm/payments.ts';
import { sendAndWait, sendTransaction } from '@holdfast/devnet/evm/send-transaction.ts';
import { createRpc, type SendRpc } from '@holdfast/signer/nodes/json-rpc.ts';
import { proveEvmDeposit } from '@holdfast/signer/nodes/prove-evm-deposit.ts';
import { addr } from 'micro-eth-signer';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { newForwarder, scanBlock, startVaultDevnet, type VaultDevnet, viaSplitter, watchOf } from '../support/anvil.ts';
import { habits, hostile } from '../support/hostile-token.ts';
import { assetRules } from '../support/node-lies.ts';

/* What arrives, and what only looks so, on a real node: what the server credits is what a signer's own nodes prove. */

const payer = devnetKeys.faucet;
const assets = { HST: 'eip155:31337/erc20:hst', ETH: 'eip155:31337/slip44:60' } as const;
let devnet: VaultDevnet;
let token: string;
let node: SendRpc;
let policy: EvmNetworkPolicy;

beforeAll(async () => {
  devnet = await startVaultDevnet();
  node = createRpc(devnet.url, 10_000);
  const { contractAddress } = await sendAndWait({
    rpcUrl: devnet.url,
    key: payer,
    data: loadArtifact('HostileToken').bytecode,
  });
  token = addr.addChecksum(contractAddress!);
  policy = {
    network: 'eip155:31337',
    node_faults: 0,
    deposit_confirmations: 1,
    safe: devnet.deployment.safe,
    assets: [
      { asset: assets.ETH, code: 'ETH', contract: null, ...assetRules },
      { asset: assets.HST, code: 'HST', contract: token, ...assetRules },
    ],
  } as unknown as EvmNetworkPolicy;
  await call(hostile.mint.encodeInput({ to: addressOfKey(payer), amount: 10n ** 12n }));
});
afterAll(() => devnet?.stop());
beforeEach(async () => {
  await call(hostile.setHabit.encodeInput(habits.honest));
  await call(hostile.setPercent.encodeInput(100n));
});

/** Of the hostile token, mined at once; it may fail on the chain. */
async function call(data: Uint8Array): Promise<Receipt> {
  const gasLimit = 1_000_000n;
  const txid = await sendTransaction({ rpcUrl: devnet.url, key: payer, to: token, data: toHex(data), gasLimit });
  return waitForReceipt(devnet.url, txid);
}
const pay = (to: string, amount = 100n): Promise<Receipt> => call(hostile.transfer.encodeInput({ to, amount }));

interface Found {
  /** Base units to be credited once they are deep enough. */
  credited: bigint;
  quarantined: bigint;
  /** Claimed and not there. */
  rejected: bigint;
}

/** What the server makes of a block for one address; fails when the signers would not prove just what is credited. */
async function found({ blockHash }: Pick<Receipt, 'blockHash'>, address: string, asset: 'HST' | 'ETH'): Promise<Found> {
  const known = watchOf(devnet.deployment, [address]);
  const watch = { ...known, tokens: new Map([...known.tokens, [token, 'HST']]) };
  const block = await scanBlock(devnet.url, blockHash, watch);
  const ins = block.transactions
    .flatMap(({ transfers }) => transfers)
    .filter((one) => one.direction === 'in' && one.address === address && one.asset === asset);
  const sum = (doubt: ScannedTransfer['doubt']): bigint =>
    ins.filter((one) => one.doubt === doubt).reduce((total, { amount }) => total + amount, 0n);
  const result = { credited: sum(undefined), quarantined: sum('unlogged-arrival'), rejected: sum('nothing-arrived') };
  const claim = {
    version: 1,
    kind: 'deposit',
    network: policy.network,
    customer: 'cus_',
    index: 0,
    address,
    asset: assets[asset],
    block_height: block.height,
    block_hash: blockHash.slice(2),
    outpoint: null,
  } as const;
  expect(await proveEvmDeposit([node], policy, claim)).toBe(result.credited);
  return result;
}

const nothing: Found = { credited: 0n, quarantined: 0n, rejected: 0n };

describe('a listed token', () => {
  test.each<[string, bigint, Found]>([
    ['that is honest', habits.honest, { ...nothing, credited: 100n }],
    ['that returns false and does nothing', habits.returnsFalse, nothing],
    ['that returns false and logs a transfer', habits.returnsFalseWithEvent, { ...nothing, rejected: 100n }],
    ['that logs what it does not move', habits.spoofs, { ...nothing, rejected: 100n }],
    ['that hides a fee', habits.hidesFee, { ...nothing, credited: 90n }],
    ['that is paused', habits.paused, nothing],
  ])('%s', async (_, habit, expected) => {
    const { address } = newForwarder(devnet);
    await call(hostile.setHabit.encodeInput(habit));
    expect(await found(await pay(address), address, 'HST')).toEqual(expected);
  });

  test('that moves without a log beside a transfer with one is credited for the log, the rest waits', async () => {
    const { address } = newForwarder(devnet);
    await rpcCall(devnet.url, 'evm_setAutomine', [false]);
    const send = (data: Uint8Array): Promise<string> =>
      sendTransaction({ rpcUrl: devnet.url, key: payer, to: token, data: toHex(data), gasLimit: 200_000n });
    await send(hostile.transfer.encodeInput({ to: address, amount: 70n }));
    await send(hostile.setHabit.encodeInput(habits.silent));
    const last = await send(hostile.transfer.encodeInput({ to: address, amount: 30n }));
    await mine({ rpcUrl: devnet.url, blocks: 1 });
    await rpcCall(devnet.url, 'evm_setAutomine', [true]);
    const receipt = await waitForReceipt(devnet.url, last);
    expect(await found(receipt, address, 'HST')).toEqual({ ...nothing, credited: 70n, quarantined: 30n });
  });

  test('that rebases up or down with the transfer', async () => {
    const [up, down] = [newForwarder(devnet).address, newForwarder(devnet).address];
    const rebase = (to: string, percent: bigint): Promise<Receipt> =>
      call(hostile.transferAndRebase.encodeInput({ to, amount: 100n, percent_: percent }));
    expect(await found(await rebase(up, 105n), up, 'HST')).toEqual({ ...nothing, credited: 100n, quarantined: 5n });
    await call(hostile.setPercent.encodeInput(100n));
    expect(await found(await rebase(down, 80n), down, 'HST')).toEqual({ ...nothing, credited: 80n });
  });

  test('that bars the recipient', async () => {
    const { address } = newForwarder(devnet);
    await call(hostile.setBlacklisted.encodeInput({ account: address, barred: true }));
    const receipt = await pay(address);
    expect(receipt.status).toBe('0x0');
    expect(await found(receipt, address, 'HST')).toEqual(nothing);
  });

  test('that calls back in the middle of a transfer: a second transfer inside it, and a flush of the forwarder', async () => {
    const { address } = newForwarder(devnet);
    const reenter = async (callee: string, data: string | Uint8Array): Promise<Receipt> => {
      const callData = typeof data === 'string' ? Buffer.from(data.slice(2), 'hex') : data;
      await call(hostile.setCall.encodeInput({ callee_: callee, callData_: callData }));
      await call(hostile.setHabit.encodeInput(habits.reenters));
      return pay(address);
    };
    await call(hostile.mint.encodeInput({ to: token, amount: 1_000n }));
    const inner = hostile.transfer.encodeInput({ to: address, amount: 7n });
    expect(await found(await reenter(token, inner), address, 'HST')).toEqual({ ...nothing, credited: 107n });

    const other = forwarderSalt('cus_00000000-0000-7000-8000-00000000aaaa', 0);
    const { factory } = devnet.deployment;
    const flush = encodeFlush([{ salt: other, token }]);
    expect(await found(await reenter(factory, flush), address, 'HST')).toEqual({ ...nothing, credited: 100n });
  });

  test('that logs a transfer out of the forwarder which did not happen makes no deposit', async () => {
    const { address } = newForwarder(devnet);
    await pay(address);
    const receipt = await call(hostile.spoof.encodeInput({ from: address, to: addressOfKey(payer), amount: 60n }));
    expect(await found(receipt, address, 'HST')).toEqual(nothing);
  });

  test('that logs transfers in a transaction which fails', async () => {
    const { address } = newForwarder(devnet);
    const receipt = await call(hostile.transferAndRebase.encodeInput({ to: address, amount: 100n, percent_: 0n }));
    expect(receipt.status).toBe('0x0');
    expect(await found(receipt, address, 'HST')).toEqual(nothing);
  });
});

describe('ether', () => {
  const eth = async (receipt: Receipt, address: string): Promise<Found> => found(receipt, address, 'ETH');

  test.each<[string, (address: string) => Uint8Array, bigint]>([
    ['by a contract', (to) => devnetAbi.split.encodeInput([to]), 50n],
    ['by a contract with the bare stipend', (to) => devnetAbi.payWithStipend.encodeInput(to), 50n],
    ['by a contract that destroys itself', (to) => devnetAbi.payBySelfDestruct.encodeInput(to), 50n],
    ['in an inner call that is undone', (to) => devnetAbi.payAndRevert.encodeInput(to), 0n],
  ])('%s', async (_, data, credited) => {
    const { address } = newForwarder(devnet);
    expect(await eth(await viaSplitter(devnet, data(address), 50n), address)).toEqual({ ...nothing, credited });
  });

  test('that a transaction would bring and fails', async () => {
    const { splitter, revertingRecipient } = devnet.deployment;
    const { address } = newForwarder(devnet);
    // Pays the customer first, then one who refuses: all is undone.
    const txid = await sendTransaction({
      rpcUrl: devnet.url,
      key: payer,
      to: splitter,
      data: toHex(devnetAbi.split.encodeInput([address, revertingRecipient])),
      valueWei: 100n,
      gasLimit: 300_000n,
    });
    const receipt = await waitForReceipt(devnet.url, txid);
    expect(receipt.status).toBe('0x0');
    expect(await eth(receipt, address)).toEqual(nothing);
  });

  test('as the reward of a block, also beside a payment in the same block', async () => {
    const { address } = newForwarder(devnet);
    await rpcCall(devnet.url, 'anvil_setCoinbase', [address]);
    // The devnet's transactions tip 1 gwei.
    const tipsOf = ({ gasUsed }: Receipt): bigint => BigInt(gasUsed) * 10n ** 9n;
    const toOther = await sendAndWait({ rpcUrl: devnet.url, key: payer, to: devnet.deployment.safe, valueWei: 1n });
    expect(await eth(toOther, address)).toEqual({ ...nothing, credited: tipsOf(toOther) });
    const toUs = await sendAndWait({ rpcUrl: devnet.url, key: payer, to: address, valueWei: 5n });
    expect(await eth(toUs, address)).toEqual({ ...nothing, credited: tipsOf(toUs) + 5n });
    await rpcCall(devnet.url, 'anvil_setCoinbase', [`0x${'0'.repeat(40)}`]);
  });
});
