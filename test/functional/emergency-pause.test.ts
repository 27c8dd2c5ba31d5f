import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { run } from '@holdfast/cli/run.ts';
import type { EmergencyAuthorisation } from '@holdfast/core/signing/emergency.ts';
import type { HaltScope, SignedHalt } from '@holdfast/core/signing/halt.ts';
import { statementDigestHex } from '@holdfast/core/signing/statement.ts';
import { keepColdKeys } from '@holdfast/devnet/chains.ts';
import { evmNetworkId } from '@holdfast/devnet/configure.ts';
import { passphraseFile } from '@holdfast/devnet/make-keys.ts';
import { devnetKeys } from '@holdfast/devnet/evm/accounts.ts';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import { sendTransaction } from '@holdfast/devnet/evm/send-transaction.ts';
import { sourceProgram } from '@holdfast/devnet/signer-program.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { awaitAlarm, awaitNoAlarm } from '../support/chain-steps.ts';
import { isVaultPaused, scheduleCall, unpauseVault } from '../support/schedule-call.ts';
import { callSigners } from '../support/signers-direct.ts';
import { preparedProgram } from '../support/signer-program.ts';
import { startSystem, type System } from '../support/system.ts';

const everything: HaltScope = { network: null, asset: null };
let system: System;
let direct: ReturnType<typeof callSigners>;
beforeAll(async () => {
  system = await startSystem();
  direct = callSigners(system);
});
afterAll(async () => {
  direct?.close();
  await system?.stop();
});

const isPaused = () => isVaultPaused(system.chains.anvil.url, system.evm.guard);
/** pauses() of the guard. */
const pauses = async (): Promise<bigint> =>
  BigInt(
    await rpcCall<string>(system.chains.anvil.url, 'eth_call', [
      { to: system.evm.guard, data: '0xc68eef3d' },
      'latest',
    ]),
  );
const statuses = () => Promise.all(direct.signers.map((signer) => signer.call('/v1/status', {})));

async function halt(signed: SignedHalt): Promise<string> {
  await system.client.halt(signed);
  return statementDigestHex('halt', signed.statement);
}

async function resume(digest: string): Promise<void> {
  await system.client.resume(system.resumption([digest], 'looked at'));
  await awaitCondition('no halt', async () => (await statuses()).every(({ halts }) => halts.length === 0), 15_000, 30);
}

/** As long as a pause takes below, and more. */
async function letLoopsRun(): Promise<void> {
  for (let count = 0; count < 3; count += 1) {
    await sleep(400);
    await system.mineEvm();
  }
}

test('a halt that asks for no pause makes none', async () => {
  const digest = await halt(system.haltToken(everything, 'a look'));
  await letLoopsRun();
  expect([await isPaused(), (await statuses()).some(({ emergency }) => emergency)]).toEqual([false, false]);
  await resume(digest);
});

test('a token that asks for it has the vault paused by one signer’s key, once, and no resumption unpauses it', async () => {
  const digest = await halt(system.haltToken(everything, 'the worst day', true));
  await system.mineUntil('the guard paused', isPaused, 20_000);
  await letLoopsRun();
  expect(await pauses()).toBe(1n);
  const { data } = await system.client.listTransactions({ network: evmNetworkId });
  expect(data.filter(({ kind }) => kind === 'emergency')).toHaveLength(1);
  // Every signer made one; the others stay where they are.
  const offered = (await statuses()).flatMap(({ emergency }) => emergency ?? []);
  expect(new Set(offered.map(({ key }) => key)).size).toBe(3);
  await resume(digest);
  expect((await statuses()).flatMap(({ emergency }) => emergency ?? [])).toEqual([]);
  expect([await isPaused(), await pauses()]).toEqual([true, 1n]);
  // Once it is lifted, what the other signers had made pauses nobody again.
  await awaitNoAlarm(system, 'halted');
  await unpauseVault(system.chains.anvil.url, system.evm.guard);
  await letLoopsRun();
  expect([await isPaused(), await pauses()]).toEqual([false, 1n]);
});

