import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { createContract } from 'micro-eth-signer/abi.js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type WithdrawalLeg } from '@holdfast/core/chains/evm/build.ts';
import { inspectSafeTransaction } from '@holdfast/core/chains/evm/inspect.ts';
import { safeTransactionHash } from '@holdfast/core/chains/evm/safe-transaction.ts';
import { baseUnits } from '@holdfast/core/money/base-units.ts';
import { type SafeTransaction } from '@holdfast/core/signing/messages.ts';
import { toHex } from '@holdfast/devnet/evm/abi.ts';
import { addressOfKey, devnetKeys } from '@holdfast/devnet/evm/accounts.ts';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import { mintAndSendUsdc, mintAndSendUsdt, sendEth } from '@holdfast/devnet/evm/payments.ts';
import { sendAndWait } from '@holdfast/devnet/evm/send-transaction.ts';
import { signedSafeCall } from '@holdfast/devnet/evm/sign-safe-call.ts';
import {
  balanceWei,
  mined,
  newAddress,
  ownerKeys,
  payBatch,
  relayerKey,
  safeNonce,
  scanBlock,
  startVaultDevnet,
  tokenBalance,
  watchOf,
  type VaultDevnet,
} from '../support/anvil.ts';
import vectors from '../vectors/data/eip-712-safe.json' with { type: 'json' };

let devnet: VaultDevnet;
beforeAll(async () => {
  devnet = await startVaultDevnet();
  const { url } = devnet;
  const { safe, usdt, usdc } = devnet.deployment;
  await mined(devnet, sendEth({ rpcUrl: url, to: safe, amountWei: 10n ** 19n }));
  await mined(devnet, mintAndSendUsdt({ rpcUrl: url, usdt, to: safe, amount: 10n ** 12n }));
  await mined(devnet, mintAndSendUsdc({ rpcUrl: url, usdc, to: safe, amount: 10n ** 12n }));
});
afterAll(async () => {
  await devnet?.stop();
});

const call = (to: string, data: string) => rpcCall<string>(devnet.url, 'eth_call', [{ to, data }, 'latest']);
const zeroAddress = `0x${'0'.repeat(40)}`;
const safeAbi = createContract([
  {
    type: 'function',
    name: 'getTransactionHash',
    inputs: [
      { name: 'to', type: 'address' },
      { name: 'value', type: 'uint256' },
      { name: 'data', type: 'bytes' },
      { name: 'operation', type: 'uint8' },
      { name: 'safeTxGas', type: 'uint256' },
      { name: 'baseGas', type: 'uint256' },
      { name: 'gasPrice', type: 'uint256' },
      { name: 'gasToken', type: 'address' },
      { name: 'refundReceiver', type: 'address' },
      { name: 'nonce', type: 'uint256' },
    ],
    outputs: [],
  },
] as const);
test('the Safe hashes of the vectors are what the canonical Safe bytecode computes', async () => {
  // The hash depends on chain id and address only, so the deployed code may stand in at the vectors' address.
  const proxyCode = await rpcCall<string>(devnet.url, 'eth_getCode', [devnet.deployment.safe, 'latest']);
  const singleton = await rpcCall<string>(devnet.url, 'eth_getStorageAt', [devnet.deployment.safe, '0x0', 'latest']);
  await rpcCall(devnet.url, 'anvil_setCode', [vectors.safe, proxyCode]);
  await rpcCall(devnet.url, 'anvil_setStorageAt', [vectors.safe, '0x0', singleton]);
  for (const { hash, ...tx } of vectors.transactions) {
    const data = safeAbi.getTransactionHash.encodeInput({
      to: tx.to,
      value: BigInt(tx.value),
      data: hexToBytes(tx.data.slice(2)),
      operation: BigInt(tx.operation),
      safeTxGas: 0n,
      baseGas: 0n,
      gasPrice: 0n,
      gasToken: zeroAddress,
      refundReceiver: zeroAddress,
      nonce: BigInt(tx.nonce),
    });
    expect(await call(vectors.safe, toHex(data))).toBe(`0x${hash}`);
  }
});

