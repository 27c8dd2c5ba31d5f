import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bytesToHex, hexToBytes, randomBytes } from '@noble/hashes/utils.js';
import { deriveWalletAddress, type BitcoinWallet } from '@holdfast/core/chains/bitcoin/derive-address.ts';
import { bitcoinParams } from '@holdfast/core/chains/bitcoin/params.ts';
import { parseBitcoinTransaction } from '@holdfast/core/chains/bitcoin/parse-transaction.ts';
import type { FinishedRequest } from '@holdfast/core/cold/combine-partials.ts';
import type { ColdSetup } from '@holdfast/core/cold/setup.ts';
import type { KeyPath } from '@holdfast/core/keys/derive-child.ts';
import { type Miner, openMiner } from '@holdfast/devnet/bitcoin/miner.ts';
import { type BitcoinNode, startBitcoind } from '@holdfast/devnet/bitcoin/start.ts';
import { devnetKeys } from '@holdfast/devnet/evm/accounts.ts';
import type { EvmDeployment } from '@holdfast/devnet/evm/deploy-vault.ts';
import { waitForReceipt } from '@holdfast/devnet/evm/json-rpc.ts';
import { mintAndSendUsdt, sendEth } from '@holdfast/devnet/evm/payments.ts';
import { sendAndWait } from '@holdfast/devnet/evm/send-transaction.ts';
import { type AnvilNode, startAnvil } from '@holdfast/devnet/evm/start-anvil.ts';
import { startSupervisor, type Supervisor } from '@holdfast/devnet/processes.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { balanceWei, deployTestVault, safeNonce, tokenBalance } from '../support/anvil.ts';
import { codeOf, type Custodians, isolation, startCustodians } from '../support/custodians.ts';
import { generateKeys } from '../support/frost.ts';

const network = 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328';
const params = bitcoinParams(network);

let custodians: Custodians;
let setup: ColdSetup;
let supervisor: Supervisor;
let bitcoind: BitcoinNode;
let miner: Miner;
let anvil: AnvilNode;
let vault: EvmDeployment;
let hot: BitcoinWallet;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-cold-refill-'));
  supervisor = await startSupervisor({ runDir: join(folder, 'run') });
  [custodians, bitcoind, anvil] = await Promise.all([
    startCustodians(),
    startBitcoind({ supervisor, name: 'bitcoin', dataDir: join(folder, 'bitcoin') }),
    startAnvil(),
  ]);
  const { cards } = custodians;
  const coldOwners = cards.map(({ evm }) => evm);
  miner = await openMiner(bitcoind.rpc);
  vault = await deployTestVault(anvil.url, { coldOwners, coldThreshold: 3, governanceOwners: coldOwners });
  hot = {
    groupKey: generateKeys().frostPublic.commitments[0] as Uint8Array,
    chainCode: randomBytes(32),
    coldKeys: cards.map(({ bitcoin }) => hexToBytes(bitcoin.slice(2))),
  };
  setup = await custodians.holdCeremony({
    bitcoin: {
      network,
      hot: { group_key: bytesToHex(hot.groupKey), chain_code: bytesToHex(hot.chainCode) },
      fee_max_sats: '50000',
      fee_rate_max_sat_vb: 100,
    },
    evm: [
      {
        network: 'eip155:31337',
        coin: 'ETH',
        cold_safe: vault.coldSafe,
        hot_safe: vault.safe,
        tokens: [{ contract: vault.usdt, code: 'USDT', decimals: 6 }],
        contracts: [{ kind: 'vault-registry', address: vault.registry }],
      },
    ],
  });
});
afterAll(async () => {
  await anvil?.stop();
  await supervisor?.stopAll();
  custodians?.end();
  await rm(folder, { recursive: true, force: true });
});

const hotAt = (path: KeyPath) => deriveWalletAddress(hot, path, params);

