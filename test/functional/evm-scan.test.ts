import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { devnetAbi, toHex } from '@holdfast/devnet/evm/abi.ts';
import { devnetKeys } from '@holdfast/devnet/evm/accounts.ts';
import { rpcCall, waitForReceipt, type Receipt } from '@holdfast/devnet/evm/json-rpc.ts';
import { mintAndSendUsdc, mintAndSendUsdt, payFromContract, sendEth } from '@holdfast/devnet/evm/payments.ts';
import { sendAndWait } from '@holdfast/devnet/evm/send-transaction.ts';
import { startAnvil } from '@holdfast/devnet/evm/start-anvil.ts';
import {
  balanceWei,
  fetchBlock,
  mined,
  newAddress,
  newForwarder,
  scanBlock,
  startVaultDevnet,
  viaSplitter,
  watchOf,
  type VaultDevnet,
} from '../support/anvil.ts';

let devnet: VaultDevnet;
beforeAll(async () => {
  devnet = await startVaultDevnet();
});
afterAll(async () => {
  await devnet?.stop();
});

test('the scan finds ETH sent directly, from a contract and by selfdestruct, and tokens of both kinds', async () => {
  const { usdt, usdc, splitter } = devnet.deployment;
  const { url } = devnet;
  const { address } = newForwarder(devnet);
  const watch = watchOf(devnet.deployment, [address]);
  const foundIn = async (receipt: Receipt) => {
    const { transactions } = await scanBlock(url, receipt.blockHash, watch);
    return transactions.flatMap(({ transfers }) =>
      transfers.map(({ index, asset, direction, amount }) => `${direction} ${amount} ${asset} ${index}`),
    );
  };
  expect(await foundIn(await mined(devnet, sendEth({ rpcUrl: url, to: address, amountWei: 100n })))).toEqual([
    'in 100 ETH trace:0',
  ]);
  expect(
    await foundIn(await mined(devnet, payFromContract({ rpcUrl: url, splitter, to: address, amountWei: 101n }))),
  ).toEqual(['in 101 ETH trace:0.0']);
  expect(await foundIn(await viaSplitter(devnet, devnetAbi.payBySelfDestruct.encodeInput(address), 102n))).toEqual([
    'in 102 ETH trace:0.0.0',
  ]);
  expect(await foundIn(await mined(devnet, mintAndSendUsdt({ rpcUrl: url, usdt, to: address, amount: 103n })))).toEqual(
    ['in 103 USDT log:0'],
  );
  expect(await foundIn(await mined(devnet, mintAndSendUsdc({ rpcUrl: url, usdc, to: address, amount: 104n })))).toEqual(
    ['in 104 USDC log:0'],
  );
});

test('the scan finds nothing in a payment that was undone inside a successful transaction', async () => {
  const { address } = newForwarder(devnet);
  const receipt = await viaSplitter(devnet, devnetAbi.payAndRevert.encodeInput(address), 50n);
  expect(await balanceWei(devnet.url, address)).toBe(0n);
  const watch = watchOf(devnet.deployment, [address]);
  const { traces } = await fetchBlock(devnet.url, receipt.blockHash, watch);
  expect(JSON.stringify(traces)).toContain(`"to":"${address.toLowerCase()}"`);
  expect((await scanBlock(devnet.url, receipt.blockHash, watch)).transactions).toEqual([]);
});

test('a token that takes a fee is credited with what arrived', async () => {
  const { usdt } = devnet.deployment;
  const { address } = newForwarder(devnet);
  const setFee = (basisPoints: bigint) =>
    sendAndWait({
      rpcUrl: devnet.url,
      key: devnetKeys.deployer,
      to: usdt,
      data: toHex(devnetAbi.setFee.encodeInput(basisPoints)),
    });
  await setFee(100n);
  const receipt = await mined(devnet, mintAndSendUsdt({ rpcUrl: devnet.url, usdt, to: address, amount: 10_000n }));
  await setFee(0n);
  const { transactions } = await scanBlock(devnet.url, receipt.blockHash, watchOf(devnet.deployment, [address]));
  expect(transactions[0]?.transfers).toMatchObject([{ direction: 'in', amount: 9_900n }]);
  expect(transactions[0]?.transfers[0]).not.toHaveProperty('doubt');
});

test('a chain with its traces survives a restart of the node', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-anvil-'));
  const stateFile = join(folder, 'state.json');
  try {
    const first = await startAnvil({ stateFile });
    const to = newAddress();
    const receipt = await waitForReceipt(first.url, await sendEth({ rpcUrl: first.url, to, amountWei: 3n }));
    await first.stop();
    const second = await startAnvil({ stateFile });
    try {
      const traces = await rpcCall<unknown[]>(second.url, 'debug_traceBlockByHash', [
        receipt.blockHash,
        { tracer: 'callTracer' },
      ]);
      expect(traces).toMatchObject([{ txHash: receipt.transactionHash }]);
      expect(await balanceWei(second.url, to)).toBe(3n);
    } finally {
      await second.stop();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
