import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseBitcoinAddress } from '@holdfast/core/chains/bitcoin/address.ts';
import { inspectBitcoinTransaction } from '@holdfast/core/chains/bitcoin/inspect.ts';
import { nobleVerifiers } from '@holdfast/core/signing/noble-verifiers.ts';
import type { SignBitcoinRequest } from '@holdfast/core/signing/messages.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import { hexToBytes } from '@noble/hashes/utils.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { awaitEpoch, epochOf, orderEpoch, sweepRequest } from '../support/rotate-stage.ts';
import { commit, refusedByAll, signBitcoin } from '../support/signer-rounds.ts';
import {
  aliceBitcoin,
  bitcoinNetwork,
  bitcoinRequest,
  bitcoinWithdrawal,
  customer,
  params,
  startStage,
  type SignerStage,
} from '../support/signer-stage.ts';
import { waitFor, type SignerProcess } from '../support/signers.ts';

/** One stage through one rotation, in order. */
let stage: SignerStage;
/** The same signers, with the addresses of epoch 2. */
let later: SignerStage;
let signers: readonly [SignerProcess, SignerProcess, SignerProcess];
/** A payment that was accepted before the rotation, and not signed. */
let pending: SignBitcoinRequest;

beforeAll(async () => {
  stage = await startStage({
    policy: (policy) => {
      policy.delays = { tighten_s: 0, loosen_s: 1 };
    },
  });
  signers = stage.cluster.signers as unknown as typeof signers;
  for (const signer of signers) await addressOf(signer, 1);
  pending = bitcoinRequest(stage, [stage.addCoin([0, 90], 200_000n)], [bitcoinWithdrawal()]);
  await Promise.all(signers.map(commit(pending)));
});
afterAll(async () => stage?.stop());

const addressOf = async (signer: SignerProcess, index: number, epoch?: number) =>
  signer.client.call('/v1/address', { network: bitcoinNetwork, customer, index, ...(epoch && { epoch }) });

test('neither the server nor one administrator starts a key generation', async () => {
  for (const { client } of signers) {
    const step = { network: bitcoinNetwork, session: 'ab'.repeat(16), step: 'start', epoch: 2 };
    await expect(client.call('/v1/mesh/dkg/step' as never, step as never)).rejects.toMatchObject({
      code: 'peer-unknown',
    });
    const alone = orderEpoch(stage.cluster.policy.policy, 2, ['admin-1']);
    await expect(client.call('/v1/policy', alone)).rejects.toMatchObject({ code: 'policy-invalid' });
  }
});

test('with a signer away, or killed while it makes keys, the old ones keep paying; all make the new ones when all are back', async () => {
  const [first, second, third] = signers;
  await third.stop('SIGKILL');
  await second.client.call('/v1/policy', orderEpoch(stage.cluster.policy.policy, 2));
  await waitFor('the order', 20_000, () =>
    first.log.some((line) => line['event'] === 'key-generation-waits' && line['epoch'] === 2),
  );
  await signBitcoin(stage, bitcoinRequest(stage, [stage.addCoin([0, 11], 200_000n)], [bitcoinWithdrawal()]), [
    first,
    second,
  ]);
  expect(await epochOf(first, 2)).toBeNull();
  await third.start();
  // Whatever it had done by then, nothing of it counts or is in the way.
  const folder = join(third.dataDir, 'keys', bitcoinNetwork.replace(':', '-'));
  await waitFor('a share of the new key', 20_000, () => readdirSync(folder).some((name) => name.startsWith('2.')));
  await third.stop('SIGKILL');
  await third.start();
  later = await awaitEpoch(stage, 2);
  for (const { dataDir } of signers) {
    const files = readdirSync(join(dataDir, 'keys', bitcoinNetwork.replace(':', '-')));
    expect(files.sort()).toEqual(['1.sealed', '2.sealed']);
  }
});

test('all signers report one record of the new key, signed by each', async () => {
  const [wallet, ...others] = await Promise.all(signers.map(async (signer) => epochOf(signer, 2)));
  expect(others).toEqual([wallet, wallet]);
  expect(wallet?.group_key).not.toBe(stage.wallet.group_key);
  for (const { id, card } of signers) {
    const said = wallet?.record?.signatures.find(({ signer }) => signer === id);
    const digest = statementDigest('key', wallet?.record?.statement);
    expect(nobleVerifiers.ed25519(hexToBytes(card.statement_key), digest, said?.signature ?? '')).toBe(true);
  }
});

