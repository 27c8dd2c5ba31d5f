import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { emergencyHash } from '@holdfast/core/chains/evm/emergency-desk.ts';
import { EmergencyAuthorisation } from '@holdfast/core/signing/emergency.ts';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { hexToBytes } from '@noble/hashes/utils.js';
import { Compile } from 'typebox/compile';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { journalName, type SignerCard } from '../init.ts';
import { openJournal } from '../journal/journal.ts';
import { accountOf } from '../keys/digest-signer.ts';
import { emergencyCommand, type EmergencyOptions } from './emergency-command.ts';
import { makeSigner, passphraseText } from './emergency.test-support.ts';

const desk = `0x${'de'.repeat(20)}`;
const tokens = [`0x${'a1'.repeat(20)}`, `0x${'a2'.repeat(20)}`];
const network = 'eip155:31337';
const operation = `0x${'0A'.repeat(32)}`;
const nowMs = Date.now();
const nowS = Math.floor(nowMs / 1_000);
let folder: string;
let card: SignerCard;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-emergency-'));
  card = await makeSigner(folder, Date.now, (policy, { emergency_address: own }) => {
    const [asset] = policy.assets;
    if (!asset) throw new Error('the sample has an asset');
    policy.network = network;
    policy.emergency = { desk, timelock: `0x${'71'.repeat(20)}`, keys: [own.toLowerCase()] };
    policy.assets = [null, ...tokens].map((contract) => ({ ...asset, contract }));
  });
});
afterAll(() => rmSync(folder, { recursive: true }));

const passphrase = (): Uint8Array => new TextEncoder().encode(passphraseText);
const make = (kind: string, options: EmergencyOptions = {}) =>
  emergencyCommand(folder, kind, passphrase(), { network, ...options }, nowMs);

/** Who signed, over what the authorisation says of itself. */
function signerOf({ act, nonce, deadline_s: deadlineS, signature, ...one }: EmergencyAuthorisation): string {
  const order = { act, nonce: BigInt(nonce), deadlineS: BigInt(deadlineS) };
  const hash = emergencyHash({ chainId: 31_337n, desk: one.desk, order });
  const bytes = hexToBytes(signature);
  const recovered = Uint8Array.of((bytes[64] ?? 0) - 27, ...bytes.subarray(0, 64));
  return accountOf(secp256k1.recoverPublicKey(recovered, hash, { prehash: false }));
}

const recorded = (): { cause: string; authorisation: EmergencyAuthorisation }[] =>
  readFileSync(join(folder, 'emergency.jsonl'), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { cause: string; authorisation: EmergencyAuthorisation });

test('signs each act for the desk and the tokens of the policy, an hour ahead, and records it', async () => {
  const made = [await make('pause'), await make('veto', { operation: [operation] }), await make('evacuate')];
  for (const one of made) {
    expect(Compile(EmergencyAuthorisation).Check(one)).toBe(true);
    expect(signerOf(one)).toBe(card.emergency_address);
    expect(one).toMatchObject({ network, desk, key: card.emergency_address, deadline_s: nowS + 3_600 });
  }
  expect(made.map(({ act }) => act)).toEqual([
    { kind: 'pause' },
    { kind: 'veto', operations: [operation.toLowerCase()] },
    { kind: 'evacuate', tokens },
  ]);
  expect(new Set(made.map(({ nonce }) => nonce)).size).toBe(3);
  for (const { nonce } of made) expect(BigInt(nonce)).toBeGreaterThan(1n << 200n);
  expect(recorded().map(({ authorisation }) => authorisation)).toEqual(made);
});

test('works while a process has the journal open, and writes nothing to it', async () => {
  const path = join(folder, journalName);
  const journal = await openJournal(path, Date.now, () => performance.now());
  const before = readFileSync(path);
  await make('pause');
  expect(readFileSync(path)).toEqual(before);
  await journal.append({ kind: 'started', body: { boot_id: 'one', build: 'source' } });
  await journal.close();
});

test('tries an act again under its nonce, with another deadline', async () => {
  const first = await make('pause');
  const again = await make('pause', { nonce: first.nonce, deadline: '7200' });
  expect([again.nonce, again.deadline_s, signerOf(again)]).toEqual([first.nonce, nowS + 7_200, card.emergency_address]);
});

test.each<[string, string, EmergencyOptions, string]>([
  ['a network that the policy does not have', 'pause', { network: 'eip155:1' }, 'unknown-network'],
  ['no network', 'pause', { network: undefined }, 'config-invalid'],
  ['another act', 'unpause', {}, 'config-invalid'],
  ['a veto of nothing', 'veto', {}, 'config-invalid'],
  ['a veto of what is no id', 'veto', { operation: ['0x12'] }, 'config-invalid'],
  ['operations with a pause', 'pause', { operation: [operation] }, 'config-invalid'],
  ['a deadline of more than a day', 'pause', { deadline: '86401' }, 'emergency-refused'],
  ['a deadline that is now', 'pause', { deadline: '0' }, 'emergency-refused'],
  ['a deadline that is no number', 'pause', { deadline: '1h' }, 'config-invalid'],
  ['a nonce above 256 bits', 'pause', { nonce: (1n << 256n).toString() }, 'config-invalid'],
])('refuses %s, and records nothing', async (_, kind, options, code) => {
  const before = recorded().length;
  await expect(make(kind, options)).rejects.toMatchObject({ code });
  expect(recorded()).toHaveLength(before);
});

test('refuses where the policy names no desk, or another key', async () => {
  const other = join(folder, 'other');
  const ask = () => emergencyCommand(other, 'pause', passphrase(), { network }, nowMs);
  await makeSigner(other, Date.now, (policy) => void (policy.network = network));
  await expect(ask()).rejects.toMatchObject({
    code: 'emergency-refused',
    message: expect.stringContaining('no emergency desk'),
  });
  rmSync(other, { recursive: true });
  await makeSigner(other, Date.now, (policy) => {
    policy.network = network;
    policy.emergency = { desk, timelock: desk, keys: [card.emergency_address] };
  });
  await expect(ask()).rejects.toMatchObject({
    code: 'emergency-refused',
    message: expect.stringContaining('is no emergency key'),
  });
});
