import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { secp256k1_FROST } from '@noble/curves/secp256k1.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { emptyHead, encodeRecord, type JournalEntry } from '@holdfast/core/signing/journal-record.ts';
import { applyRecord, emptyState } from '@holdfast/core/signing/journal-state.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { knownEpochs, openFrostKeyFiles } from './frost-key-files.ts';
import { frostKey, keyStatement, type FrostKey } from './frost-key.ts';
import { openKeyStore, outerLock, type KeyStore } from './key-store.ts';

const network = 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328';
const wallet = network.replace(':', '-');
const [one, two] = ['ab'.repeat(16), 'cd'.repeat(16)];
let folder: string;
let store: KeyStore;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-shares-'));
  mkdirSync(join(folder, 'keys'));
  const kdf = { name: 'argon2id', parallelism: 1, salt: '00'.repeat(16), memory_kib: 64, passes: 1 } as const;
  store = openKeyStore(folder, await outerLock(utf8ToBytes('passphrase'), kdf));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A journal in memory. */
function journal() {
  const state = emptyState();
  const append = async (entry: JournalEntry) => applyRecord(state, encodeRecord(emptyHead, entry, 1).record);
  return { state, append };
}

function made(session: string, epoch = 1): FrostKey {
  const { DKG, Identifier } = secp256k1_FROST;
  const ids = [1, 2].map((at) => Identifier.fromNumber(at));
  const rounds = ids.map((id) => DKG.round1(id, { min: 2, max: 2 }));
  const [mine, theirs] = rounds as [(typeof rounds)[0], (typeof rounds)[0]];
  DKG.round2(mine.secret, [theirs.public]);
  const sent = DKG.round2(theirs.secret, [mine.public])[ids[0] ?? ''];
  const key = DKG.round3(mine.secret, [theirs.public], [{ ...sent, identifier: ids[1] } as never]);
  return frostKey({ network, epoch, session }, key, new Uint8Array(32));
}

const listed = () => readdirSync(join(folder, 'keys', wallet));

test('keeps a confirmed share over a restart', async () => {
  const own = journal();
  const files = openFrostKeyFiles({ network, epoch: 1 }, store, own);
  files.hold(made(one));
  await files.confirm(files.held(one) as FrostKey, null);
  expect(listed()).toEqual(['1.sealed']);
  expect(openFrostKeyFiles({ network, epoch: 1 }, store, own).confirmed()?.session).toBe(one);
});

test('keeps the shares of two epochs side by side, each with what the signers said of it', async () => {
  const own = journal();
  const first = openFrostKeyFiles({ network, epoch: 1 }, store, own);
  first.hold(made(one));
  await first.confirm(first.held(one) as FrostKey, null);
  const second = openFrostKeyFiles({ network, epoch: 2 }, store, own);
  second.hold(made(two, 2));
  second.hold(made(one, 2));
  const key = second.held(two) as FrostKey;
  const signatures = ['signer-1', 'signer-2'].map((signer) => ({ signer, signature: '00'.repeat(64) }));
  const record = { statement: keyStatement(key), signatures };
  await second.confirm(key, record);
  expect(listed().sort()).toEqual(['1.sealed', '2.sealed']);
  expect(knownEpochs(network, store, own.state)).toEqual([1, 2]);
  expect(openFrostKeyFiles({ network, epoch: 1 }, store, own).confirmed()?.session).toBe(one);
  const again = openFrostKeyFiles({ network, epoch: 2 }, store, own);
  expect([again.confirmed()?.session, again.record()]).toEqual([two, record]);
  // A share that the journal lacks is not passed over.
  expect(knownEpochs(network, store, emptyState())).toEqual([1, 2]);
});

test('a share of one epoch under the name of another is none', async () => {
  const own = journal();
  const first = openFrostKeyFiles({ network, epoch: 1 }, store, own);
  first.hold(made(one));
  renameSync(join(folder, 'keys', wallet, `1.${one}.pending`), join(folder, 'keys', wallet, `2.${one}.pending`));
  const second = openFrostKeyFiles({ network, epoch: 2 }, store, own);
  expect(() => second.held(one)).toThrow(expect.objectContaining({ code: 'wrong-passphrase' }));
});

test('with a journal that does not record the confirmed share nothing starts and nothing is replaced', async () => {
  const files = openFrostKeyFiles({ network, epoch: 1 }, store, journal());
  files.hold(made(one));
  await files.confirm(files.held(one) as FrostKey, null);
  const before = readFileSync(join(folder, 'keys', wallet, '1.sealed'), 'utf8');
  expect(() => openFrostKeyFiles({ network, epoch: 1 }, store, journal())).toThrow(
    expect.objectContaining({ code: 'journal-broken', fix: expect.stringMatching(/backup/) }),
  );
  // Neither by a key that was under way meanwhile.
  files.hold(made(two));
  const other = journal();
  await other.append({ kind: 'key', body: { network, epoch: 1, session: two, group_key: `02${'11'.repeat(32)}` } });
  expect(() => openFrostKeyFiles({ network, epoch: 1 }, store, other)).toThrow(
    expect.objectContaining({ code: 'journal-broken' }),
  );
  expect(readFileSync(join(folder, 'keys', wallet, '1.sealed'), 'utf8')).toBe(before);
});

test('confirms only what it reads back from the disk', async () => {
  const own = journal();
  const files = openFrostKeyFiles({ network, epoch: 1 }, store, own);
  const key = made(one);
  files.hold(key);
  const path = join(folder, 'keys', wallet, `1.${one}.pending`);
  const whole = readFileSync(path);
  writeFileSync(path, whole.subarray(0, 100));
  await expect(files.confirm(key, null)).rejects.toMatchObject({ code: 'wrong-passphrase' });
  files.hold(made(one));
  await expect(files.confirm(key, null)).rejects.toMatchObject({ code: 'key-generation-failed' });
  expect(own.state.keys.size).toBe(0);
  writeFileSync(path, whole);
  await files.confirm(key, null);
  expect(files.confirmed()?.session).toBe(one);
});

test('an error about a share quotes none of it', () => {
  const header = { wallet: network, epoch: 1, session: one, group_key: '' };
  store.seal(`${wallet}/1.${one}.pending`, header, utf8ToBytes('the very secret'));
  const files = openFrostKeyFiles({ network, epoch: 1 }, store, journal());
  let error: unknown;
  try {
    files.held(one);
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toMatchObject({ code: 'wrong-passphrase' });
  expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toMatch(/cause|secret/);
});
