import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AuthorizedIntent } from '@holdfast/core/signing/intent.ts';
import type { SignBitcoinRequest } from '@holdfast/core/signing/messages.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { commit, refusedByAll } from '../support/signer-rounds.ts';
import {
  aliceBitcoin,
  bitcoinRequest,
  bitcoinWithdrawal,
  btcAsset,
  ethAsset,
  startStage,
  withdrawal,
  type SignerStage,
  type StageCoin,
} from '../support/signer-stage.ts';

let stage: SignerStage;

beforeAll(async () => {
  stage = await startStage();
});
afterAll(async () => stage?.stop());

/** Every test pays with a coin of its own. */
let nextIndex = 10;
function coin(amountSats = 200_000n): StageCoin {
  nextIndex += 1;
  return stage.addCoin([0, nextIndex], amountSats);
}

test.each<[string, string, () => SignBitcoinRequest]>([
  [
    'swaps an output',
    'payment-mismatch',
    () =>
      swapIntents(bitcoinRequest(stage, [coin()], [bitcoinWithdrawal({ destination: otherAddress() })]), [
        bitcoinWithdrawal(),
      ]),
  ],
  [
    'changes an amount',
    'payment-mismatch',
    () => swapIntents(bitcoinRequest(stage, [coin()], [bitcoinWithdrawal({ amount: '50001' })]), [bitcoinWithdrawal()]),
  ],
  [
    'adds an output',
    'output-unaccounted',
    () =>
      dropLastIntent(
        bitcoinRequest(stage, [coin()], [bitcoinWithdrawal(), bitcoinWithdrawal({ destination: otherAddress() })]),
      ),
  ],
  ['leaves a payment out', 'payment-missing', () => addIntent(bitcoinRequest(stage, [coin()], [bitcoinWithdrawal()]))],
  [
    'raises the fee rate',
    'fee-too-high',
    () => bitcoinRequest(stage, [coin()], [bitcoinWithdrawal()], { feeRateSatVb: 101 }),
  ],
  [
    'burns the change as a fee',
    'fee-too-high',
    () => bitcoinRequest(stage, [coin()], [bitcoinWithdrawal()], { feeRateSatVb: 900 }),
  ],
  [
    'changes the change address',
    'change-not-ours',
    () => bitcoinRequest(stage, [coin()], [bitcoinWithdrawal()], { changeScript: `0014${'ab'.repeat(20)}` }),
  ],
  [
    'names another change index',
    'change-not-ours',
    () => rename(bitcoinRequest(stage, [coin()], [bitcoinWithdrawal()])),
  ],
  [
    'hides a stranger’s output behind the change',
    'output-unaccounted',
    () => ({
      ...bitcoinRequest(stage, [coin()], [bitcoinWithdrawal()], { changeScript: `0014${'ab'.repeat(20)}` }),
      change: [],
    }),
  ],
  [
    'spends an unknown coin',
    'input-not-ours',
    () => bitcoinRequest(stage, [{ ...coin(), txid: 'ee'.repeat(32) }], [bitcoinWithdrawal()]),
  ],
  [
    'spends a coin of another path',
    'input-not-ours',
    () => ({ ...bitcoinRequest(stage, [coin()], [bitcoinWithdrawal()]), input_paths: [[0, 3]] }),
  ],
  [
    'spends an unconfirmed coin',
    'input-not-ours',
    () => bitcoinRequest(stage, [confirmations(coin(), 0)], [bitcoinWithdrawal()]),
  ],
  [
    'brings an expired intent',
    'intent-expired',
    () => bitcoinRequest(stage, [coin()], [bitcoinWithdrawal({ expires_at: '2020-01-01T00:00:00.000Z' })]),
  ],
  ['brings evidence of another key', 'authorization-invalid', () => bitcoinRequest(stage, [coin()], [forged()])],
  ['cuts a byte off', 'transaction-malformed', () => cutByte(bitcoinRequest(stage, [coin()], [bitcoinWithdrawal()]))],
  [
    'sets a lock time above the tip',
    'transaction-malformed',
    () => lockTime(bitcoinRequest(stage, [coin()], [bitcoinWithdrawal()])),
  ],
  [
    'makes it irreplaceable',
    'transaction-malformed',
    () => irreplaceable(bitcoinRequest(stage, [coin()], [bitcoinWithdrawal()])),
  ],
  [
    'makes many coins into one, which its policy does not know',
    'consolidation-refused',
    () => ({ ...bitcoinRequest(stage, [coin(), coin()], []), consolidation: true }),
  ],
])('every signer refuses a server that %s', async (_name, code, make) => {
  await refusedByAll(stage, commit(make()), code);
});

test('logs and journals hold no secret, and refusals are journalled', () => {
  for (const signer of stage.cluster.signers) {
    const journal = readFileSync(join(signer.dataDir, 'journal.jsonl'), 'utf8');
    expect(journal).toContain('"code":"fee-too-high"');
    for (const text of [journal, JSON.stringify(signer.log)])
      expect(text).not.toMatch(/PRIVATE|correct horse|signing_share/);
  }
});

function otherAddress(): string {
  return '2N9hLwkSqr1cPQAPxbrGVUjxyjD11G2e1he';
}

function swapIntents(request: SignBitcoinRequest, intents: AuthorizedIntent[]): SignBitcoinRequest {
  return { ...request, intents };
}

function dropLastIntent(request: SignBitcoinRequest): SignBitcoinRequest {
  return { ...request, intents: request.intents.slice(0, -1) };
}

function addIntent(request: SignBitcoinRequest): SignBitcoinRequest {
  return {
    ...request,
    intents: [...request.intents, bitcoinWithdrawal({ amount: '123', asset: btcAsset, destination: aliceBitcoin })],
  };
}

function rename(request: SignBitcoinRequest): SignBitcoinRequest {
  return { ...request, change: request.change.map((change) => ({ ...change, index: 99 })) };
}

function forged(): AuthorizedIntent {
  const { intent, approvals } = bitcoinWithdrawal();
  return { intent, approvals, authorization: withdrawal({ asset: ethAsset }).authorization };
}

function confirmations(found: StageCoin, count: number): StageCoin {
  const key = `${found.txid}:${found.vout}`;
  const known = stage.node.coins.get(key);
  if (known) stage.node.coins.set(key, { ...known, confirmations: count });
  return found;
}

function cutByte(request: SignBitcoinRequest): SignBitcoinRequest {
  return { ...request, raw_tx: request.raw_tx.slice(0, -2) };
}

function lockTime(request: SignBitcoinRequest): SignBitcoinRequest {
  return { ...request, raw_tx: `${request.raw_tx.slice(0, -8)}c9000000` };
}

function irreplaceable(request: SignBitcoinRequest): SignBitcoinRequest {
  return { ...request, raw_tx: request.raw_tx.replace('fdffffff', 'ffffffff') };
}
