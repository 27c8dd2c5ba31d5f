import { encodeUnsigned } from '@holdfast/core/chains/bitcoin/build.ts';
import { parseBitcoinAddress } from '@holdfast/core/chains/bitcoin/address.ts';
import { buildWithdrawalBatch } from '@holdfast/core/chains/evm/build.ts';
import { baseUnits } from '@holdfast/core/money/base-units.ts';
import type { SignBitcoinRequest, SignEvmRequest } from '@holdfast/core/signing/messages.ts';
import { bytesToHex } from '@noble/hashes/utils.js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { commit, refusedByAll, signBitcoin, signEvm } from '../support/signer-rounds.ts';
import {
  alice,
  aliceBitcoin,
  bitcoinNetwork,
  bitcoinRequest,
  bitcoinWithdrawal,
  evmNetwork,
  multiSend,
  params,
  startStage,
  withdrawal,
  type SignerStage,
  type StageCoin,
} from '../support/signer-stage.ts';
import type { SignerProcess } from '../support/signers.ts';

let stage: SignerStage;
let signers: readonly [SignerProcess, SignerProcess, SignerProcess];
let coldScript = '';
let coldAddress = '';
let nextIndex = 100;
const rule = { floor_bps: 50, target_bps: 100, ceiling_bps: 200, skims_per_day_max: 2 };

beforeAll(async () => {
  stage = await startStage({
    policy: (policy) => {
      for (const network of policy.networks) {
        if (network.family === 'bitcoin') {
          network.hot = { ...rule, skim_min: '60000' };
          coldScript = parseBitcoinAddress(network.cold_addresses[0]!, params).script;
        } else {
          coldAddress = network.cold_addresses[0]!;
          for (const asset of network.assets) asset.hot = { ...rule, skim_min: '1000' };
        }
      }
    },
  });
  signers = stage.cluster.signers as unknown as typeof signers;
});
afterAll(async () => stage?.stop());

const coin = (): StageCoin => stage.addCoin([0, nextIndex++], 100_000n);
const change = (): string => stage.derive([1, 7]).script;

/** 70,000 sats to cold and the rest, less the fee, to own change; `outputs` replaces both. */
function skim(
  from: readonly StageCoin[],
  other: { readonly feeSats?: bigint; readonly outputs?: readonly (readonly [string, bigint])[] } = {},
): SignBitcoinRequest {
  const leftSats = from.reduce((sum, { amountSats }) => sum + amountSats, 0n) - 70_000n - (other.feeSats ?? 600n);
  const outputs = other.outputs ?? [
    [coldScript, 70_000n],
    [change(), leftSats],
  ];
  return {
    network: bitcoinNetwork,
    raw_tx: bytesToHex(
      encodeUnsigned(
        from,
        outputs.map(([script, amountSats]) => ({ script, amountSats })),
      ),
    ),
    input_paths: from.map(({ path }) => [...path] as [number, number]),
    change: outputs.flatMap(([script], output) => (script === change() ? [{ output, index: 7 }] : [])),
    intents: [],
    skim: true,
  };
}

const aliceScript = parseBitcoinAddress(aliceBitcoin, params).script;

test.each<[string, string, () => SignBitcoinRequest]>([
  ['skims to a stranger', 'skim-refused', () => skim([coin()], { outputs: [[aliceScript, 99_000n]] })],
  [
    'adds a stranger to it',
    'skim-refused',
    () =>
      skim([coin()], {
        outputs: [
          [coldScript, 70_000n],
          [aliceScript, 29_000n],
        ],
      }),
  ],
  [
    'calls the stranger own change',
    'change-not-ours',
    () => ({ ...skim([coin()], { outputs: [[aliceScript, 99_000n]] }), change: [{ output: 0, index: 7 }] }),
  ],
  [
    'takes next to nothing to cold, for the fee',
    'skim-refused',
    () =>
      skim([coin()], {
        outputs: [
          [coldScript, 59_999n],
          [change(), 39_000n],
        ],
      }),
  ],
  ['takes nothing to cold', 'skim-refused', () => skim([coin()], { outputs: [[change(), 99_000n]] })],
  ['burns the rest as a fee', 'fee-too-high', () => skim([coin()], { outputs: [[coldScript, 70_000n]] })],
  [
    'hides a payment in it',
    'skim-refused',
    () => ({ ...bitcoinRequest(stage, [coin()], [bitcoinWithdrawal()]), skim: true }),
  ],
  ['calls it a consolidation too', 'skim-refused', () => ({ ...skim([coin()]), consolidation: true })],
  ['calls it an evacuation too', 'evacuation-refused', () => ({ ...skim([coin()]), evacuation: true })],
])('every signer refuses a server that %s', async (_name, code, make) => {
  await refusedByAll(stage, commit(make()), code);
});

test('coins go to cold without anybody’s evidence, so often as the rule says and no more', async () => {
  expect(await signBitcoin(stage, skim([coin()]), signers.slice(0, 2))).toHaveLength(1);
  // By other signers, and those who did not sign have counted all the same.
  expect(await signBitcoin(stage, skim([coin()]), signers.slice(1))).toHaveLength(1);
  await refusedByAll(stage, commit(skim([coin()])), 'limit-exceeded', /skims/);
  // The customers' payments have not been charged for it.
  const payment = bitcoinRequest(stage, [coin()], [bitcoinWithdrawal({ amount: '50000' })]);
  expect(await signBitcoin(stage, payment, signers.slice(0, 2))).toHaveLength(1);
});

const evmSkim = (to: string, amount: bigint, nonce: bigint): SignEvmRequest => ({
  network: evmNetwork,
  safe_transaction: buildWithdrawalBatch({
    legs: [{ kind: 'native', to, amount: baseUnits(amount) }],
    nonce,
    multiSend,
  }),
  intents: [],
  skim: true,
});

test('on an EVM chain the same holds for the Safe', async () => {
  const nonce = (stage.node.safeNonce += 1n);
  await refusedByAll(stage, signEvm(evmSkim(alice, 5_000n, nonce)), 'skim-refused');
  await refusedByAll(stage, signEvm(evmSkim(coldAddress, 999n, nonce)), 'skim-refused');
  const hidden = { ...evmSkim(alice, 1_000n, nonce), intents: [withdrawal()] };
  await refusedByAll(stage, signEvm(hidden), 'skim-refused');
  for (const amount of [5_000n, 6_000n]) {
    const answers = await Promise.all(signers.slice(0, 2).map(signEvm(evmSkim(coldAddress, amount, nonce))));
    expect(answers).toHaveLength(2);
  }
  await refusedByAll(stage, signEvm(evmSkim(coldAddress, 7_000n, nonce)), 'limit-exceeded', /skims/);
});
