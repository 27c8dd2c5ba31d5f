import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { emergencyProblem } from '@holdfast/core/chains/evm/emergency-desk.ts';
import { samplePolicy } from '@holdfast/core/policy/sample-policy.test-support.ts';
import type { HaltScope } from '@holdfast/core/signing/halt.ts';
import { emptyState } from '@holdfast/core/signing/journal-state.ts';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createOwnerSecret, ownerKey } from '../keys/owner-key.ts';
import { createPauseDesk, pausingHalts } from './pause-desk.ts';

const network = 'eip155:1';
const key = ownerKey(createOwnerSecret());
const everything: HaltScope = { network: null, asset: null };
let folder: string;
beforeEach(() => {
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  folder = mkdtempSync(join(tmpdir(), 'holdfast-pause-'));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

interface Halt {
  readonly scope?: HaltScope;
  readonly reason?: string;
  readonly by?: string;
  readonly isSigned?: boolean;
  readonly pause?: true;
}

function setUp(keys: readonly string[] = [key.address]) {
  const state = emptyState();
  let count = 0;
  const halt = ({ scope = everything, reason = 'x', by = 'signer-1', isSigned = false, pause }: Halt): string => {
    const digest = String(++count).padStart(64, '0');
    const statement = { version: 1, kind: 'halt', scope, reason, nonce: digest, ...(pause && { pause }) } as const;
    state.halts.set(digest, { statement, by, atMs: 0, isSigned });
    return digest;
  };
  const policy = samplePolicy((one) => {
    const evm = one.networks.find(({ family }) => family === 'evm');
    if (evm?.family !== 'evm') throw new Error('the sample has an EVM network');
    evm.network = network;
    evm.emergency = { desk: `0x${'de'.repeat(20)}`, timelock: `0x${'71'.repeat(20)}`, keys: [...keys] };
  });
  const clock = { ms: 1_000_000_000 };
  const open = () =>
    createPauseDesk({
      dataDir: folder,
      signer: 'signer-1',
      networks: [network],
      key,
      journal: { state, nowMs: () => clock.ms },
      policies: { current: () => policy },
      clock: () => clock.ms,
    });
  return { state, halt, clock, open };
}

const outflow = { reason: `unsigned outflow aa on ${network}` };
test.each<[string, Halt, boolean]>([
  ['an outflow that this signer saw', outflow, true],
  ['an outflow on another chain', { reason: 'unsigned outflow aa on bip122:00' }, true],
  ['a Safe that differs', { reason: `chain-mismatch on ${network}`, scope: { network, asset: null } }, true],
  ['a Safe that differs elsewhere', { reason: 'chain-mismatch', scope: { network: 'eip155:2', asset: null } }, false],
  ['a log that a peer rewrote', { reason: 'the log of signer-2 was rewritten' }, false],
  ['what the server claimed', { reason: 'false credit: nothing came to a', scope: { network, asset: null } }, false],
  ['a peer’s word', { ...outflow, by: 'signer-2' }, false],
  ['a peer’s word that asks for a pause', { ...outflow, by: 'signer-2', pause: true }, false],
  ['an operator or a token that asks for a pause', { by: 'token-1', isSigned: true, pause: true }, true],
  ['an operator or a token that does not', { by: 'token-1', isSigned: true }, false],
  ['a token in the words of the watch', { ...outflow, by: 'token-1', isSigned: true }, false],
  ['a token for this network', { isSigned: true, pause: true, scope: { network, asset: null } }, true],
  ['a token for one asset', { isSigned: true, pause: true, scope: { network, asset: `${network}/slip44:60` } }, false],
])('%s', (_, one, pauses) => {
  const { state, halt } = setUp();
  const digest = halt(one);
  expect(pausingHalts(state.halts, 'signer-1', network)).toEqual(pauses ? [digest] : []);
});

test('offers one pause that anybody may relay, with the nonce of the halt, over restarts and later deadlines', async () => {
  const { state, halt, clock, open } = setUp();
  const desk = open();
  await desk.look();
  expect(desk.offers()).toEqual([]);
  const digest = halt(outflow);
  await desk.look();
  const [first] = desk.offers();
  expect(first).toMatchObject({ network, act: { kind: 'pause' }, deadline_s: 1_000_000 + 3_600, key: key.address });
  expect(emergencyProblem(first!)).toBeNull();
  await desk.look();
  expect(desk.offers()).toEqual([first]);

  const again = open();
  await again.look();
  expect(again.offers()).toEqual([first]);
  clock.ms += 3_000_000;
  await again.look();
  const [renewed] = again.offers();
  expect([renewed?.nonce, renewed?.deadline_s]).toEqual([first?.nonce, 1_003_000 + 3_600]);

  const lines = readFileSync(join(folder, 'emergency.jsonl'), 'utf8').trim().split('\n');
  expect(lines.map((line) => (JSON.parse(line) as { cause: string }).cause)).toEqual([digest, digest, digest]);
  state.halts.delete(digest);
  // Before the next look already.
  expect(again.offers()).toEqual([]);
  await again.look();
  expect(again.offers()).toEqual([]);
});

test('a later halt has a nonce of its own, and one that pauses nothing takes no pause back', async () => {
  const { halt, open } = setUp();
  const desk = open();
  halt(outflow);
  await desk.look();
  const [first] = desk.offers();
  halt({ reason: 'the log of signer-2 was rewritten' });
  await desk.look();
  expect(desk.offers()).toEqual([first]);
  halt({ reason: `unsigned outflow bb on ${network}` });
  await desk.look();
  const [second, ...more] = desk.offers();
  expect([second?.nonce === first?.nonce, more]).toEqual([false, []]);
});

test('offers nothing that the desk would refuse, nor fails', async () => {
  const { halt, open } = setUp([`0x${'11'.repeat(20)}`]);
  halt(outflow);
  const desk = open();
  await desk.look();
  expect(desk.offers()).toEqual([]);
});

test('a disk that takes nothing keeps no pause back', async () => {
  const { halt, open } = setUp();
  halt(outflow);
  rmSync(folder, { recursive: true });
  const desk = open();
  await desk.look();
  expect(desk.offers()).toHaveLength(1);
  folder = mkdtempSync(join(tmpdir(), 'holdfast-pause-'));
});
