import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildBatch, finalizeTransaction, type BuiltBatch } from '@holdfast/core/chains/bitcoin/build.ts';
import { deriveWalletAddress, type WalletAddress } from '@holdfast/core/chains/bitcoin/derive-address.ts';
import { bitcoinParams } from '@holdfast/core/chains/bitcoin/params.ts';
import { parseBitcoinBlock, type ParsedBlock } from '@holdfast/core/chains/bitcoin/parse-block.ts';
import { candidates, scanBitcoinBlock } from '@holdfast/core/chains/bitcoin/scan.ts';
import { selectCoins, type Coin, type Payout } from '@holdfast/core/chains/bitcoin/select-coins.ts';
import { taprootSighashes } from '@holdfast/core/chains/bitcoin/sighash.ts';
import type { ScannedTransfer } from '@holdfast/core/chains/chain.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import type { KeyPath } from '@holdfast/core/keys/derive-child.ts';
import { tweakPublic, tweakSecret } from '@holdfast/core/keys/tweak-frost.ts';
import { baseUnits, type BaseUnits } from '@holdfast/core/money/base-units.ts';
import { conflictOf, openMiner } from '@holdfast/devnet/bitcoin/miner.ts';
import { reorgByInvalidation, reorgByTwoNodes } from '@holdfast/devnet/bitcoin/reorg.ts';
import { bitcoinRpc } from '@holdfast/devnet/bitcoin/rpc.ts';
import { startBitcoind } from '@holdfast/devnet/bitcoin/start.ts';
import { until } from '@holdfast/devnet/bitcoin/until.ts';
import { startSupervisor } from '@holdfast/devnet/processes.ts';
import { schnorr } from '@noble/curves/secp256k1.js';
import { randomBytes } from '@noble/hashes/utils.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startBitcoinDevnet, type BitcoinDevnet } from '../support/bitcoind.ts';
import { generateKeys, signWith } from '../support/frost.ts';

const params = bitcoinParams('bip122:0f9188f13cb7b2c71f2a335e3a4fc328');
const keys = generateKeys();
const wallet = {
  groupKey: keys.frostPublic.commitments[0] as Uint8Array,
  chainCode: randomBytes(32),
  coldKeys: Array.from({ length: 5 }, () => schnorr.getPublicKey(schnorr.utils.randomSecretKey())),
};
const at = (path: KeyPath): WalletAddress => deriveWalletAddress(wallet, path, params);

let devnet: BitcoinDevnet;
beforeAll(async () => {
  devnet = await startBitcoinDevnet();
});
afterAll(async () => {
  await devnet?.stop();
});

const blockOf = async (hash: string): Promise<ParsedBlock> =>
  parseBitcoinBlock(await devnet.nodes[0].rpc<string>('getblock', [hash, 0]), hash);

/** Transfers of these addresses in a block, with the txid that made each. */
function transfersIn(
  block: ParsedBlock,
  addresses: readonly WalletAddress[],
  coins: Record<string, { address: string; amount: BaseUnits }> = {},
): (ScannedTransfer & { txid: string })[] {
  const byScript = new Map(addresses.map((one) => [one.script, { address: one.address, kind: 'deposit' }]));
  const watch = { addressOfScript: (script: string) => byScript.get(script), coinAt: (name: string) => coins[name] };
  const scanned = scanBitcoinBlock(block, { height: 1, watch, asset: params.asset });
  return scanned.transactions.flatMap((tx) => tx.transfers.map((transfer) => ({ ...transfer, txid: tx.txid })));
}

/** Pays an address from the miner, mines it, and finds the coin by scanning the raw block. */
async function deposit(address: WalletAddress, amountSats: bigint): Promise<Coin> {
  const [miner] = devnet.miners;
  const txid = await miner.pay(address.address, amountSats);
  const [hash] = await miner.mine(1);
  const found = transfersIn(await blockOf(hash as string), [address]).find((one) => one.txid === txid);
  invariant(found !== undefined && found.direction === 'in', 'the deposit is in the block');
  return { txid, vout: Number(found.index.slice('vout:'.length)), amountSats: found.amount };
}

/** Signs every input with two of the three shares, as the signers do. */
function sign(batch: BuiltBatch, ownerOf: (coin: Coin) => WalletAddress, quorum: readonly [number, number]): string {
  const owners = batch.inputs.map(ownerOf);
  const prevouts = batch.inputs.map((coin, i) => ({
    script: (owners[i] as WalletAddress).script,
    amountSats: coin.amountSats,
  }));
  const signatures = taprootSighashes(batch.rawTx, prevouts).map((hash, i) => {
    const { tweak } = owners[i] as WalletAddress;
    const shares = keys.secrets.filter((_, n) => quorum.includes(n)).map((secret) => tweakSecret(secret, tweak));
    return signWith(tweakPublic(keys.frostPublic, tweak), shares, hash);
  });
  return finalizeTransaction(batch.rawTx, signatures).raw;
}

