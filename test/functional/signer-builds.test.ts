import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ErrorCode } from '@holdfast/core/contract/error-codes.ts';
import { policyDigest } from '@holdfast/core/policy/policy.ts';
import { signSamplePolicy } from '@holdfast/core/policy/sample-policy.test-support.ts';
import type { JournalRecord } from '@holdfast/core/signing/journal-record.ts';
import { signerEnv, sourceProgram, type SignerProgram } from '@holdfast/devnet/signer-program.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { alterProgram, letsItselfIn } from '../support/altered-program.ts';
import { signEvm } from '../support/signer-rounds.ts';
import {
  bitcoinNetwork,
  customer,
  evmNetwork,
  evmRequest,
  stagePolicy,
  startStage,
  withdrawal,
  type SignerStage,
} from '../support/signer-stage.ts';
import { startSigners, waitFor, waitForKeys, type SignerProcess } from '../support/signers.ts';

/** What a signer says that it runs, and what builds that the policy does not list get. */
let stage: SignerStage;
let one: SignerProcess;
let two: SignerProcess;
let three: SignerProcess;
/** Of this checkout, listed by version 1. */
let listed: SignerProgram;
/** One byte more than the listed one, listed by version 2. */
let next: SignerProgram;

const soakS = 10;

beforeAll(async () => {
  stage = await startStage({
    policy: (policy) => {
      policy.delays = { tighten_s: 0, loosen_s: 0 };
      policy.builds.soak_s = soakS;
    },
  });
  [one, two, three] = stage.cluster.signers as [SignerProcess, SignerProcess, SignerProcess];
  listed = stage.cluster.program;
  next = alterProgram(listed, stage.folder, 'next', [['\nexport {  };', '\n\nexport {  };']]);
});
afterAll(() => stage?.stop());

let amount = 1_000;
/** Every one another transaction. */
const request = () => evmRequest([withdrawal({ amount: String((amount += 1)) })], 0n);
const signs = async (signer: SignerProcess): Promise<void> => {
  await expect(signEvm(request())(signer), signer.id).resolves.toMatchObject({ owner: signer.card.owner_address });
};
const refuses = async (signer: SignerProcess, code: ErrorCode, message = /./): Promise<void> => {
  const refusal = { code, message: expect.stringMatching(message) };
  await expect(signEvm(request())(signer), signer.id).rejects.toMatchObject(refusal);
};

