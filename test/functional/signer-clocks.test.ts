import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { customerRecordDigestBytes } from '@holdfast/core/signing/customer-record-digest.ts';
import { assertionBy, signatureBy } from '@holdfast/core/signing/evidence.test-support.ts';
import type { ResumeStatement } from '@holdfast/core/signing/halt.ts';
import type { JournalRecord } from '@holdfast/core/signing/journal-record.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import { sourceProgram } from '@holdfast/devnet/signer-program.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { commit, signEvm } from '../support/signer-rounds.ts';
import {
  bitcoinRequest,
  bitcoinWithdrawal,
  evmRequest,
  startStage,
  withdrawal,
  type SignerStage,
} from '../support/signer-stage.ts';
import { waitFor, type SignerProcess } from '../support/signers.ts';

/** Clocks that jump, that differ, and that are all wrong by the same. */
let stage: SignerStage;
let one: SignerProcess;
let two: SignerProcess;

beforeAll(async () => {
  const clock = new URL('../support/shift-clock.ts', import.meta.url);
  // A bundle refuses what is loaded before it.
  stage = await startStage({ program: sourceProgram, env: { NODE_OPTIONS: `--import=${clock.href}` } });
  [one, two] = stage.cluster.signers as [SignerProcess, SignerProcess];
});
afterAll(() => stage?.stop());

const file = (name: string): string => join(one.dataDir, name);
let amount = 1_000;
/** Every one another transaction. */
const request = () => evmRequest([withdrawal({ amount: String((amount += 1)) })], 0n);
const signs = async (signer = one): Promise<void> => {
  await expect(signEvm(request())(signer)).resolves.toMatchObject({ owner: signer.card.owner_address });
};

function journalOf(signer: SignerProcess): JournalRecord[] {
  const lines = readFileSync(join(signer.dataDir, 'journal.jsonl'), 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as JournalRecord);
}

test.each([
  ['back', -3_600_000],
  ['forward', 3_600_000],
])('a clock that jumps %s while it runs: signs nothing, says why, and signs when it is right again', async (_, ms) => {
  await signs();
  const seq = journalOf(one).length;
  writeFileSync(file('clock-shift'), String(ms));
  await new Promise((resolve) => setTimeout(resolve, 100));
  await expect(signEvm(request())(one)).rejects.toMatchObject({
    code: 'clock-behind',
    message: expect.stringMatching(/clock/),
  });
  const { problem } = await one.client.call('/v1/status', {});
  expect(problem).toMatch(/^clock-behind/);
  const added = journalOf(one).slice(seq);
  expect(added.filter(({ kind }) => kind !== 'cosigned')).toEqual([]);
  // To the others it is as good as stopped.
  await signs(two);
  rmSync(file('clock-shift'));
  // A hello in between has compared the clocks, until the next one.
  await waitFor('its clock', 20_000, async () => (await one.client.call('/v1/status', {})).problem === null);
  await signs();
  expect((await one.client.call('/v1/status', {})).problem).toBeNull();
});

// The last two leave records of the future behind.
test('with another time than its peers from the start: no delay begins by it, and it halts all the same', async () => {
  await one.stop();
  writeFileSync(file('clock-shift'), '3600000');
  await one.start();
  await waitFor('word of the peers’ time', 20_000, async () =>
    /^clock-behind.*median/.test((await one.client.call('/v1/status', {})).problem ?? ''),
  );
  const { client } = one;
  const behind = { code: 'clock-behind' };
  // Known, and so accepted again by whoever has the time.
  await expect(client.call('/v1/policy', stage.cluster.policy)).rejects.toMatchObject(behind);
  const entries = ['5', '-5'].map((amount, at) => ({
    customer: `cus_01890000-0000-7000-8000-00000000000${at}`,
    asset: 'ETH',
    amount,
  }));
  const trade = { version: 1, kind: 'settlement', engine: 'engine-1', sequence: 1, entries } as const;
  const authorization = signatureBy('engine-1', customerRecordDigestBytes({ record: trade }));
  expect((await client.call('/v1/records', { records: [{ record: trade, authorization }] })).results).toMatchObject([
    { state: 'later', ...behind },
  ]);
  const scope = { network: 'eip155:5', asset: null };
  const statement = { version: 1, kind: 'halt', scope, reason: 'drill', nonce: 'nonce-0001' } as const;
  const evidence = signatureBy('watcher-1', statementDigest('halt', statement));
  const { digest } = await client.call('/v1/halt', { statement, evidence });
  const resume: ResumeStatement = {
    version: 1,
    kind: 'resume',
    halts: [digest],
    reason: 'drill over',
    expires_at: new Date(Date.now() + 7_200_000).toISOString(),
    nonce: 'nonce-0002',
  };
  const { approvals: rp } = stage.cluster.policy.policy.webauthn;
  const approvals = ['approver-1', 'approver-2'].map((name) =>
    assertionBy(name, statementDigest('resume', resume), rp),
  );
  await expect(client.call('/v1/resume', { statement: resume, approvals })).rejects.toMatchObject(behind);
  expect((await client.call('/v1/status', {})).halts).toHaveLength(1);
});

test('with all clocks two days ahead, by one bad time server: nothing is signed on blocks that are two days old', async () => {
  const { signers } = stage.cluster;
  await Promise.all(signers.map(async (signer) => signer.stop()));
  for (const { dataDir } of signers) writeFileSync(join(dataDir, 'clock-shift'), String(2 * 86_400_000));
  await Promise.all(signers.map(async (signer) => signer.start()));
  await waitFor('signers of one mind', 20_000, async () => (await two.client.call('/v1/status', {})).problem === null);
  const expiresAt = new Date(Date.now() + 3 * 86_400_000).toISOString();
  const payment = evmRequest([withdrawal({ expires_at: expiresAt })], 0n);
  const old = { code: 'clock-behind', message: expect.stringMatching(/s old by the clock/) };
  await expect(signEvm(payment)(two)).rejects.toMatchObject(old);
  const coin = stage.addCoin([0, 1], 1_000_000n);
  const spend = bitcoinRequest(stage, [coin], [bitcoinWithdrawal({ expires_at: expiresAt })]);
  await expect(commit(spend)(two)).rejects.toMatchObject(old);
});
