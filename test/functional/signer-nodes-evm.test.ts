import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeFlush } from '@holdfast/core/chains/evm/build.ts';
import { safeProxyCodeHash } from '@holdfast/core/chains/evm/safe-storage.ts';
import { safeTransactionHash } from '@holdfast/core/chains/evm/safe-transaction.ts';
import { baseUnits } from '@holdfast/core/money/base-units.ts';
import type { EvmNetworkPolicy } from '@holdfast/core/policy/policy.ts';
import type { DepositClaim } from '@holdfast/core/signing/customer-record.ts';
import { addressOfKey, devnetKeys } from '@holdfast/devnet/evm/accounts.ts';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import { mine, mintAndSendUsdc, sendEth } from '@holdfast/devnet/evm/payments.ts';
import { sendTransaction } from '@holdfast/devnet/evm/send-transaction.ts';
import { startRpcProxy, type Lie, type RpcProxy } from '@holdfast/devnet/proxy.ts';
import { readSafe } from '@holdfast/signer/nodes/evm-node.ts';
import { createRpc, type SendRpc } from '@holdfast/signer/nodes/json-rpc.ts';
import { proveEvmDeposit } from '@holdfast/signer/nodes/prove-evm-deposit.ts';
import { readSafeExecutions } from '@holdfast/signer/nodes/read-safe-executions.ts';
import { mined, newForwarder, ownerKeys, payBatch, startVaultDevnet, type VaultDevnet } from '../support/anvil.ts';
import { about, assetRules, code, lastDigit, type Change } from '../support/node-lies.ts';

const none = `0x${'0'.repeat(40)}`;
let devnet: VaultDevnet;
let proxy: RpcProxy;
let policy: EvmNetworkPolicy;
let honest: SendRpc;
let liar: SendRpc;
const usdc = 'eip155:31337/erc20:usdc';
const eth = 'eip155:31337/slip44:60';

beforeAll(async () => {
  devnet = await startVaultDevnet();
  proxy = await startRpcProxy({ target: devnet.url });
  const { deployment } = devnet;
  honest = createRpc(devnet.url, 10_000);
  liar = createRpc(proxy.url, 10_000);
  const singleton = await rpcCall<string>(devnet.url, 'eth_getStorageAt', [deployment.safe, '0x0', 'latest']);
  policy = {
    network: 'eip155:31337',
    family: 'evm',
    node_faults: 0,
    finality_blocks: 2,
    block_age_s_max: 3_600,
    burial_endpoints_min: 2,
    deposit_confirmations: 1,
    safe: deployment.safe,
    safe_singleton: `0x${singleton.slice(26)}`,
    safe_owners: ownerKeys.map(addressOfKey),
    safe_threshold: 2,
    safe_guard: deployment.guard,
    safe_handler: deployment.handler,
    safe_modules: [deployment.desk, deployment.timelock],
    multi_send: deployment.multiSend,
    forwarder_factory: deployment.factory,
    forwarder_init_code_hash: deployment.forwarderInitCodeHash.slice(2),
    registry: deployment.registry,
    cold_addresses: [deployment.coldSafe],
    assets: [
      { asset: eth, code: 'ETH', contract: null, ...assetRules },
      { asset: usdc, code: 'USDC', contract: deployment.usdc, ...assetRules },
    ],
    allowed_calls: [],
  };
  await mined(devnet, sendEth({ rpcUrl: devnet.url, to: deployment.safe, amountWei: 10n ** 19n }));
});
afterAll(async () => {
  await proxy?.close();
  await devnet?.stop();
});
const lie = (told: Lie): void => proxy.setFault({ kind: 'lie', lie: told });

test('the code hash that every Safe must have is that of the canonical SafeProxy', () => {
  const path = createRequire(import.meta.url).resolve(
    '@safe-global/safe-smart-account/build/artifacts/contracts/proxies/SafeProxy.sol/SafeProxy.json',
  );
  const { deployedBytecode } = JSON.parse(readFileSync(path, 'utf8')) as { deployedBytecode: string };
  expect(bytesToHex(keccak_256(hexToBytes(deployedBytecode.slice(2))))).toBe(safeProxyCodeHash);
});