const journalOf = ({ dataDir }: SignerProcess): JournalRecord[] =>
  readFileSync(join(dataDir, 'journal.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as JournalRecord);
const lastOf = (signer: SignerProcess, kind: JournalRecord['kind']) =>
  journalOf(signer).findLast((record) => record.kind === kind);
const statusOf = async ({ client }: SignerProcess) => client.call('/v1/status', {});

/** Stops these signers, starts them with a program, and waits until all see each other. */
async function run(program: SignerProgram, ...signers: readonly SignerProcess[]): Promise<void> {
  await Promise.all(signers.map((signer) => signer.stop()));
  await Promise.all(signers.map((signer) => signer.start(program)));
  await waitFor('signers that see each other', 20_000, async () =>
    (await Promise.all(stage.cluster.signers.map(statusOf))).every(({ peers_reachable: peers }) => peers === 2),
  );
}

/** What a process says that is no server: its exit code and its last line. */
async function say(
  program: SignerProgram,
  args: readonly string[],
  node: { readonly options?: readonly string[]; readonly env?: Readonly<Record<string, string>> } = {},
) {
  const env = signerEnv(join(stage.folder, 'passphrase'), node.env);
  // One that serves all the same does not outlive the test.
  const stuck = { env, timeout: 20_000, killSignal: 'SIGKILL' } as const;
  const ran = promisify(execFile)(process.execPath, [...(node.options ?? []), program.main, ...args], stuck).then(
    ({ stdout }) => ({ code: 0, stdout }),
    (error: { code: number; stdout: string }) => error,
  );
  const { code, stdout } = await ran;
  return { exit: code, last: JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Record<string, unknown> };
}

test('the log, the status and the journal name the SHA-256 of the file that runs', async () => {
  const build = createHash('sha256').update(readFileSync(listed.main)).digest('hex');
  expect(listed.build).toBe(build);
  for (const signer of [one, two, three]) {
    expect((await statusOf(signer)).build).toBe(build);
    expect(signer.log.find(({ event }) => event === 'build')).toMatchObject({ signer: signer.id, build });
    expect(lastOf(signer, 'started')).toMatchObject({ body: { build } });
  }
});

test('with one byte changed at one signer, that one signs nothing and the other two go on', async () => {
  await run(next, one);
  expect(await statusOf(one)).toMatchObject({
    build: next.build,
    problem: expect.stringMatching(/^build-not-permitted/),
  });
  await refuses(one, 'build-not-permitted', new RegExp(next.build));
  const address = { network: evmNetwork, customer, index: 1 };
  await expect(one.client.call('/v1/address', address)).rejects.toMatchObject({ code: 'build-not-permitted' });
  await two.client.call('/v1/address', address);
  await signs(two);
});

test('code that lets itself in is refused by its peers, and its own word is worth nothing to them', async () => {
  const poisoned = alterProgram(listed, stage.folder, 'lets-itself-in', [letsItselfIn]);
  await run(poisoned, one);
  expect(await statusOf(one)).toMatchObject({ build: poisoned.build, problem: null });
  await refuses(one, 'build-not-permitted', new RegExp(poisoned.build));
  // The first refusal is the answer; the other one is on its way.
  await waitFor('the refusals', 5_000, () =>
    [two, three].every((signer) => {
      const refusal = lastOf(signer, 'refused');
      return refusal?.kind === 'refused' && refusal.body.code === 'build-not-permitted';
    }),
  );
  // It reserves for the others, who count it as away all the same.
  const degraded = (signer: SignerProcess) => journalOf(signer).filter(({ kind }) => kind === 'degraded').length;
  const before = degraded(two);
  await signs(two);
  expect(degraded(two)).toBe(before + 1);
  // With the third signer gone there is no quorum of listed builds, whatever the poisoned one says.
  await three.stop();
  await refuses(two, 'signers-unavailable');
  await three.start();
  await run(listed, one);
  await signs(one);
});

test('no key is made with a signer whose build the policy does not list', async () => {
  const folder = join(stage.folder, 'others');
  const others = await startSigners({
    folder,
    networks: () => [evmNetwork, bitcoinNetwork].map((network) => ({ network, rpc_urls: [...stage.node.urls] })),
    program: next,
    policy: (cards) =>
      stagePolicy(
        cards.map((card) => card.owner_address),
        { build: listed.build },
      ),
  });
  try {
    const [first, second, third] = others.signers as [SignerProcess, SignerProcess, SignerProcess];
    const waits = async (signer: SignerProcess, since: number): Promise<void> =>
      waitFor('a refusal to make a key', 10_000, () =>
        signer.log.slice(since).some(({ event, code }) => event === 'key-generation-waits' && code === refusal),
      );
    const refusal = 'build-not-permitted' satisfies ErrorCode;
    // It paces the others, and may not itself.
    await waits(first, 0);
    await Promise.all([first, second].map((signer) => signer.stop()));
    const since = first.log.length;
    await Promise.all([first, second].map((signer) => signer.start(listed)));
    // Two that may, with one that may not.
    await waits(first, since);
    for (const { client } of others.signers) expect((await client.call('/v1/status', {})).frost_wallets).toEqual([]);
    await third.stop();
    await third.start(listed);
    await waitForKeys(others.signers, bitcoinNetwork);
  } finally {
    await others.stop();
  }
});

test('a build that the policy lists signs at no signer inside its soak time, and then at all', async () => {
  const admit = async (program: SignerProgram) => say(listed, ['admit', program.main, one.dataDir]);
  expect(await admit(next)).toMatchObject({ exit: 5, last: { code: 'build-not-permitted' } });
  const { policy } = stage.cluster.policy;
  const second = structuredClone({ ...policy, version: 2, previous: policyDigest(policy) });
  second.builds.permitted.push(next.build);
  // What comes after it waits longer than this test.
  second.delays = { tighten_s: 600, loosen_s: 600 };
  const startedAtMs = performance.now();
  for (const { client } of [one, two, three]) await client.call('/v1/policy', signSamplePolicy(second));
  await waitFor('version 2 everywhere', 10_000, async () =>
    (await Promise.all([one, two, three].map(statusOf))).every((status) => status.policy.version === 2),
  );
  await run(next, one, two);
  for (const signer of [one, two]) await refuses(signer, 'build-not-permitted', /soaks/);
  await refuses(three, 'signers-unavailable');
  // Of a folder that nobody else writes to: the signer's own goes on.
  const copy = join(stage.folder, 'copy');
  cpSync(one.dataDir, copy, { recursive: true });
  const size = statSync(join(copy, 'journal.jsonl')).size;
  expect(await say(listed, ['admit', next.main, copy])).toMatchObject({
    last: { code: 'build-not-permitted', message: expect.stringMatching(/soaks/) },
  });
  expect(statSync(join(copy, 'journal.jsonl')).size).toBe(size);
  expect(performance.now() - startedAtMs, 'all that was inside the soak time').toBeLessThan(soakS * 1_000);

  await waitFor('the end of the soak time', 15_000, async () => (await statusOf(one)).problem === null);
  expect(performance.now() - startedAtMs).toBeGreaterThan(soakS * 1_000);
  expect(await admit(next)).toEqual({ exit: 0, last: { build: next.build, policy: 2 } });
  await run(next, three);
  for (const signer of [one, two, three]) await signs(signer);
  // And the way back is open.
  await run(listed, one);
  for (const signer of [one, two, three]) await signs(signer);
  // A version that drops it is signed and waits: nobody begins with it any more.
  const third = structuredClone({ ...second, version: 3, previous: policyDigest(second) });
  third.builds.permitted = second.builds.permitted.filter((build) => build !== next.build);
  await one.client.call('/v1/policy', signSamplePolicy(third));
  expect(await admit(next)).toMatchObject({
    last: { code: 'build-not-permitted', message: expect.stringMatching(/version 3, .* drops build/) },
  });
});

test('a bundle does not run with other code loaded before it, nor sources on a chain that has a price', async () => {
  const preload = join(stage.folder, 'preload.mjs');
  writeFileSync(preload, '');
  const refused = { exit: 5, last: { event: 'fatal', code: 'build-not-permitted' } };
  await one.stop();
  const option = `--import=file://${preload}`;
  const run = ['run', one.dataDir];
  expect(await say(listed, run, { options: [option] })).toMatchObject(refused);
  expect(await say(listed, run, { env: { NODE_OPTIONS: option } })).toMatchObject(refused);
  const path = join(one.dataDir, 'config.json');
  const config = readFileSync(path, 'utf8');
  writeFileSync(path, config.replace('eip155:31337', 'eip155:1'));
  expect(await say(sourceProgram, ['run', one.dataDir])).toMatchObject(refused);
  writeFileSync(path, config);
});