test('parameters name the chain that the node follows', async () => {
  const genesis = await devnet.nodes[0].rpc<string>('getblockhash', [0]);
  expect(`bip122:${genesis.slice(0, 32)}`).toBe(params.network);
});

describe('a payment to a derived address', () => {
  test('is found by scanning the raw block, with the amount paid', async () => {
    const address = at([0, 0]);
    const [miner] = devnet.miners;
    const txid = await miner.pay(address.address, 123_456n);
    const [hash] = await miner.mine(1);
    const block = await blockOf(hash as string);
    expect(candidates(block).scripts).toContain(address.script);
    expect(transfersIn(block, [address])).toEqual([
      {
        txid,
        index: expect.stringMatching(/^vout:[01]$/),
        asset: 'BTC',
        direction: 'in',
        address: address.address,
        amount: 123_456n,
      },
    ]);
  });

  test('is read as the node reads it: every transaction, output and previous block', async () => {
    const { rpc } = devnet.nodes[0];
    const [hash] = await devnet.miners[0].mine(1);
    const ours = await blockOf(hash as string);
    const theirs = await rpc<{
      previousblockhash: string;
      time: number;
      tx: { txid: string; vout: { scriptPubKey: { hex: string } }[] }[];
    }>('getblock', [hash, 2]);
    expect(ours).toMatchObject({ prev: theirs.previousblockhash, timeMs: theirs.time * 1_000 });
    expect(ours.txs.map((tx) => tx.txid)).toEqual(theirs.tx.map((tx) => tx.txid));
    expect(ours.txs.map((tx) => tx.outputs.map((one) => one.script))).toEqual(
      theirs.tx.map((tx) => tx.vout.map((one) => one.scriptPubKey.hex)),
    );
  });
});

describe('a spend signed by two of three shares', () => {
  test.each([
    [0, 1],
    [0, 2],
    [1, 2],
  ] as const)('of signers %i and %i is accepted and mined', async (first, second) => {
    const from = at([0, 10 + first + second]);
    const change = at([1, 10 + first + second]);
    const coin = await deposit(from, 500_000n);
    const payouts = [{ script: at([0, 999]).script, amountSats: 200_000n }];
    const batch = buildBatch({ coins: [coin], payouts, changeScript: change.script, feeRateSatVb: 2 });
    const { rpc } = devnet.nodes[0];
    const raw = sign(batch, () => from, [first, second]);
    const [verdict] = await rpc<{ allowed: boolean; vsize: number; fees: { base: number } }[]>('testmempoolaccept', [
      [raw],
    ]);
    expect(verdict).toMatchObject({ allowed: true, vsize: batch.vsize });
    expect(BigInt(Math.round((verdict?.fees.base ?? 0) * 1e8))).toBe(batch.feeSats);
    const txid = await rpc<string>('sendrawtransaction', [raw]);

    const [hash] = await devnet.miners[0].mine(1);
    const coins = { [`${coin.txid}:${coin.vout}`]: { address: from.address, amount: baseUnits(coin.amountSats) } };
    const transfers = transfersIn(await blockOf(hash as string), [from, change], coins);
    expect(transfers).toEqual([
      { txid, index: 'vin:0', asset: 'BTC', direction: 'out', address: from.address, amount: 500_000n },
      {
        txid,
        index: `vout:${batch.changeOutput}`,
        asset: 'BTC',
        direction: 'in',
        address: change.address,
        amount: batch.changeSats,
      },
    ]);
  });

  test('is refused by the node when the amount of the coin was signed wrongly', async () => {
    const from = at([0, 20]);
    const coin = await deposit(from, 100_000n);
    const batch = buildBatch({
      coins: [{ ...coin, amountSats: 100_001n }],
      payouts: [{ script: at([0, 999]).script, amountSats: 50_000n }],
      changeScript: at([1, 20]).script,
      feeRateSatVb: 2,
    });
    const [verdict] = await devnet.nodes[0].rpc<{ allowed: boolean; 'reject-reason': string }[]>('testmempoolaccept', [
      [sign(batch, () => from, [0, 1])],
    ]);
    expect(verdict).toMatchObject({
      allowed: false,
      'reject-reason': expect.stringContaining('Invalid Schnorr signature'),
    });
  });

  test('is replaced by one with a higher fee that keeps a coin of it', async () => {
    const from = at([0, 21]);
    const coins = [await deposit(from, 300_000n), await deposit(from, 400_000n)];
    const payouts = [{ script: at([0, 999]).script, amountSats: 250_000n }];
    const common = { payouts, changeScript: at([1, 21]).script };
    const { rpc } = devnet.nodes[0];
    const slow = buildBatch({ ...common, coins: [coins[0] as Coin], feeRateSatVb: 1 });
    const slowId = await rpc<string>('sendrawtransaction', [sign(slow, () => from, [0, 1])]);
    const selected = selectCoins({ ...common, coins, requiredCoins: slow.inputs, feeRateSatVb: 400, inputsMax: 200 });
    expect(selected).toHaveLength(2);
    const fast = buildBatch({ ...common, coins: selected, feeRateSatVb: 400 });
    const fastId = await rpc<string>('sendrawtransaction', [sign(fast, () => from, [1, 2]), 0]);
    const pool = await rpc<string[]>('getrawmempool');
    expect(pool).toContain(fastId);
    expect(pool).not.toContain(slowId);
    await devnet.miners[0].mine(1);
  });
});

