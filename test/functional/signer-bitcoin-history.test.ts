import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspectBitcoinTransaction } from '@holdfast/core/chains/bitcoin/inspect.ts';
import type { BitcoinNetworkPolicy } from '@holdfast/core/policy/policy.ts';
import type { FrostSecret } from '@noble/curves/abstract/frost.js';
import { frostKey, type FrostKey } from '@holdfast/signer/keys/frost-key.ts';
import { createSigningSessions } from '@holdfast/signer/keys/signing-sessions.ts';
import { walletChildren } from '@holdfast/signer/keys/wallet-children.ts';
import { createRpc } from '@holdfast/signer/nodes/json-rpc.ts';
import { createBitcoinWallet, type BitcoinWallet } from '@holdfast/signer/wallets/bitcoin-wallet.ts';
import { createShareDesk } from '@holdfast/signer/wallets/release-shares.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { generateKeys } from '../support/frost.ts';
import { type LoneSigner, openLoneSigner } from '../support/lone-signer.ts';
import {
  alice,
  bitcoinNetwork,
  bitcoinRequest,
  bitcoinWithdrawal,
  stagePolicy,
  withdrawal,
  type SignerStage,
  type StageCoin,
} from '../support/signer-stage.ts';
import { startStubNode, type StubNode } from '../support/stub-nodes.ts';

/** One signer's Bitcoin wallet in this process. */
const generated = generateKeys();
const key: FrostKey = frostKey(
  { network: bitcoinNetwork, epoch: 1, session: 'ab'.repeat(16) },
  { public: generated.frostPublic, secret: generated.secrets[0] as FrostSecret },
  new Uint8Array(32),
);
const config: BitcoinNetworkPolicy = {
  ...(stagePolicy([alice]).networks[1] as BitcoinNetworkPolicy),
  fee_max_sats: '2000',
  fee_per_day_max_sats: '40000',
};
const children = walletChildren(config, key);
const stage = { derive: children.address } as unknown as SignerStage;
let folder: string;
let lone: LoneSigner;
let node: StubNode;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-bitcoin-'));
  lone = await openLoneSigner(folder);
  node = await startStubNode();
});
afterEach(async () => {
  await Promise.all([lone.close(), node.stop()]);
  rmSync(folder, { recursive: true });
});

function wallet(change: Partial<BitcoinNetworkPolicy> = {}): BitcoinWallet {
  const policy = stagePolicy([alice]);
  policy.networks = [{ ...config, ...change }];
  const deps = lone.deps(policy);
  const sessions = createSigningSessions(() => 0);
  return createBitcoinWallet(
    bitcoinNetwork,
    { active: () => key, at: () => key },
    node.urls.map((url) => createRpc(url, 5_000)),
    sessions,
    createShareDesk(sessions, deps),
    deps,
  );
}

let nextIndex = 0;
function coin(): StageCoin {
  const path = [0, (nextIndex += 1)] as const;
  const amountSats = 200_000n;
  return { ...node.addCoin({ amountSats, script: children.address(path).script }), amountSats, path };
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
