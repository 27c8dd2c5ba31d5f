import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ed25519 } from '@noble/curves/ed25519.js';
import { inspectBitcoinTransaction } from '@holdfast/core/chains/bitcoin/inspect.ts';
import type { FrostSecret } from '@noble/curves/abstract/frost.js';
import type { BitcoinNetwork } from '@holdfast/signer/config.ts';
import { createJournalFile, openJournal, type Journal } from '@holdfast/signer/journal/journal.ts';
import { frostKey, type FrostKey } from '@holdfast/signer/keys/frost-key.ts';
import { createSigningSessions } from '@holdfast/signer/keys/signing-sessions.ts';
import { walletChildren } from '@holdfast/signer/keys/wallet-children.ts';
import { createRpc } from '@holdfast/signer/nodes/json-rpc.ts';
import { createBitcoinWallet, type BitcoinWallet } from '@holdfast/signer/wallets/bitcoin-wallet.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { generateKeys } from '../support/frost.ts';
import {
  bitcoinNetwork,
  bitcoinRequest,
  bitcoinWithdrawal,
  btcAsset,
  coldKeys,
  integratorSecret,
  withdrawal,
  type SignerStage,
  type StageCoin,
} from '../support/signer-stage.ts';
import { startStubNode, type StubNode } from '../support/stub-nodes.ts';

/** One signer's Bitcoin wallet in this process. */
const generated = generateKeys();
const key: FrostKey = frostKey(
  bitcoinNetwork,
  'ab'.repeat(16),
  { public: generated.frostPublic, secret: generated.secrets[0] as FrostSecret },
  new Uint8Array(32),
);
const config: BitcoinNetwork = {
  network: bitcoinNetwork,
  family: 'bitcoin',
  rpc_urls: ['http://127.0.0.1/'],
  burial_endpoints_min: 2,
  cold_keys: [...coldKeys],
  asset: btcAsset,
  per_transaction_max: '1000000000',
  per_day_max: '100000000000',
  fee_rate_max_sat_vb: 100,
  fee_max_sats: '2000',
  min_confirmations: 1,
};
const children = walletChildren(config, key);
const stage = { derive: children.address } as unknown as SignerStage;
let folder: string;
let journal: Journal;
let node: StubNode;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-bitcoin-'));
  createJournalFile(join(folder, 'journal.jsonl'), 'signer-1', Date.now());
  journal = await openJournal(join(folder, 'journal.jsonl'), Date.now, () => performance.now());
  node = await startStubNode();
});
afterEach(async () => {
  await Promise.all([journal.close(), node.stop()]);
  rmSync(folder, { recursive: true });
});

function wallet(change: Partial<BitcoinNetwork> = {}): BitcoinWallet {
  const keys = new Map([['exchange', ed25519.getPublicKey(integratorSecret)]]);
  const deps = { journal, keys, clock: Date.now, expiryAheadMsMax: 86_400_000 };
  const endpoints = node.urls.map((url) => createRpc(url, 5_000));
  return createBitcoinWallet(
    { ...config, ...change },
    () => key,
    createSigningSessions(() => 0),
    endpoints,
    deps,
  );
}

let nextIndex = 0;
function coin(): StageCoin {
  const path = [0, (nextIndex += 1)] as const;
  const one = { txid: randomBytes(32).toString('hex'), vout: 1, amountSats: 200_000n, path };
  node.coins.set(`${one.txid}:1`, {
    amountSats: one.amountSats,
    script: children.address(path).script,
    confirmations: 6,
  });
  return one;
}

/** A transaction of 154 vB. */
const paying = (coins: StageCoin[], intents = [bitcoinWithdrawal()], feeRateSatVb = 12) =>
  bitcoinRequest(stage, coins, intents, { feeRateSatVb });

test('fees of a day are bounded, a replacement pays again, and the same bytes do not', async () => {
  const signer = wallet({ fee_per_day_max_sats: '4800' });
  const [spent, intents] = [coin(), [bitcoinWithdrawal()]];
  const first = paying([spent], intents);
  await signer.commit(first);
  await signer.commit(first);
  await signer.commit(paying([spent], intents, 11));
  await expect(signer.commit(paying([coin()]))).rejects.toMatchObject({
    code: 'limit-exceeded',
    message: expect.stringMatching(/fee/),
  });
  await signer.commit(paying([coin()], [bitcoinWithdrawal()], 5));
});

test('without a limit in the config the fees of a day are twenty of the highest', async () => {
  const signer = wallet({ fee_max_sats: '1000' });
  for (let at = 0; at < 20; at += 1) await signer.commit(paying([coin()], [bitcoinWithdrawal()], 6));
  const over = async (): Promise<void> => {
    for (let at = 0; at < 5; at += 1) await signer.commit(paying([coin()], [bitcoinWithdrawal()], 6));
  };
  await expect(over()).rejects.toMatchObject({ code: 'limit-exceeded', message: expect.stringMatching(/over 20000/) });
});

test('asks no node before the evidence holds and the inputs are counted', async () => {
  const signer = wallet();
  const forged = bitcoinWithdrawal();
  const request = paying([coin()], [{ ...forged, authorization: withdrawal().authorization }]);
  await expect(signer.commit(request)).rejects.toMatchObject({ code: 'authorization-invalid' });
  const paths = { ...paying([coin()]), input_paths: [[0, 1] as [number, number], [0, 2] as [number, number]] };
  await expect(signer.commit(paths)).rejects.toMatchObject({ code: 'input-not-ours' });
  expect(node.asked).toEqual([]);
});

test('signs again with other coins once a rival is final on all endpoints, and not on the word of one', async () => {
  const signer = wallet();
  const [spent, intents] = [coin(), [bitcoinWithdrawal()]];
  await signer.commit(paying([spent], intents));
  const rival = paying([spent], [bitcoinWithdrawal({ amount: '60000' })]);
  await signer.commit(rival);
  const { txid } = inspectBitcoinTransaction(rival.raw_tx);
  const again = paying([coin()], intents);
  const lie = (method: string, truth: unknown) => (method === 'getrawtransaction' ? { txid, confirmations: 6 } : truth);
  node.lie = lie;
  await expect(signer.commit(again)).rejects.toMatchObject({ code: 'already-paid-by' });
  node.confirmed.set(txid, 5);
  node.lie = null;
  await expect(signer.commit(again)).rejects.toMatchObject({ code: 'already-paid-by' });
  node.confirmed.set(txid, 6);
  await expect(wallet({ burial_endpoints_min: 3 }).commit(again)).rejects.toMatchObject({ code: 'already-paid-by' });
  await signer.commit(again);
});
