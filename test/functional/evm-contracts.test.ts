import { createContract } from 'micro-eth-signer/abi.js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeFlush } from '@holdfast/core/chains/evm/build.ts';
import { devnetAbi, toHex } from '@holdfast/devnet/evm/abi.ts';
import { devnetKeys } from '@holdfast/devnet/evm/accounts.ts';
import { rpcCall, type Receipt } from '@holdfast/devnet/evm/json-rpc.ts';
import { mintAndSendUsdc, mintAndSendUsdt, sendEth } from '@holdfast/devnet/evm/payments.ts';
import { sendAndWait } from '@holdfast/devnet/evm/send-transaction.ts';
import {
  balanceWei,
  governanceKeys,
  mined,
  newAddress,
  newForwarder,
  relayerKey,
  scanBlock,
  startVaultDevnet,
  tokenBalance,
  viaSplitter,
  watchOf,
  type VaultDevnet,
} from '../support/anvil.ts';
import { asGovernance, executeScheduled, schedule } from '../support/governance.ts';

let devnet: VaultDevnet;
beforeAll(async () => {
  devnet = await startVaultDevnet();
});
afterAll(async () => {
  await devnet?.stop();
});

const call = (to: string, data: string) => rpcCall<string>(devnet.url, 'eth_call', [{ to, data }, 'latest']);
const flush = (items: Parameters<typeof encodeFlush>[0], gasLimit?: bigint): Promise<Receipt> =>
  sendAndWait({
    rpcUrl: devnet.url,
    key: relayerKey,
    to: devnet.deployment.factory,
    data: encodeFlush(items),
    ...(gasLimit === undefined ? {} : { gasLimit }),
  });
const registryAbi = createContract([
  { type: 'function', name: 'setVault', inputs: [{ name: 'next', type: 'address' }], outputs: [] },
  { type: 'function', name: 'renounceOwnership', inputs: [], outputs: [] },
] as const);

test('the factory computes the same forwarder address and init code hash as core', async () => {
  const { factory, forwarderInitCodeHash } = devnet.deployment;
  const { salt, address } = newForwarder(devnet);
  const factoryAbi = createContract([
    { type: 'function', name: 'addressOf', inputs: [{ name: 'salt', type: 'bytes32' }], outputs: [] },
    { type: 'function', name: 'forwarderInitCodeHash', inputs: [], outputs: [] },
  ] as const);
  expect(await call(factory, toHex(factoryAbi.forwarderInitCodeHash.encodeInput()))).toBe(forwarderInitCodeHash);
  expect(await call(factory, toHex(factoryAbi.addressOf.encodeInput(salt)))).toBe(
    `0x${address.slice(2).toLowerCase().padStart(64, '0')}`,
  );
});

test('a forwarder takes a 2,300-gas payment before and after its deployment, and one with data', async () => {
  const { salt, address } = newForwarder(devnet);
  await viaSplitter(devnet, devnetAbi.payWithStipend.encodeInput(address), 5n);
  expect(await balanceWei(devnet.url, address)).toBe(5n);
  await flush([{ salt, token: null }]);
  expect(await rpcCall<string>(devnet.url, 'eth_getCode', [address, 'latest'])).not.toBe('0x');
  expect(await balanceWei(devnet.url, address)).toBe(0n);
  await viaSplitter(devnet, devnetAbi.payWithStipend.encodeInput(address), 6n);
  await sendAndWait({ rpcUrl: devnet.url, key: devnetKeys.faucet, to: address, data: '0x6869', valueWei: 7n });
  expect(await balanceWei(devnet.url, address)).toBe(13n);
});

