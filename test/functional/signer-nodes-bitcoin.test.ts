import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BitcoinNetworkPolicy } from '@holdfast/core/policy/policy.ts';
import type { DepositClaim } from '@holdfast/core/signing/customer-record.ts';
import { startRpcProxy, type Lie, type RpcProxy } from '@holdfast/devnet/proxy.ts';
import { readBitcoinFacts } from '@holdfast/signer/nodes/bitcoin-node.ts';
import { createRpc, type SendRpc } from '@holdfast/signer/nodes/json-rpc.ts';
import { proveBitcoinDeposit } from '@holdfast/signer/nodes/prove-bitcoin-deposit.ts';
import { readBitcoinSpends } from '@holdfast/signer/nodes/read-bitcoin-spends.ts';
import { startBitcoinDevnet, type BitcoinDevnet } from '../support/bitcoind.ts';
import { about, assetRules, code, lastDigit, type Change } from '../support/node-lies.ts';

const bitcoinNetwork = 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328';
let devnet: BitcoinDevnet;
let proxy: RpcProxy;
let honest: SendRpc[];
let liar: SendRpc;
const policy: BitcoinNetworkPolicy = {
  network: bitcoinNetwork,
  family: 'bitcoin',
  node_faults: 0,
  finality_blocks: 2,
  block_age_s_max: 43_200,
  burial_endpoints_min: 2,
  deposit_confirmations: 1,
  cold_keys: ['01', '02', '03', '04', '05'].map((byte) => byte.repeat(32)),
  cold_addresses: ['bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080'],
  asset: `${bitcoinNetwork}/slip44:0`,
  code: 'BTC',
  ...assetRules,
  fee_rate_percent_max: 300,
  fee_rate_fallback_sat_vb: 2,
  fee_rate_max_sat_vb: 100,
  fee_max_sats: '50000',
  fee_per_day_max_sats: '1000000',
  evacuation_fee_per_day_max_sats: '1000000',
  min_confirmations: 2,
  easiest_bits: '207fffff',
};
const amountSats = 1_234_567n;
let coin: { txid: string; vout: number; script: string; height: number; hash: string };

beforeAll(async () => {
  devnet = await startBitcoinDevnet();
  const [node, other] = devnet.nodes;
  const urlOf = (base: string, { user, password }: typeof node): string => {
    const url = new URL(base);
    url.username = user;
    url.password = password;
    return url.href;
  };
  proxy = await startRpcProxy({ target: node.rpcUrl });
  honest = [node, other].map((one) => createRpc(urlOf(one.rpcUrl, one), 10_000));
  liar = createRpc(urlOf(proxy.url, node), 10_000);
  coin = await fund();
});
afterAll(async () => {
  await proxy?.close();
  await devnet?.stop();
});
const lie = (told: Lie): void => proxy.setFault({ kind: 'lie', lie: told });

async function fund(): Promise<typeof coin> {
  const [{ rpc, address, mine: mineBlocks, pay }] = devnet.miners;
  const txid = await pay(address, amountSats);
  const [hash = ''] = await mineBlocks(2);
  const { height } = await rpc<{ height: number }>('getblockheader', [hash]);
  const { vout } = await rpc<{ vout: { n: number; value: number; scriptPubKey: { hex: string } }[] }>(
    'getrawtransaction',
    [txid, true],
  );
  const output = vout.find(({ value }) => Math.round(value * 1e8) === Number(amountSats));
  while ((await devnet.nodes[1].rpc<number>('getblockcount')) < height + 1) await new Promise((r) => setTimeout(r, 20));
  return { txid, vout: output?.n ?? 0, script: output?.scriptPubKey.hex ?? '', height, hash };
}
const inputOf = ({ txid, vout }: typeof coin) => ({ txid, vout, sequence: 0xffff_fffd });
const claimOf = (one: typeof coin): DepositClaim => ({
  version: 1,
  kind: 'deposit',
  network: policy.network,
  customer: 'cus_01890000-0000-7000-8000-000000000001',
  index: 0,
  address: devnet.miners[0].address,
  asset: policy.asset,
  block_height: one.height,
  block_hash: one.hash,
  outpoint: { txid: one.txid, vout: one.vout },
});

test('coins are read from their transactions, with fee estimate and median time', async () => {
  const coinbase = await devnet.nodes[0].rpc<{ tx: string[] }>('getblock', [coin.hash]);
  const facts = await readBitcoinFacts(honest, { ...policy, node_faults: 1 }, [
    inputOf(coin),
    { txid: 'ab'.repeat(32), vout: 0, sequence: 0 },
    { txid: coinbase.tx[0] ?? '', vout: 0, sequence: 0 },
  ]);
  const info = await devnet.nodes[0].rpc<{ blocks: number; mediantime: number }>('getblockchaininfo');
  expect(facts).toMatchObject({ height: info.blocks, blockTimeMs: info.mediantime * 1_000, feeRateSatVb: null });
  expect(facts.coins.slice(0, 2)).toEqual([
    { amountSats, script: coin.script, confirmations: 2, coinbase: false },
    null,
  ]);
  expect(facts.coins[2]).toMatchObject({ coinbase: true, confirmations: 2 });
});

test('the lowest estimate counts, whole satoshis', async () => {
  lie((method, _params, result) => (method === 'estimatesmartfee' ? { feerate: 0.00012345, blocks: 6 } : result));
  expect((await readBitcoinFacts([liar, ...honest], policy, [])).feeRateSatVb).toBe(13);
});

