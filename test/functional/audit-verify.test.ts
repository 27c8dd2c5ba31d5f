import { appendFileSync, cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '@holdfast/cli/run.ts';
import type { CheckpointLine } from '@holdfast/core/audit/checkpoint-line.ts';
import { enrolCustomer, outsideAddress, requestWithdrawal } from '@holdfast/devnet/story/actors.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fund, mineUntilAll } from '../support/payouts.ts';
import { startSystem, type System } from '../support/system.ts';

const names = ['signer-1', 'signer-2', 'signer-3'];
let system: System;
let folders: string[];

/** What `holdfast audit verify` says of folders. */
async function verify(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const code = await run(['audit', 'verify', ...args], {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
  });
  return { code, out, err };
}

/** A copy of the evidence that a test may spoil. */
function copyOf(name: string): string[] {
  return folders.map((folder, at) => {
    const copy = join(system.folder, `${name}-${names[at]}`);
    cpSync(folder, copy, { recursive: true });
    return copy;
  });
}

const hasCosignatures = (folder: string): boolean => {
  const lines = readFileSync(join(folder, 'checkpoints.jsonl'), 'utf8').split('\n').filter(Boolean);
  return lines.some((line) => (JSON.parse(line) as CheckpointLine).cosignatures.length === 2);
};

beforeAll(async () => {
  system = await startSystem();
  folders = names.map((name) => join(system.folder, name));
  const customer = await system.newCustomer('audited');
  await enrolCustomer(system, customer);
  await fund(system, customer, { BTC: '0.5', ETH: '2', USDC: '500' });
  const pay = async (asset: 'BTC' | 'ETH' | 'USDC', coins: string, authorize = system.authorizeWithPasskey) =>
    (await requestWithdrawal(system, customer, asset, coins, await outsideAddress(system, asset), authorize)).id;
  await mineUntilAll(system, [await pay('BTC', '0.1'), await pay('ETH', '0.5'), await pay('USDC', '100')], 'settled');
  // The third signer learns afterwards what the others signed without it.
  await system.signer('signer-3').stop();
  await mineUntilAll(system, [await pay('ETH', '0.3', system.authorize), await pay('BTC', '0.05')], 'settled');
  await system.startSigner('signer-3');
  await system.client.halt(system.haltToken({ network: null, asset: null }, 'audit drill'));
  const halts = await awaitCondition('a halt at three signers', async () => {
    const [halt] = (await system.client.listHalts()).data;
    return halt?.signers.length === 3 && [halt.digest];
  });
  await system.client.resume(system.resumption(halts, 'drill over'));
  await awaitCondition('checkpoints that both peers cosigned', async () => folders.every(hasCosignatures), 60_000, 500);
  await system.server().stop();
  for (const name of names) await system.signer(name).stop();
});
afterAll(() => system?.stop());

describe('the evidence of three signers, server and database not asked', () => {
  it('holds, and says who signed what', async () => {
    const { code, out, err } = await verify(...folders, '--ceremony', system.ceremony, '--json');
    expect(err).toBe('');
    expect(code).toBe(0);
    const report = JSON.parse(out) as { payments?: unknown[]; rows?: unknown[]; problems: unknown[] };
    expect(report.problems).toEqual([]);
    for (const name of names) expect(out).toContain(name);
  });

  it('is refused with another ceremony than was compared out of band', async () => {
    expect((await verify(...folders, '--ceremony', '00'.repeat(32))).code).toBe(3);
  });

  it('shows a changed byte of a journal', async () => {
    const [first = '', ...others] = copyOf('changed');
    const path = join(first, 'journal.jsonl');
    const text = readFileSync(path, 'utf8');
    const at = text.indexOf('"kind":"accepted"');
    writeFileSync(path, `${text.slice(0, at)}"kind":"acceptex"${text.slice(at + 17)}`);
    const { code, out, err } = await verify(first, ...others);
    expect(code).toBe(3);
    expect(out + err).toContain('journal');
  });

  it('shows a journal whose end was cut off, from the peers’ evidence', async () => {
    const [first = '', ...others] = copyOf('cut');
    const path = join(first, 'journal.jsonl');
    const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
    const cutAt = lines.findLastIndex((line) => line.includes('"kind":"accepted"'));
    writeFileSync(path, `${lines.slice(0, cutAt).join('\n')}\n`);
    expect((await verify(first, ...others)).code).toBe(3);
  });

  it('shows a request that was taken out of the transcripts', async () => {
    const [first = '', ...others] = copyOf('transcripts');
    const path = join(first, 'transcripts.jsonl');
    const [, ...rest] = readFileSync(path, 'utf8').split('\n');
    writeFileSync(path, rest.join('\n'));
    expect((await verify(first, ...others)).code).toBe(3);
  });

  it('shows a tree head that no signer made', async () => {
    const [first = '', ...others] = copyOf('checkpoint');
    const path = join(first, 'checkpoints.jsonl');
    const last = JSON.parse(readFileSync(path, 'utf8').trimEnd().split('\n').at(-1)!) as CheckpointLine;
    const forged = { ...last, checkpoint: { ...last.checkpoint, root: '11'.repeat(32) } };
    appendFileSync(path, `${JSON.stringify(forged)}\n`);
    expect((await verify(first, ...others)).code).toBe(3);
  });
});