test('one flush sends ETH, USDT and USDC of several forwarders to the vault', async () => {
  const { safe, usdt, usdc } = devnet.deployment;
  const { url } = devnet;
  const forwarders = [newForwarder(devnet), newForwarder(devnet), newForwarder(devnet)];
  for (const { address } of forwarders) {
    await mined(devnet, sendEth({ rpcUrl: url, to: address, amountWei: 1_000n }));
    await mined(devnet, mintAndSendUsdt({ rpcUrl: url, usdt, to: address, amount: 20n }));
    await mined(devnet, mintAndSendUsdc({ rpcUrl: url, usdc, to: address, amount: 30n }));
  }
  const before = [
    await balanceWei(url, safe),
    await tokenBalance(url, usdt, safe),
    await tokenBalance(url, usdc, safe),
  ];
  const items = forwarders.flatMap(({ salt }) => [null, usdt, usdc].map((token) => ({ salt, token })));
  const receipt = await flush(items);
  const after = [await balanceWei(url, safe), await tokenBalance(url, usdt, safe), await tokenBalance(url, usdc, safe)];
  expect(after.map((balance, at) => balance - (before[at] ?? 0n))).toEqual([3_000n, 60n, 90n]);

  const scanned = await scanBlock(
    url,
    receipt.blockHash,
    watchOf(
      devnet.deployment,
      forwarders.map(({ address }) => address),
    ),
  );
  const [sweep] = scanned.transactions;
  expect(scanned.transactions).toHaveLength(1);
  expect(
    sweep?.transfers
      .map(({ direction, asset, address }) => `${direction} ${asset} ${address === safe ? 'vault' : ''}`)
      .toSorted(),
  ).toEqual(
    [
      'out ETH ', // the relayer's gas
      ...forwarders.flatMap(() => ['ETH', 'USDC', 'USDT'].flatMap((asset) => [`in ${asset} vault`, `out ${asset} `])),
    ].toSorted(),
  );
  expect(sweep?.transfers.some(({ doubt }) => doubt !== undefined)).toBe(false);
});

test('a forwarder on a blacklist does not hold up the others', async () => {
  const { usdt, safe } = devnet.deployment;
  const { url } = devnet;
  const [barred, free] = [newForwarder(devnet), newForwarder(devnet)];
  for (const { address } of [barred, free])
    await mined(devnet, mintAndSendUsdt({ rpcUrl: url, usdt, to: address, amount: 9n }));
  const setBlackListed = (isBarred: boolean) =>
    sendAndWait({
      rpcUrl: url,
      key: devnetKeys.deployer,
      to: usdt,
      data: toHex(devnetAbi.setBlackListed.encodeInput({ account: barred.address, barred: isBarred })),
    });
  await setBlackListed(true);
  const before = await tokenBalance(url, usdt, safe);
  await flush([barred, free].map(({ salt }) => ({ salt, token: usdt })));
  expect(await tokenBalance(url, usdt, safe)).toBe(before + 9n);
  expect(await tokenBalance(url, usdt, barred.address)).toBe(9n);
  await setBlackListed(false);
  await flush([{ salt: barred.salt, token: usdt }]);
  expect(await tokenBalance(url, usdt, safe)).toBe(before + 18n);
});

test('a flush with too little gas for an item fails as a whole instead of skipping it', async () => {
  const { usdt } = devnet.deployment;
  const { salt, address } = newForwarder(devnet);
  await mined(devnet, mintAndSendUsdt({ rpcUrl: devnet.url, usdt, to: address, amount: 9n }));
  await expect(flush([{ salt, token: usdt }], 300_000n)).rejects.toThrow('reverted');
  await flush([{ salt, token: usdt }]);
  expect(await tokenBalance(devnet.url, usdt, address)).toBe(0n);
});

test('only governance, after its delay, changes where forwarders send, and nobody renounces it', async () => {
  const { registry, safe: hot } = devnet.deployment;
  const { salt, address } = newForwarder(devnet);
  const nextVault = newAddress();
  const by = { rpcUrl: devnet.url, vault: devnet.deployment, keys: governanceKeys.slice(1) };
  const setVault = (vault: string) => ({ target: registry, data: registryAbi.setVault.encodeInput(vault) });
  const later = () => rpcCall(devnet.url, 'evm_increaseTime', [6]);
  const alone = { rpcUrl: devnet.url, key: relayerKey, to: registry, data: toHex(setVault(nextVault).data) };
  await expect(sendAndWait(alone)).rejects.toThrow('revert');
  await expect(asGovernance(by, registry, setVault(nextVault).data)).rejects.toThrow('revert');
  const renounce = { target: registry, data: registryAbi.renounceOwnership.encodeInput() };
  await schedule(by, setVault(nextVault));
  await schedule(by, renounce);
  await expect(executeScheduled(by, setVault(nextVault))).rejects.toThrow('revert');
  await later();
  await expect(executeScheduled(by, renounce)).rejects.toThrow('revert');
  await executeScheduled(by, setVault(nextVault));
  await mined(devnet, sendEth({ rpcUrl: devnet.url, to: address, amountWei: 11n }));
  await flush([{ salt, token: null }]);
  expect(await balanceWei(devnet.url, nextVault)).toBe(11n);
  await schedule(by, setVault(hot));
  await later();
  await executeScheduled(by, setVault(hot));
});