test('proven coins are not asked for again, and a reorg proves them anew', async () => {
  const methods: string[] = [];
  const [node] = honest;
  const watched: SendRpc = (calls) => {
    methods.push(...calls.map(({ method }) => method));
    return (node as SendRpc)(calls);
  };
  const one = await fund();
  const first = await readBitcoinFacts([watched], policy, [inputOf(one)]);
  expect(methods).toContain('gettxoutproof');
  methods.length = 0;
  expect(await readBitcoinFacts([watched], policy, [inputOf(one)])).toEqual(first);
  expect(methods).not.toContain('gettxoutproof');
  await devnet.nodes[0].rpc('invalidateblock', [one.hash]);
  const elsewhere = await devnet.nodes[1].rpc<string>('getnewaddress', [], 'miner');
  await devnet.nodes[0].rpc('generatetoaddress', [3, elsewhere]);
  const again = await readBitcoinFacts([watched], policy, [inputOf(one)]);
  expect(methods).toContain('gettxoutproof');
  expect(again.coins[0]).toMatchObject({ amountSats, confirmations: 3 });
});

const changedTxOut = (change: Change): Lie => about('gettxout', change);
const coinLies: [string, Lie][] = [
  ['a coin’s amount', changedTxOut((out) => ({ ...out, value: 2 }))],
  ['a coin’s script', changedTxOut((out) => ({ ...out, scriptPubKey: { hex: `5120${'77'.repeat(32)}` } }))],
  ['a coin that is a coinbase', changedTxOut((out) => ({ ...out, coinbase: true }))],
  [
    'bytes of a transaction',
    (method, _params, result) => (method === 'getrawtransaction' ? lastDigit(result) : result),
  ],
  ['a merkle proof', (method, _params, result) => (method === 'gettxoutproof' ? lastDigit(result) : result)],
  [
    'a header in a proof',
    (method, _params, result) =>
      method === 'gettxoutproof' ? `${String(result).slice(0, 80)}ff${String(result).slice(82)}` : result,
  ],
  [
    'a header on top',
    (method, params, result) =>
      method === 'getblockheader' && params[1] === false
        ? `${String(result).slice(0, 30)}ff${String(result).slice(32)}`
        : result,
  ],
];
test.each(coinLies)('a node that lies alone about %s is refused', async (_what, told) => {
  const one = await fund();
  lie(told);
  await expect(readBitcoinFacts([liar], policy, [inputOf(one)])).rejects.toMatchObject(code('node-proof-invalid'));
});

test('a coin that one of two nodes makes up is refused', async () => {
  lie(changedTxOut((out) => ({ ...out, value: 2 })));
  await expect(readBitcoinFacts([liar, ...honest], policy, [inputOf(coin)])).rejects.toMatchObject(
    code('node-disagreement'),
  );
});

test('blocks with too little work do not count', async () => {
  const one = await fund();
  const demanding = { ...policy, easiest_bits: '1d00ffff' };
  const refused = code('node-proof-invalid');
  await expect(readBitcoinFacts(honest, demanding, [inputOf(one)])).rejects.toMatchObject(refused);
  await expect(proveBitcoinDeposit(honest, demanding, claimOf(one), one.script)).rejects.toMatchObject(refused);
});

test('deposits are worth their output, and nothing where there is none', async () => {
  const one = await fund();
  const claim = claimOf(one);
  expect(await proveBitcoinDeposit(honest, policy, claim, one.script)).toBe(amountSats);
  expect(await proveBitcoinDeposit(honest, policy, claim, `5120${'77'.repeat(32)}`)).toBe(0n);
  const outpoint = (change: object) => ({ ...claim, outpoint: { txid: one.txid, vout: one.vout, ...change } });
  expect(await proveBitcoinDeposit(honest, policy, outpoint({ vout: 9 }), one.script)).toBe(0n);
  expect(await proveBitcoinDeposit(honest, policy, outpoint({ txid: 'ab'.repeat(32) }), one.script)).toBe(0n);
  const unproven = code('deposit-unproven');
  const deep = { ...policy, deposit_confirmations: 3 };
  await expect(proveBitcoinDeposit(honest, deep, claim, one.script)).rejects.toMatchObject(unproven);
  const elsewhere = { ...claim, block_height: one.height - 1 };
  await expect(proveBitcoinDeposit(honest, policy, elsewhere, one.script)).rejects.toMatchObject(unproven);
  lie((method, _params, result) => (method === 'getblock' ? lastDigit(result) : result));
  await expect(
    proveBitcoinDeposit([liar], policy, outpoint({ txid: 'ab'.repeat(32) }), one.script),
  ).rejects.toMatchObject({ name: 'Failure' });
});

test('spends of our coins are found in the blocks, and none can be hidden', async () => {
  const one = await fund();
  const [{ rpc, address }] = devnet.miners;
  const raw = await rpc<string>('createrawtransaction', [[{ txid: one.txid, vout: one.vout }], [{ [address]: 0.012 }]]);
  const { hex } = await rpc<{ hex: string }>('signrawtransactionwithwallet', [raw], 'miner');
  const txid = await rpc<string>('sendrawtransaction', [hex, 0]);
  const hashes = await devnet.miners[0].mine(1);
  const height = one.height + 2;
  const isOurs = (script: string): boolean => script === one.script;
  const [node] = honest as [SendRpc];
  expect(await readBitcoinSpends([node], one.height + 1, height, isOurs)).toEqual([{ txid, height }]);
  expect(await readBitcoinSpends([node], height, height, () => false)).toEqual([]);
  lie((method, params, result) =>
    method === 'getblock' && params[1] === 3 ? { ...(result as { tx: object[] }), tx: [] } : result,
  );
  expect(hashes).toHaveLength(1);
  await expect(readBitcoinSpends([liar], height, height, isOurs)).rejects.toMatchObject(code('node-proof-invalid'));
});
