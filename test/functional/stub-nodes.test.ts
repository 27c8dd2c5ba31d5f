import { readBitcoinFacts } from '@holdfast/signer/nodes/bitcoin-node.ts';
import { readSafe } from '@holdfast/signer/nodes/evm-node.ts';
import { createRpc, type SendRpc } from '@holdfast/signer/nodes/json-rpc.ts';
import { proveBitcoinDeposit } from '@holdfast/signer/nodes/prove-bitcoin-deposit.ts';
import { proveEvmDeposit } from '@holdfast/signer/nodes/prove-evm-deposit.ts';
import { readBitcoinSpends } from '@holdfast/signer/nodes/read-bitcoin-spends.ts';
import { readSafeExecutions } from '@holdfast/signer/nodes/read-safe-executions.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { bitcoinPolicy, claimOf, evmPolicy, proofOwners, proofToken } from '../support/node-policies.ts';
import { startStubNode, type StubNode } from '../support/stub-nodes.ts';

/** Stub nodes must pass what real nodes pass (signer-nodes-*.test.ts), or tests that stand on them would prove nothing. */
const script = `5120${'ab'.repeat(32)}`;
const alice = `0x${'A1'.repeat(20)}`;
const evm = evmPolicy;
const bitcoin = bitcoinPolicy;
const owners = proofOwners;
const token = proofToken;
const claim = claimOf({});

let node: StubNode;
let endpoints: SendRpc[];
beforeEach(async () => {
  node = await startStubNode();
  node.owners = owners;
  endpoints = node.urls.map((url) => createRpc(url, 5_000));
});
afterEach(async () => {
  await node.stop();
});
const ask = async (method: string, ...params: unknown[]): Promise<unknown> =>
  (await (endpoints[0] as SendRpc)([{ method, params }]))[0];

test('the Safe is proven, at every height', async () => {
  expect(await readSafe(endpoints, evm)).toMatchObject({ height: 200, nonce: 0n });
  Object.assign(node, { height: 264, safeNonce: 5n });
  expect(await readSafe(endpoints, evm)).toMatchObject({ height: 264, nonce: 5n });
});

test.each<[string, Partial<StubNode>, Partial<typeof evm>]>([
  ['singleton', { singleton: alice }, { safe_singleton: alice }],
  ['owners', { owners: [...owners, alice] }, { safe_owners: [alice, ...owners] }],
  ['threshold', { threshold: 3n }, { safe_threshold: 3 }],
  ['guard', { guard: alice }, { safe_guard: alice }],
  ['handler', { handler: alice }, { safe_handler: alice }],
  ['modules', { modules: [alice, token] }, { safe_modules: [token, alice] }],
])('another %s is noticed, unless the policy says so', async (_what, knob, change) => {
  Object.assign(node, knob);
  await expect(readSafe(endpoints, evm)).rejects.toMatchObject({ code: 'chain-mismatch' });
  await readSafe(endpoints, { ...evm, ...change });
});

test('a module guard is refused', async () => {
  node.moduleGuard = alice;
  await expect(readSafe(endpoints, evm)).rejects.toMatchObject({ code: 'chain-mismatch' });
});

test('executions and deposits are proven', async () => {
  node.executions.push({ height: 150, safeTxHash: 'ee'.repeat(32) }, { height: 199, safeTxHash: 'dd'.repeat(32) });
  expect(await readSafeExecutions(endpoints, evm, 100, 200)).toEqual(['ee'.repeat(32), 'dd'.repeat(32)]);
  node.deposits.push(
    { contract: null, address: alice, height: 190, amount: 7n },
    { contract: token, address: alice, height: 190, amount: 9n },
  );
  const { hash } = (await ask('eth_getBlockByNumber', '0xbe', false)) as { hash: string };
  const at = { ...claim, block_height: 190, block_hash: hash.slice(2) };
  expect(await proveEvmDeposit(endpoints, evm, at)).toBe(7n);
  expect(await proveEvmDeposit(endpoints, evm, { ...at, asset: 'token' })).toBe(9n);
  expect(await proveEvmDeposit(endpoints, evm, { ...at, address: owners[0] ?? '' })).toBe(0n);
});

test('coins are proven, also after their depth was changed', async () => {
  const coins = [1n, 2n, 3n].map((amountSats) => ({ ...node.addCoin({ script, amountSats }), sequence: 0 }));
  const old = { ...node.addCoin({ script, amountSats: 4n, coinbase: true, confirmations: 150 }), sequence: 0 };
  const facts = await readBitcoinFacts(endpoints, bitcoin, [...coins, old]);
  expect(facts).toMatchObject({ height: 200, feeRateSatVb: null });
  expect(facts.coins).toMatchObject([
    { amountSats: 1n, script, confirmations: 6, coinbase: false },
    { amountSats: 2n },
    { amountSats: 3n },
    { amountSats: 4n, coinbase: true, confirmations: 150 },
  ]);
  const [first] = coins as [(typeof coins)[number]];
  const key = `${first.txid}:${first.vout}`;
  node.coins.set(key, { amountSats: 1n, script, confirmations: 2 });
  Object.assign(node, { height: 230, feeRateSatVb: 7 });
  const again = await readBitcoinFacts(endpoints, bitcoin, coins);
  expect(again).toMatchObject({ height: 230, feeRateSatVb: 7 });
  expect(again.coins[0]).toMatchObject({ amountSats: 1n, confirmations: 2 });
  node.coins.set(key, { amountSats: 2n, script, confirmations: 2 });
  await expect(readBitcoinFacts(endpoints, bitcoin, coins)).rejects.toMatchObject({ code: 'node-proof-invalid' });
  node.coins.delete(key);
  expect((await readBitcoinFacts(endpoints, bitcoin, coins)).coins[0]).toBeNull();
});

test('bitcoin deposits and spends are proven', async () => {
  const coin = node.addCoin({ script, amountSats: 5n });
  const hash = String(await ask('getblockhash', 195));
  const at = { ...claim, block_height: 195, block_hash: hash, outpoint: coin };
  expect(await proveBitcoinDeposit(endpoints, bitcoin, at, script)).toBe(5n);
  expect(await proveBitcoinDeposit(endpoints, bitcoin, { ...at, outpoint: { ...coin, vout: 0 } }, script)).toBe(0n);
  const txid = node.addSpend(coin);
  expect(await readBitcoinSpends(endpoints, 190, 200, (one) => one === script)).toEqual([{ txid, height: 200 }]);
});
