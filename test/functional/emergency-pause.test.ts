import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from '@holdfast/cli/run.ts';
import type { EmergencyAuthorisation } from '@holdfast/core/signing/emergency.ts';
import type { HaltScope, SignedHalt } from '@holdfast/core/signing/halt.ts';
import { statementDigestHex } from '@holdfast/core/signing/statement.ts';
import { evmNetworkId } from '@holdfast/devnet/configure.ts';
import { devnetKeys } from '@holdfast/devnet/evm/accounts.ts';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { callSigners } from '../support/signers-direct.ts';
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

/** paused() and pauses() of the guard. */
const guardSays = async (selector: '0x5c975abb' | '0xc68eef3d'): Promise<bigint> =>
  BigInt(
    await rpcCall<string>(system.chains.anvil.url, 'eth_call', [{ to: system.evm.guard, data: selector }, 'latest']),
  );
const isPaused = async () => (await guardSays('0x5c975abb')) === 1n;
const pauses = () => guardSays('0xc68eef3d');
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
    await sleep(700);
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