test('every signer shows what governance schedules until it is vetoed, and the server raises an alarm', async () => {
  const { evm, chains } = system;
  const keys = keepColdKeys(join(system.folder, 'devnet', 'cold')).governance;
  const at = { url: chains.anvil.url, vault: evm, keys };
  const call = { contract: 'vault-guard', name: 'unpause', values: ['1'] } as const;
  const operation = await scheduleCall({ ...at, quorum: 3 }, { ...call, values: ['1'] }, 3_600);
  const seen = async () => (await statuses()).map(({ governance }) => governance ?? []);
  await awaitCondition(
    'every signer sees it',
    async () => (await seen()).every((list) => list.length === 1),
    20_000,
    50,
  );
  const { timestamp } = await rpcCall<{ timestamp: string }>(at.url, 'eth_getBlockByNumber', ['latest', false]);
  expect((await seen())[0]).toEqual([
    {
      network: evmNetworkId,
      operation,
      calls: [expect.stringContaining('unpause(uint64): the hot Safe may pay again after pause number 1')],
      ready_at_ms: (Number(timestamp) + 3_600) * 1_000,
    },
  ]);
  await awaitAlarm(system, 'governance-scheduled');
  const listed = (await system.client.listSigners()).data.flatMap(({ governance }) => governance ?? []);
  expect(listed.map((one) => one.operation)).toEqual([operation, operation, operation]);

  const { main } = preparedProgram() ?? sourceProgram;
  const env = { HOLDFAST_PASSPHRASE_FILE: passphraseFile(system.folder, 'signer-3') };
  const words = [
    'emergency',
    join(system.folder, 'signer-3'),
    'veto',
    '--network',
    evmNetworkId,
    '--operation',
    operation,
  ];
  const { stdout } = await promisify(execFile)(process.execPath, [main, ...words], { env });
  const { desk, calldata } = JSON.parse(stdout) as EmergencyAuthorisation;
  await sendTransaction({ rpcUrl: at.url, key: devnetKeys.spare, to: desk, data: calldata });
  await system.mineEvm();
  await awaitCondition('nobody sees it', async () => (await seen()).every((list) => list.length === 0), 20_000, 50);
  await awaitNoAlarm(system, 'governance-scheduled');
});

test('without a server, what a signer wrote beside its journal is relayed by hand', async () => {
  await system.server().stop();
  const token = system.haltToken(everything, 'no server', true);
  const digest = statementDigestHex('halt', token.statement);
  await direct.signers[1]!.call('/v1/halt', token);
  const file = join(system.folder, 'signer-2', 'emergency.jsonl');
  const line = await awaitCondition(
    'the line of the halt',
    async () =>
      readFileSync(file, 'utf8')
        .split('\n')
        .find((one) => one.includes(digest)) ?? null,
    10_000,
    50,
  );
  const { authorisation } = JSON.parse(line) as { authorisation: EmergencyAuthorisation };
  const [kept, key] = [join(system.folder, 'pause.json'), join(system.folder, 'gas.key')];
  writeFileSync(kept, JSON.stringify(authorisation));
  writeFileSync(key, devnetKeys.spare);
  const said: string[] = [];
  const take = (text: string): void => void said.push(text);
  const gas = ['--rpc', system.chains.anvil.url, '--key-file', key];
  const relayed = run(['emergency', 'relay', kept, ...gas], { out: take, err: take });
  const code = await system.mineUntil('the relay', async () => {
    const ended = await Promise.race([relayed, sleep(50)]);
    return ended === undefined ? null : { ended };
  });
  expect([code, said.join('\n')]).toEqual([{ ended: 0 }, expect.stringContaining('paused: only cold governance')]);
  expect(await pauses()).toBe(2n);
});
