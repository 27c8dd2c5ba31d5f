import { encodeUnsigned } from '@holdfast/core/chains/bitcoin/build.ts';
import type { SignBitcoinRequest } from '@holdfast/core/signing/messages.ts';
import { bytesToHex } from '@noble/hashes/utils.js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { commit, refusedByAll, signBitcoin } from '../support/signer-rounds.ts';
import {
  bitcoinNetwork,
  bitcoinRequest,
  bitcoinWithdrawal,
  startStage,
  type SignerStage,
  type StageCoin,
} from '../support/signer-stage.ts';
import type { SignerProcess } from '../support/signers.ts';

let stage: SignerStage;
let signers: readonly [SignerProcess, SignerProcess, SignerProcess];
let nextIndex = 100;
const rule = { inputs_min: 3, fee_rate_max_sat_vb: 8 };

beforeAll(async () => {
  stage = await startStage({
    policy: (policy) => {
      for (const network of policy.networks) if (network.family === 'bitcoin') network.consolidation = rule;
    },
  });
  signers = stage.cluster.signers as unknown as typeof signers;
});
afterAll(async () => stage?.stop());

const coins = (count: number): StageCoin[] =>
  Array.from({ length: count }, () => stage.addCoin([0, nextIndex++], 20_000n));

/** All of the coins to one change address of the same keys, less the fee. */
function consolidation(
  from: readonly StageCoin[],
  other: { readonly feeSats?: bigint; readonly outputs?: (leftSats: bigint) => [string, bigint][] } = {},
): SignBitcoinRequest {
  const leftSats = from.reduce((sum, { amountSats }) => sum + amountSats, 0n) - (other.feeSats ?? 600n);
  const outputs = other.outputs?.(leftSats) ?? [[stage.derive([1, 7]).script, leftSats]];
  return {
    network: bitcoinNetwork,
    raw_tx: bytesToHex(
      encodeUnsigned(
        from,
        outputs.map(([script, amountSats]) => ({ script, amountSats })),
      ),
    ),
    input_paths: from.map(({ path }) => [...path] as [number, number]),
    change: outputs.map((_, output) => ({ output, index: 7 })),
    intents: [],
    consolidation: true,
  };
}

test('many coins become one, and the very coins cannot be asked for again', async () => {
  const from = coins(3);
  const [, second, third] = signers;
  const signatures = await signBitcoin(stage, consolidation(from), [second, third]);
  expect(signatures).toHaveLength(3);
});

test.each<[string, string, () => SignBitcoinRequest]>([
  ['makes two coins into one', 'consolidation-refused', () => consolidation(coins(2))],
  [
    'makes them into two',
    'consolidation-refused',
    () =>
      consolidation(coins(3), {
        outputs: (left) => [
          [stage.derive([1, 7]).script, left / 2n],
          [stage.derive([1, 7]).script, left / 2n],
        ],
      }),
  ],
  [
    'sends them to a stranger',
    'change-not-ours',
    () => consolidation(coins(3), { outputs: (left) => [[`0014${'ab'.repeat(20)}`, left]] }),
  ],
  [
    'calls a stranger’s output no change',
    'consolidation-refused',
    () => ({ ...consolidation(coins(3), { outputs: (left) => [[`0014${'ab'.repeat(20)}`, left]] }), change: [] }),
  ],
  ['pays more than the rule’s rate', 'consolidation-refused', () => consolidation(coins(3), { feeSats: 2_500n })],
  [
    'hides a payment in it',
    'consolidation-refused',
    () => ({ ...bitcoinRequest(stage, coins(3), [bitcoinWithdrawal()]), consolidation: true }),
  ],
  ['calls it a sweep too', 'consolidation-refused', () => ({ ...consolidation(coins(3)), sweep: 1 })],
  ['calls it an evacuation too', 'evacuation-refused', () => ({ ...consolidation(coins(3)), evacuation: true })],
])('every signer refuses a server that %s', async (_name, code, make) => {
  await refusedByAll(stage, commit(make()), code);
});

test('a payment that is under way excludes it only as each excludes the other', async () => {
  const from = coins(3);
  const payment = bitcoinRequest(stage, [from[0]!], [bitcoinWithdrawal({ amount: '15000' })]);
  await signBitcoin(stage, payment, signers.slice(0, 2));
  // Either may confirm, and then the other never does: the customer's digest stays bound to the payment's coin.
  await signBitcoin(stage, consolidation(from), signers.slice(1));
  const again = { ...bitcoinRequest(stage, coins(1), payment.intents) };
  await refusedByAll(stage, commit(again), 'already-paid-by');
});