/** Pays an address, mines it, and gives the coin as a draft names it. */
async function coinAt(address: string, script: string, amountSats: bigint): Promise<{ raw: string; vout: number }> {
  const txid = await miner.pay(address, amountSats);
  await miner.mine(1);
  const raw = await bitcoind.rpc<string>('getrawtransaction', [txid]);
  return { raw, vout: parseBitcoinTransaction(raw).outputs.findIndex((output) => output.script === script) };
}

async function coldCoin(amountSats: bigint): Promise<{ raw: string; vout: number }> {
  const address = setup.bitcoin?.cold_address ?? '';
  const { scriptPubKey } = await bitcoind.rpc<{ scriptPubKey: string }>('validateaddress', [address]);
  return coinAt(address, scriptPubKey, amountSats);
}

/** Sends and mines. @returns what the node says of output 0. */
async function confirm(finished: FinishedRequest): Promise<{ confirmations: number; value: number; address: string }> {
  if (finished.family !== 'bitcoin') throw new Error('not of Bitcoin');
  const [verdict] = await bitcoind.rpc<[{ allowed: boolean }]>('testmempoolaccept', [[finished.raw]]);
  expect(verdict).toMatchObject({ allowed: true });
  expect(await bitcoind.rpc<string>('sendrawtransaction', [finished.raw])).toBe(finished.txid);
  await miner.mine(1);
  const output = await bitcoind.rpc<{ confirmations: number; value: number; scriptPubKey: { address: string } }>(
    'gettxout',
    [finished.txid, 0],
  );
  return { confirmations: output.confirmations, value: output.value, address: output.scriptPubKey.address };
}

test('custodians have no network: neither an interface nor a way to a node of this machine', () => {
  const port = new URL(anvil.url).port;
  const script = `require('net').connect(${port},'127.0.0.1').on('connect',()=>process.exit(0)).on('error',(e)=>{console.log(e.code);process.exit(9)})`;
  // With the network the node answers, so the refusal below is the network's.
  execFileSync(process.execPath, ['-e', script]);
  let said = '';
  try {
    execFileSync('unshare', [...isolation(), process.execPath, '-e', script], { encoding: 'utf8' });
  } catch (error) {
    said = (error as { stdout: string }).stdout.trim();
  }
  expect(said).toMatch(/^(ENETUNREACH|ECONNREFUSED|EADDRNOTAVAIL)$/);
  expect(() =>
    execFileSync(process.execPath, ['--import', new URL('../support/no-network.ts', import.meta.url).href, '-e', ''], {
      stdio: 'ignore',
    }),
  ).toThrow('Command failed');
});

describe('Bitcoin', () => {
  test('a refill by three custodians of five reaches the hot wallet', async () => {
    const coins = [await coldCoin(60_000_000n), await coldCoin(50_000_000n)];
    const draft = { network, coins, amount_sats: '100000000', hot_index: 4, fee_rate_sat_vb: 10 };
    const digest = await custodians.request('refill', 'refill', draft);
    const shown = await custodians.offline('show', custodians.path('refill'), '--keys', custodians.path('ben'));
    expect(JSON.parse(shown.out)).toMatchObject({ digest });
    const finished = await custodians.finish('refill', digest);
    const { address } = hotAt([1, 4]);
    expect(await confirm(finished)).toEqual({ confirmations: 1, value: 1, address });
  });

  test('any three of the five are enough, and the request travels by QR frames', async () => {
    const draft = {
      network,
      coins: [await coldCoin(20_000_000n)],
      amount_sats: '10000000',
      hot_index: 5,
      fee_rate_sat_vb: 2,
    };
    const digest = await custodians.request('refill', 'carried', draft);
    const { frames } = JSON.parse((await custodians.offline('send', custodians.path('carried'), '--text')).out) as {
      frames: string[];
    };
    expect(frames.length).toBeGreaterThan(1);
    const scanned = custodians.write('frames', [...frames.toReversed(), ...frames.slice(1)].join('\n'));
    expect((await custodians.offline('receive', scanned, '--out', custodians.path('scanned'))).err).toBe('');
    expect(custodians.read('scanned')).toBe(custodians.read('carried'));
    expect(
      codeOf(
        await custodians.offline(
          'receive',
          custodians.write('some', frames.slice(1).join('\n')),
          '--out',
          custodians.path('half'),
        ),
      ),
    ).toBe('cold-frames-missing');
    const finished = await custodians.finish('scanned', digest, ['ben', 'dee', 'eve']);
    expect(await confirm(finished)).toMatchObject({ address: hotAt([1, 5]).address });
  });

  test('a recovery takes hot coins to cold with no signer alive', async () => {
    const paths: [0 | 1, number][] = [
      [0, 11],
      [1, 2],
    ];
    const coins = [];
    for (const path of paths) {
      const { address, script } = hotAt(path);
      coins.push({ ...(await coinAt(address, script, 30_000_000n)), path });
    }
    const digest = await custodians.request('recovery', 'recovery', { network, coins, fee_rate_sat_vb: 5 });
    const finished = await custodians.finish('recovery', digest, ['dee', 'ben', 'ada']);
    const output = await confirm(finished);
    expect(output.address).toBe(setup.bitcoin?.cold_address);
    expect(output.value).toBeGreaterThan(0.599);
  });
});

