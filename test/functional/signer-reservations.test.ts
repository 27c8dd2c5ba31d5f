import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JournalRecord } from '@holdfast/core/signing/journal-record.ts';
import { policyDigest } from '@holdfast/core/policy/policy.ts';
import { signSamplePolicy } from '@holdfast/core/policy/sample-policy.test-support.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bitcoinRequest, bitcoinWithdrawal, btcAsset, startStage, type SignerStage } from '../support/signer-stage.ts';
import { commit, signBitcoin } from '../support/signer-rounds.ts';
import { waitFor, waitForKeys, type SignerProcess } from '../support/signers.ts';

/** What a signer binds at its peers before anything of its signature leaves, and what it does without them. */
let stage: SignerStage;
let one: SignerProcess;
let two: SignerProcess;
let three: SignerProcess;

const policyDelayS = 6;

beforeAll(async () => {
  stage = await startStage({
    policy: (policy) => {
      policy.delays = { tighten_s: policyDelayS, loosen_s: policyDelayS };
      const bitcoin = policy.networks.find(({ family }) => family === 'bitcoin');
      if (bitcoin?.family === 'bitcoin') bitcoin.degraded_per_day_max = '280000';
    },
  });
  [one, two, three] = stage.cluster.signers as [SignerProcess, SignerProcess, SignerProcess];
});
afterAll(() => stage.stop());

let path = 0;
const coin = () => stage.addCoin([0, (path += 1)], 1_000_000n);
const payment = (intents = [bitcoinWithdrawal()]) => bitcoinRequest(stage, [coin()], intents);

function journalOf(signer: SignerProcess): JournalRecord[] {
  const lines = readFileSync(join(signer.dataDir, 'journal.jsonl'), 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as JournalRecord);
}

async function allReachable(): Promise<void> {
  await waitFor('all signers to see each other', 30_000, async () => {
    const all = await Promise.all(stage.cluster.signers.map((signer) => signer.client.call('/v1/status', {})));
    return all.every((status) => status.peers_reachable === 2 && status.problem === null);
  });
}

test('binds a payment at every signer before its signature leaves, whoever was asked', async () => {
  const request = payment();
  await commit(request)(one);
  for (const signer of [one, two, three]) {
    const accepted = journalOf(signer).filter((record) => record.kind === 'accepted');
    expect(accepted.map((record) => record.body.by)).toContain('signer-1');
  }
  expect(journalOf(two).some((record) => record.kind === 'countersigned' && record.body.signer === 'signer-1')).toBe(
    true,
  );
  expect(journalOf(one).some((record) => record.kind === 'signed')).toBe(false);
});

test('two quorums cannot pay one intent twice, neither one after the other nor at once', async () => {
  const intents = [bitcoinWithdrawal()];
  await commit(payment(intents))(one);
  await expect(commit(payment(intents))(three)).rejects.toMatchObject({ code: 'already-paid-by' });

  for (let round = 0; round < 5; round += 1) {
    const again = [bitcoinWithdrawal()];
    const [first, second] = [payment(again), payment(again)];
    const answers = await Promise.allSettled([commit(first)(one), commit(first)(two), commit(second)(three)]);
    const [a, b, c] = answers.map(({ status }) => status === 'fulfilled');
    expect((a || b) && c, JSON.stringify(answers)).toBe(false);
  }
});

test('every signer knows whose signatures left', async () => {
  const before = journalOf(three).filter((record) => record.kind === 'signed').length;
  await signBitcoin(stage, payment(), [one, two]);
  await waitFor('the notices', 5_000, () => {
    const signed = journalOf(three).filter((record) => record.kind === 'signed');
    return signed.length === before + 2;
  });
});

test('without one signer only the degraded limit leaves; back again, it learns what left', async () => {
  await three.stop();
  const request = payment();
  await signBitcoin(stage, request, [one, two]);
  await signBitcoin(stage, payment(), [one, two]);
  await expect(commit(payment())(one)).rejects.toMatchObject({ code: 'degraded-limit' });

  await three.start();
  await waitFor('transcripts at signer-3', 30_000, () => {
    const known = journalOf(three).filter((record) => record.kind === 'accepted');
    return journalOf(one).filter((record) => record.kind === 'accepted').length === known.length;
  });
  const other = bitcoinRequest(stage, [coin()], request.intents);
  await expect(commit(other)(three)).rejects.toMatchObject({ code: 'already-paid-by' });
  await allReachable();
  await commit(payment())(one);
});

test('below the quorum nothing is signed', async () => {
  await Promise.all([two.stop(), three.stop()]);
  await expect(commit(payment())(one)).rejects.toMatchObject({ code: 'signers-unavailable' });
  await Promise.all([two.start(), three.start()]);
  await allReachable();
});

test('peers of another policy refuse', async () => {
  const { policy } = stage.cluster.policy;
  await Promise.all([two.stop(), three.stop()]);
  const next = structuredClone({ ...policy, version: 2, previous: policyDigest(policy) });
  const bitcoin = next.networks.find((network) => network.family === 'bitcoin');
  if (bitcoin?.family !== 'bitcoin') throw new Error(`no network of ${btcAsset}`);
  bitcoin.fee_max_sats = '40000';
  await one.client.call('/v1/policy', signSamplePolicy(next));
  await waitFor('version 2 at signer-1', 30_000, async () => (await statusOf(one)).policy.version === 2);
  await Promise.all([two.start(), three.start()]);
  await expect(commit(payment())(one)).rejects.toMatchObject({ code: 'policy-differs' });
  await waitFor('version 2 everywhere', 60_000, async () => {
    const all = await Promise.all(stage.cluster.signers.map(statusOf));
    return all.every((status) => status.policy.version === 2);
  });
  await allReachable();
  await commit(payment())(one);
});

test('a signer whose journal was set back refuses everything', async () => {
  const journal = join(one.dataDir, 'journal.jsonl');
  await one.stop();
  copyFileSync(journal, `${journal}.old`);
  await one.start();
  await allReachable();
  await signBitcoin(stage, payment(), [one, two]);
  await signBitcoin(stage, payment(), [one, three]);
  await one.stop();
  copyFileSync(`${journal}.old`, journal);
  await one.start();
  await waitForKeys(
    [one],
    stage.cluster.policy.policy.networks.find(({ family }) => family === 'bitcoin')?.network ?? '',
  );
  await waitFor('the hello of a peer', 20_000, async () => (await statusOf(one)).problem !== null);
  expect((await statusOf(one)).problem).toMatch(/^journal-behind/);
  await expect(commit(payment())(one)).rejects.toMatchObject({ code: 'journal-behind' });
  // For the others it is as good as stopped.
  await expect(commit(payment())(two)).rejects.toMatchObject({ code: 'degraded-limit' });
  for (const signer of stage.cluster.signers) {
    expect((await statusOf(signer)).halts).toEqual([]);
    expect(signer.log.filter(({ event, alarm }) => event === 'alarm' && alarm !== 'journal-behind')).toEqual([]);
  }
});

async function statusOf(signer: SignerProcess) {
  return signer.client.call('/v1/status', {});
}