test('a Safe that is as the policy says is proven, and its nonce follows', async () => {
  const before = await readSafe([honest], policy);
  await payBatch(devnet, [{ kind: 'native', to: newForwarder(devnet).address, amount: baseUnits(1n) }]);
  const after = await readSafe([honest], policy);
  expect(after.nonce).toBe(before.nonce + 1n);
  expect(after.height).toBe(before.height + 1);
  const block = await rpcCall<{ hash: string; timestamp: string }>(devnet.url, 'eth_getBlockByNumber', [
    'latest',
    false,
  ]);
  expect(after).toMatchObject({ blockHash: block.hash, blockTimeMs: Number(block.timestamp) * 1_000 });
});

const stranger = `0x${'12'.repeat(20)}`;
test.each<[string, Partial<EvmNetworkPolicy>]>([
  ['singleton', { safe_singleton: stranger }],
  ['owner missing', { safe_owners: ownerKeys.slice(1).map(addressOfKey) }],
  ['owner too many', { safe_owners: [...ownerKeys.map(addressOfKey), stranger] }],
  ['other owner', { safe_owners: [...ownerKeys.slice(1).map(addressOfKey), stranger] }],
  ['threshold', { safe_threshold: 3 }],
  ['guard', { safe_guard: stranger }],
  ['handler', { safe_handler: stranger }],
  ['no guard', { safe_guard: none }],
  ['other module', { safe_modules: [stranger] }],
  ['no module', { safe_modules: [] }],
  ['address without a Safe', { safe: stranger }],
  ['chain', { network: 'eip155:1' }],
])('a Safe that differs from the policy is refused: %s', async (_what, change) => {
  await expect(readSafe([honest], { ...policy, ...change })).rejects.toMatchObject(code('chain-mismatch'));
});

test.each<[string, string]>([
  ['another guard', bytesToHex(keccak_256(new TextEncoder().encode('guard_manager.guard.address')))],
  ['a module guard', bytesToHex(keccak_256(new TextEncoder().encode('module_manager.module_guard.address')))],
  ['another singleton', '0'.repeat(64)],
])('%s that was set on the chain is noticed', async (_what, slot) => {
  const { safe } = devnet.deployment;
  const old = await rpcCall<string>(devnet.url, 'eth_getStorageAt', [safe, `0x${slot}`, 'latest']);
  const set = async (value: string): Promise<void> => {
    await rpcCall(devnet.url, 'anvil_setStorageAt', [safe, `0x${slot}`, value]);
    await mine({ rpcUrl: devnet.url, blocks: 1 });
  };
  await set(`0x${'0'.repeat(24)}${'12'.repeat(20)}`);
  await expect(readSafe([honest], policy)).rejects.toMatchObject(code('chain-mismatch'));
  await set(old);
  // anvil changed the state of the block before, too; of the next ones it is true again.
  await mine({ rpcUrl: devnet.url, blocks: 2 });
  await readSafe([honest], policy);
});

const nodeLists =
  (change: (node: string) => string): Change =>
  (answer) => {
    const storageProof = answer['storageProof'] as { proof: string[] }[];
    return { ...answer, storageProof: storageProof.map(({ proof }) => ({ proof: proof.map(change) })) };
  };
const proofLies: [string, Lie][] = [
  ['nodes of storage', about('eth_getProof', nodeLists(lastDigit))],
  ['no nodes of storage', about('eth_getProof', (answer) => ({ ...answer, storageProof: [] }))],
  [
    'an owner in place of another',
    about(
      'eth_getProof',
      nodeLists((node) =>
        node.replaceAll(
          addressOfKey(ownerKeys[0] ?? '')
            .slice(2)
            .toLowerCase(),
          '12'.repeat(20),
        ),
      ),
    ),
  ],
  [
    'no account',
    about('eth_getProof', (answer) => ({
      ...answer,
      accountProof: (answer['accountProof'] as string[]).slice(0, -1),
    })),
  ],
  [
    'another state root',
    about('eth_getBlockByNumber', (block) => ({ ...block, stateRoot: lastDigit(block['stateRoot']) })),
  ],
  ['another time', about('eth_getBlockByNumber', (block) => ({ ...block, timestamp: '0x1' }))],
];
test.each(proofLies)('a node that lies alone is refused: %s', async (_what, told) => {
  lie(told);
  await expect(readSafe([liar], policy)).rejects.toMatchObject(code('node-proof-invalid'));
});