describe('once the new keys are there', () => {
  test('the old ones pay nobody, not even with change to themselves', async () => {
    const [first] = signers;
    const request = bitcoinRequest(stage, [stage.addCoin([0, 12], 200_000n)], [bitcoinWithdrawal()]);
    await refusedByAll(stage, commit(request), 'key-superseded');
    // Nor when the server calls their coins the new ones'.
    await refusedByAll(stage, commit({ ...request, change: [], epoch: 2 }), 'output-unaccounted');
    expect((await commit(pending)(first)).session).toEqual(expect.any(String));
  });

  test('what was accepted before is finished, byte for byte', async () => {
    await signBitcoin(stage, pending, signers.slice(1));
    const bumped = { ...pending, raw_tx: raiseFee(pending.raw_tx) };
    await refusedByAll(stage, commit(bumped), 'key-superseded');
  });

  test('addresses are handed out below the new keys; the old ones stay what they are', async () => {
    for (const signer of signers) {
      expect((await addressOf(signer, 2, 2)).address).toBe(later.derive([0, 2]).address);
      expect((await addressOf(signer, 1)).address).toBe(stage.derive([0, 1]).address);
      await expect(addressOf(signer, 3)).rejects.toMatchObject({ code: 'key-superseded' });
      await expect(addressOf(signer, 3, 3)).rejects.toMatchObject({ code: 'key-missing' });
      await expect(addressOf(signer, 1, 2)).rejects.toMatchObject({ code: 'derivation-mismatch' });
    }
  });

  const stranger = { script: parseBitcoinAddress(aliceBitcoin, params).script };
  test.each<[string, string, () => SignBitcoinRequest]>([
    ['to a stranger', 'change-not-ours', () => foreign((sats) => [{ ...stranger, amountSats: sats }])],
    [
      'to a stranger, not called its own',
      'sweep-refused',
      () => ({ ...foreign((sats) => [{ ...stranger, amountSats: sats }]), change: [] }),
    ],
    [
      'to a stranger beside its own',
      'sweep-refused',
      () => ({
        ...foreign((sats) => [
          { script: later.derive([1, 5]).script, amountSats: sats - 9_000n },
          { ...stranger, amountSats: 9_000n },
        ]),
        change: [{ output: 0, index: 5 }],
      }),
    ],
    [
      'to an old address of its own',
      'change-not-ours',
      () => foreign((amountSats) => [{ script: stage.derive([1, 5]).script, amountSats }]),
    ],
    ['to the epoch that it comes from', 'sweep-refused', () => ({ ...sweep(later), epoch: 2 })],
    ['from the old to the old', 'sweep-refused', () => ({ ...sweep(stage), sweep: 1 })],
    ['to keys that nobody has made', 'key-missing', () => ({ ...sweep(later), sweep: 3 })],
    ['of coins of the new keys', 'input-not-ours', () => sweepRequest([later.addCoin([0, 40], 100_000n)], later)],
    ['with an intent', 'sweep-refused', () => ({ ...sweep(later), intents: [bitcoinWithdrawal()] })],
    ['that is an evacuation as well', 'evacuation-refused', () => ({ ...sweep(later), evacuation: true })],
    ['above the ceiling of fees', 'fee-too-high', () => sweep(later, 60_000n)],
  ])('no signer sweeps %s', async (_name, code, make) => {
    await refusedByAll(stage, commit(make()), code);
  });

  test('a quorum sweeps old coins to the new keys, which then pay', async () => {
    const coins = [stage.addCoin([0, 50], 70_000n), stage.addCoin([1, 51], 90_000n)];
    await signBitcoin(stage, sweepRequest(coins, later), signers.slice(0, 2));
    const swept = later.addCoin([1, 5], 159_000n);
    const payment = { ...bitcoinRequest(later, [swept], [bitcoinWithdrawal()]), epoch: 2 };
    await signBitcoin(later, payment, signers.slice(1));
  });

  test('old coins are evacuated to cold as ever', async () => {
    const [bitcoin] = stage.cluster.policy.policy.networks.filter(({ network }) => network === bitcoinNetwork);
    const script = parseBitcoinAddress(bitcoin?.cold_addresses[0] ?? '', params).script;
    const { epoch: _epoch, sweep: _sweep, ...request } = foreign((amountSats) => [{ script, amountSats }]);
    await signBitcoin(stage, { ...request, change: [], evacuation: true }, signers.slice(0, 2));
  });

  test('after a restart of all, the same holds', async () => {
    await Promise.all(signers.map(async (signer) => signer.stop('SIGKILL')));
    await Promise.all(signers.map(async (signer) => signer.start()));
    await awaitEpoch(stage, 2);
    const coin = stage.addCoin([0, 60], 200_000n);
    await refusedByAll(stage, commit(bitcoinRequest(stage, [coin], [bitcoinWithdrawal()])), 'key-superseded');
    await signBitcoin(stage, sweepRequest([coin], later), signers.slice(1));
  });

  test('a version that takes the epoch back undoes nothing, and one that skips an epoch orders nothing', async () => {
    let policy = orderEpoch(stage.cluster.policy.policy, 2).policy;
    for (const epoch of [undefined, 4]) {
      const signed = orderEpoch(policy, epoch);
      ({ policy } = signed);
      await signers[0].client.call('/v1/policy', signed);
      await waitFor(`version ${policy.version}`, 20_000, async () => {
        const all = await Promise.all(signers.map(async ({ client }) => client.call('/v1/status', {})));
        return all.every((status) => status.policy.version === policy.version);
      });
      const wallets = (await signers[0].client.call('/v1/status', {})).frost_wallets;
      expect(wallets.map((wallet) => wallet.epoch)).toEqual([1, 2]);
    }
  });
});

let nextIndex = 100;
function sweep(to: SignerStage, feeSats?: bigint): SignBitcoinRequest {
  nextIndex += 1;
  const coin = stage.addCoin([0, nextIndex], 200_000n);
  return sweepRequest([coin], to, feeSats === undefined ? {} : { feeSats });
}

function foreign(outputs: (sats: bigint) => { script: string; amountSats: bigint }[]): SignBitcoinRequest {
  nextIndex += 1;
  return sweepRequest([stage.addCoin([0, nextIndex], 200_000n)], later, { outputs });
}

/** Takes 256 sats from the change. */
function raiseFee(rawTx: string): string {
  const output = inspectBitcoinTransaction(rawTx).outputs.at(-1);
  const amountOf = (sats: bigint): string => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(sats);
    return `${bytes.toString('hex')}${((output?.script.length ?? 0) / 2).toString(16).padStart(2, '0')}${output?.script ?? ''}`;
  };
  const sats = output?.amountSats ?? 0n;
  return rawTx.replace(amountOf(sats), amountOf(sats - 256n));
}