test('a batch of 100 payouts from three addresses is accepted, reaches the other node and is mined', async () => {
  const owners = [at([0, 30]), at([0, 31]), at([1, 30])];
  const owned: { coin: Coin; owner: WalletAddress }[] = [];
  for (const owner of owners) owned.push({ owner, coin: await deposit(owner, 1_000_000n) });
  const payouts: Payout[] = Array.from({ length: 100 }, (_, n) => ({
    script: at([0, 1_000 + n]).script,
    amountSats: 20_000n + BigInt(n),
  }));
  const common = { payouts, changeScript: at([1, 31]).script, feeRateSatVb: 3 };
  const selected = selectCoins({ ...common, coins: owned.map((one) => one.coin), inputsMax: 200 });
  const batch = buildBatch({ ...common, coins: selected });
  const raw = sign(batch, (coin) => owned.find((one) => one.coin === coin)?.owner as WalletAddress, [0, 2]);
  const [first, second] = devnet.nodes;
  const txid = await first.rpc<string>('sendrawtransaction', [raw]);
  await until('the other node has the batch', async () => (await second.rpc<string[]>('getrawmempool')).includes(txid));

  const [hash] = await devnet.miners[0].mine(1);
  const block = await blockOf(hash as string);
  const mined = block.txs.find((tx) => tx.txid === txid);
  expect(mined?.outputs).toHaveLength(101);
  payouts.forEach((payout, n) => expect(mined?.outputs[batch.payoutOutputs[n] as number]).toEqual(payout));
});

describe('a reorg', () => {
  test('between two nodes moves a payment from the losing block to a later one', async () => {
    const [losing, winning] = devnet.miners;
    const address = at([0, 40]);
    const txid = await losing.pay(address.address, 70_000n);
    const { orphaned, adopted } = await reorgByTwoNodes(losing, winning, {
      depth: 1,
      p2pPortOfLosing: devnet.nodes[0].p2pPort,
    });
    const lost = await blockOf(orphaned[0] as string);
    const first = await blockOf(adopted[0] as string);
    expect(transfersIn(lost, [address])).toHaveLength(1);
    expect(first.prev).toBe(lost.prev);
    expect(await losing.rpc('getbestblockhash')).toBe(adopted.at(-1));
    for (const hash of adopted) expect(transfersIn(await blockOf(hash), [address])).toHaveLength(0);

    await until('the payment is back in the mempool', async () =>
      (await losing.rpc<string[]>('getrawmempool')).includes(txid),
    );
    const [next] = await losing.mine(1);
    expect(transfersIn(await blockOf(next as string), [address])).toEqual([
      expect.objectContaining({ txid, amount: 70_000n }),
    ]);
  });

  test('that spends the same coins elsewhere makes a confirmed payment vanish', async () => {
    const [miner] = devnet.miners;
    const txid = await miner.pay(at([0, 41]).address, 80_000n);
    await miner.mine(1);
    const { adopted } = await reorgByInvalidation(miner, { depth: 1, transactions: [await conflictOf(miner, txid)] });
    expect(await miner.rpc('getbestblockhash')).toBe(adopted.at(-1));
    expect(await miner.rpc<string[]>('getrawmempool')).not.toContain(txid);
    const onChain = await miner
      .rpc<{ confirmations?: number }>('getrawtransaction', [txid, true])
      .catch(() => ({ confirmations: 0 }));
    expect(onChain.confirmations ?? 0).toBe(0);
  });
});

describe('startBitcoind', () => {
  test('keeps chain, wallet and password over a stop and ends the process it reports', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-bitcoin-'));
    const supervisor = await startSupervisor({ runDir: join(folder, 'run') });
    try {
      const options = { supervisor, name: 'bitcoin', dataDir: join(folder, 'data') };
      const first = await startBitcoind(options);
      expect(await readFile(`/proc/${first.child.pid}/cmdline`, 'utf8')).toContain('bitcoind\0-datadir=');
      const miner = await openMiner(first.rpc);
      const tip = await first.rpc<string>('getbestblockhash');
      await first.stop();
      expect(first.child.running()).toBe(false);

      const second = await startBitcoind(options);
      expect(second.password).toBe(first.password);
      expect(await second.rpc('getbestblockhash')).toBe(tip);
      const again = await openMiner(second.rpc);
      await again.pay(miner.address, 1_000n);
      await expect(bitcoinRpc({ ...second, password: 'wrong' })('getblockcount')).rejects.toMatchObject({
        code: 'node-unavailable',
      });
    } finally {
      await supervisor.stopAll();
      await rm(folder, { recursive: true, force: true });
    }
  });
});