test('the hash that owners sign is the one of the deployed vault', async () => {
  const { safe, chainId } = devnet.deployment;
  const tx: SafeTransaction = { to: newAddress(), value: '9', data: '0x', operation: 0, nonce: '5' };
  const data = safeAbi.getTransactionHash.encodeInput({
    to: tx.to,
    value: 9n,
    data: new Uint8Array(),
    operation: 0n,
    safeTxGas: 0n,
    baseGas: 0n,
    gasPrice: 0n,
    gasToken: zeroAddress,
    refundReceiver: zeroAddress,
    nonce: 5n,
  });
  const ours = safeTransactionHash({ chainId: BigInt(chainId), safe, tx });
  expect(`0x${bytesToHex(ours)}`).toBe(await call(safe, toHex(data)));
});

test('two of three owners pay a batch of 50, which inspection reads back and the scan finds', async () => {
  const { safe, multiSend, guard, usdt, usdc, chainId } = devnet.deployment;
  const legs = Array.from({ length: 50 }, (_, at): WithdrawalLeg => {
    const to = newAddress();
    const amount = baseUnits(BigInt(1_000 + at));
    const contract = at % 3 === 1 ? usdt : usdc;
    return at % 3 === 0 ? { kind: 'native', to, amount } : { kind: 'erc20', contract, to, amount };
  });
  const { tx, receipt } = await payBatch(devnet, legs);
  const { payments } = inspectSafeTransaction(tx, { safe, multiSend, guard, tokens: [usdt, usdc] });
  expect(payments).toEqual(
    legs.map((leg) => ({ contract: leg.kind === 'native' ? null : leg.contract, to: leg.to, amount: leg.amount })),
  );
  const [first, second] = legs;
  expect(await balanceWei(devnet.url, first?.to ?? '')).toBe(1_000n);
  expect(await tokenBalance(devnet.url, usdt, second?.to ?? '')).toBe(1_001n);

  const scanned = await scanBlock(devnet.url, receipt.blockHash, watchOf(devnet.deployment, []));
  const [found] = scanned.transactions;
  const hash = bytesToHex(safeTransactionHash({ chainId: BigInt(chainId), safe, tx }));
  expect(found?.refs).toEqual([`tx:${receipt.transactionHash}`, `safe:${hash}`]);
  const outs = found?.transfers.filter(({ address, direction }) => address === safe && direction === 'out') ?? [];
  const amounts = (parts: readonly { amount: bigint }[]): string[] =>
    parts.map(({ amount }) => String(amount)).toSorted();
  expect(amounts(outs)).toEqual(amounts(legs));
  const feeWei = BigInt(receipt.gasUsed) * BigInt(receipt.effectiveGasPrice);
  expect(found?.transfers[0]).toEqual({
    index: 'fee',
    asset: 'ETH',
    direction: 'out',
    address: addressOfKey(relayerKey),
    amount: feeWei,
  });
});

test('one owner alone, a repeated owner and a stranger pay nothing', async () => {
  const { safe, chainId } = devnet.deployment;
  const tx: SafeTransaction = {
    to: newAddress(),
    value: '1',
    data: '0x',
    operation: 0,
    nonce: String(await safeNonce(devnet.url, safe)),
  };
  const send = (data: string) => sendAndWait({ rpcUrl: devnet.url, key: relayerKey, to: safe, data });
  const [owner = ''] = ownerKeys;
  await expect(send(signedSafeCall({ safe, chainId, tx, keys: [owner] }))).rejects.toThrow('GS020');
  await expect(send(signedSafeCall({ safe, chainId, tx, keys: [owner, devnetKeys.spare] }))).rejects.toThrow('GS026');
  expect(() => signedSafeCall({ safe, chainId, tx, keys: [owner, owner] })).toThrow('two signatures');
});

test('a recipient that reverts or burns its gas fails the whole batch, so it must be found by simulation', async () => {
  const { revertingRecipient, gasBurner } = devnet.deployment;
  const good = newAddress();
  for (const bad of [revertingRecipient, gasBurner]) {
    const legs = [good, bad].map((to): WithdrawalLeg => ({ kind: 'native', to, amount: baseUnits(1n) }));
    await expect(payBatch(devnet, legs)).rejects.toThrow('revert');
  }
  expect(await balanceWei(devnet.url, good)).toBe(0n);
});