describe('EVM', () => {
  test('a refill of ether and of a token reaches the hot Safe', async () => {
    const rpcUrl = anvil.url;
    await waitForReceipt(rpcUrl, await sendEth({ rpcUrl, to: vault.coldSafe, amountWei: 5n * 10n ** 18n }));
    await waitForReceipt(
      rpcUrl,
      await mintAndSendUsdt({ rpcUrl, usdt: vault.usdt, to: vault.coldSafe, amount: 9_000_000n }),
    );
    for (const [asset, amount] of [
      ['ETH', 2n * 10n ** 18n],
      ['USDT', 7_500_000n],
    ] as const) {
      const nonce = (await safeNonce(rpcUrl, vault.coldSafe)).toString();
      const digest = await custodians.request('refill', `refill-${asset}`, {
        network: 'eip155:31337',
        asset,
        amount: amount.toString(),
        nonce,
      });
      const finished = await custodians.finish(`refill-${asset}`, digest, ['eve', 'ben', 'cyd']);
      if (finished.family !== 'evm') throw new Error('not of EVM');
      await sendAndWait({ rpcUrl, key: devnetKeys.spare, to: finished.to, data: finished.data });
      const arrived =
        asset === 'ETH' ? await balanceWei(rpcUrl, vault.safe) : await tokenBalance(rpcUrl, vault.usdt, vault.safe);
      expect(arrived).toBe(amount);
    }
  });
});

test('two custodians, a stranger or an altered file move nothing and leave nothing', async () => {
  const draft = {
    network,
    coins: [await coldCoin(20_000_000n)],
    amount_sats: '10000000',
    hot_index: 6,
    fee_rate_sat_vb: 2,
  };
  const digest = await custodians.request('refill', 'late', draft);
  await Promise.all((['ada', 'ben'] as const).map((name) => custodians.sign(name, 'late', digest)));
  expect(codeOf(await custodians.combine('late', ['late.ada', 'late.ben']))).toBe('cold-partials-too-few');
  expect(codeOf(await custodians.combine('late', ['late.ada', 'late.ben', 'late.ben']))).toBe('cold-partial-duplicate');
  const stranger = custodians.read('late.ben').replace('"custodian":"ben"', '"custodian":"cyd"');
  custodians.write('late.cyd', stranger);
  expect(codeOf(await custodians.combine('late', ['late.ada', 'late.ben', 'late.cyd']))).toBe('cold-partial-invalid');
  const altered = custodians.read('late').replace(/"paths":\[\[1,6\]\]/, '"paths":[[1,7]]');
  custodians.write('altered', altered);
  expect(codeOf(await custodians.sign('dee', 'altered', digest))).toBe('output-unaccounted');
  expect(() => custodians.read('late.done')).toThrow('ENOENT');
  expect(() => custodians.read('altered.dee')).toThrow('ENOENT');
});