test('what one node cannot prove another may', async () => {
  lie(about('eth_getProof', nodeLists(lastDigit)));
  expect(await readSafe([liar, honest], policy)).toEqual(await readSafe([honest], policy));
});

test('nodes that follow different chains are refused, and fewer than the policy wants too', async () => {
  const height = (await readSafe([honest], policy)).height;
  lie((method, _params, result) => (method === 'eth_blockNumber' ? `0x${(height - 1).toString(16)}` : result));
  expect((await readSafe([liar, honest], policy)).height).toBe(height - 1);
  const parent = await rpcCall(devnet.url, 'eth_getBlockByNumber', [`0x${(height - 1).toString(16)}`, false]);
  lie((method, _params, result) => (method === 'eth_getBlockByNumber' ? parent : result));
  await expect(readSafe([liar, honest], policy)).rejects.toMatchObject(code('node-proof-invalid'));
  const strict = { ...policy, node_faults: 1 };
  await expect(readSafe([honest], strict)).rejects.toMatchObject(code('nodes-too-few'));
  await expect(readSafe([honest, honest], strict)).rejects.toMatchObject(code('nodes-too-few'));
  proxy.setFault({ kind: 'none' });
  await readSafe([honest, liar], strict);
  proxy.setFault({ kind: 'down' });
  await expect(readSafe([honest, liar], strict)).rejects.toMatchObject(code('node-unavailable'));
});

async function claimOf(address: string, asset: string, blockHash: string): Promise<DepositClaim> {
  const block = await rpcCall<{ number: string }>(devnet.url, 'eth_getBlockByHash', [blockHash, false]);
  return {
    version: 1,
    kind: 'deposit',
    network: policy.network,
    customer: 'cus_01890000-0000-7000-8000-000000000001',
    index: 0,
    address,
    asset,
    block_height: Number(block.number),
    block_hash: blockHash.slice(2),
    outpoint: null,
  };
}

test('deposits are worth what arrived, and nothing where nothing did', async () => {
  const { address } = newForwarder(devnet);
  const native = await mined(devnet, sendEth({ rpcUrl: devnet.url, to: address, amountWei: 5n }));
  const token = await mined(
    devnet,
    mintAndSendUsdc({ rpcUrl: devnet.url, usdc: devnet.deployment.usdc, to: address, amount: 7n }),
  );
  const prove = async (asset: string, hash: string, who = address): Promise<bigint> =>
    proveEvmDeposit([honest], policy, await claimOf(who, asset, hash));
  expect(await prove(eth, native.blockHash)).toBe(5n);
  expect(await prove(usdc, token.blockHash)).toBe(7n);
  expect(await prove(usdc, native.blockHash)).toBe(0n);
  expect(await prove(eth, token.blockHash)).toBe(0n);
  expect(await prove(eth, native.blockHash, newForwarder(devnet).address)).toBe(0n);
});

test('a deposit that somebody flushes to the Safe in its own block is worth what arrived', async () => {
  const { address, salt } = newForwarder(devnet);
  const { url, deployment } = devnet;
  const flush = encodeFlush([
    { salt, token: null },
    { salt, token: deployment.usdc },
  ]);
  const minedTogether = async (send: () => Promise<string>): Promise<string> => {
    await rpcCall(url, 'evm_setAutomine', [false]);
    const txid = await send();
    await sendTransaction({
      rpcUrl: url,
      key: devnetKeys.spare,
      to: deployment.factory,
      data: flush,
      gasLimit: 2_000_000n,
    });
    await mine({ rpcUrl: url, blocks: 1 });
    await rpcCall(url, 'evm_setAutomine', [true]);
    return (await mined(devnet, Promise.resolve(txid))).blockHash;
  };
  // What was there before was credited before.
  await mined(devnet, sendEth({ rpcUrl: url, to: address, amountWei: 3n }));
  await mined(devnet, mintAndSendUsdc({ rpcUrl: url, usdc: deployment.usdc, to: address, amount: 4n }));
  const native = await minedTogether(() => sendEth({ rpcUrl: url, to: address, amountWei: 5n }));
  expect(await proveEvmDeposit([honest], policy, await claimOf(address, eth, native))).toBe(5n);
  const token = await minedTogether(() =>
    mintAndSendUsdc({ rpcUrl: url, usdc: deployment.usdc, to: address, amount: 7n }),
  );
  expect(await proveEvmDeposit([honest], policy, await claimOf(address, usdc, token))).toBe(7n);
});

test('a deposit in another block, or not deep enough, is not proven yet', async () => {
  const { address } = newForwarder(devnet);
  const { blockHash } = await mined(devnet, sendEth({ rpcUrl: devnet.url, to: address, amountWei: 5n }));
  const claim = await claimOf(address, eth, blockHash);
  const deep = { ...policy, deposit_confirmations: 3 };
  const unproven = code('deposit-unproven');
  await expect(proveEvmDeposit([honest], deep, claim)).rejects.toMatchObject(unproven);
  await mine({ rpcUrl: devnet.url, blocks: 2 });
  expect(await proveEvmDeposit([honest], deep, claim)).toBe(5n);
  for (const change of [{ block_hash: 'ab'.repeat(32) }, { block_height: claim.block_height + 1_000 }]) {
    await expect(proveEvmDeposit([honest], policy, { ...claim, ...change })).rejects.toMatchObject(unproven);
  }
});

test.each<[string, string, Change]>([
  [
    'a balance',
    'eth_getProof',
    (answer) => ({ ...answer, accountProof: (answer['accountProof'] as string[]).map(lastDigit) }),
  ],
  [
    'receipts',
    'eth_getBlockReceipts',
    (answer) => [...(answer as unknown as unknown[]), ...(answer as unknown as unknown[])],
  ],
  [
    'a log of a receipt',
    'eth_getBlockReceipts',
    (answer) => (answer as unknown as { logs: { data: string }[] }[]).map((receipt) => ({ ...receipt, status: '0x0' })),
  ],
  [
    'a transaction',
    'eth_getBlockByHash',
    (block) => ({
      ...block,
      transactions: (block['transactions'] as (string | object)[]).map((tx) =>
        typeof tx === 'string' ? tx : { ...tx, value: '0x77' },
      ),
    }),
  ],
])('a node that lies about %s of a deposit is refused', async (_what, method, change) => {
  const { address } = newForwarder(devnet);
  const { blockHash } = await mined(devnet, sendEth({ rpcUrl: devnet.url, to: address, amountWei: 5n }));
  const claim = await claimOf(address, eth, blockHash);
  lie(about(method, change));
  await expect(proveEvmDeposit([liar], policy, claim)).rejects.toMatchObject(code('node-proof-invalid'));
  expect(await proveEvmDeposit([liar, honest], policy, claim)).toBe(5n);
});

test('every execution of the Safe is found, and none can be hidden', async () => {
  const from = Number(await rpcCall<string>(devnet.url, 'eth_blockNumber'));
  const hashes: string[] = [];
  for (const amount of [1n, 2n]) {
    const { tx } = await payBatch(devnet, [
      { kind: 'native', to: newForwarder(devnet).address, amount: baseUnits(amount) },
    ]);
    hashes.push(bytesToHex(safeTransactionHash({ chainId: 31_337n, safe: policy.safe, tx })));
    await mine({ rpcUrl: devnet.url, blocks: 70 });
  }
  const to = Number(await rpcCall<string>(devnet.url, 'eth_blockNumber'));
  const without: Lie = (method, _params, result) =>
    method === 'eth_getBlockReceipts' ? (result as object[]).map((one) => ({ ...one, logs: [] })) : result;
  lie(without);
  await expect(readSafeExecutions([liar], policy, from, to)).rejects.toMatchObject(code('node-proof-invalid'));
  lie(about('eth_getBlockByNumber', (block) => ({ ...block, logsBloom: `0x${'0'.repeat(512)}` })));
  await expect(readSafeExecutions([liar], policy, from, to)).rejects.toMatchObject(code('node-proof-invalid'));
  expect(await readSafeExecutions([honest], policy, from, to)).toEqual(hashes);
  expect(await readSafeExecutions([honest], policy, to, to)).toEqual([]);
  expect(await readSafeExecutions([honest], policy, to, from)).toEqual([]);
});
