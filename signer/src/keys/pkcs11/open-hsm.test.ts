import { randomBytes } from 'node:crypto';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ck } from './cryptoki.ts';
import { fakeToken, type FakeToken } from './fake-token.test-support.ts';
import { openHsm, type Hsm } from './open-hsm.ts';

/** What SoftHSM cannot be brought to; test/functional/signer-hsm.test.ts has the rest, on a real module. */
const place = { module: '/lib/hsm.so', token: 'token-1', pin_file: '/pin', key_label: 'signer-1' };
const digest = new Uint8Array(32).fill(7);
let token: FakeToken;
let pin: string;
let hsm: Hsm;
let publicKey: Uint8Array;

const open = () => openHsm(token.cryptoki, 'signer-1', place, () => pin);

beforeEach(() => {
  token = fakeToken();
  pin = '1234';
  hsm = open();
  ({ publicKey } = hsm.make());
});
afterEach(() => vi.useRealTimers());

const objectOf = (kind: number) =>
  [...token.objects.values()].find(({ attributes }) => attributes.get(ck.CKA_CLASS)?.[0] === kind)!;
const refusal = (code: string, message = /./) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });

test('signs many digests, each with a low s that recovers to the key', async () => {
  const owner = await hsm.owner(publicKey);
  for (let count = 0; count < 40; count += 1) {
    const hash = new Uint8Array(randomBytes(32));
    const signature = await owner.sign(hash);
    expect(secp256k1.verify(signature.subarray(0, 64), hash, publicKey, { prehash: false, lowS: true })).toBe(true);
  }
  expect(token.tried).toEqual(['1234']);
});

test('a session lost between two signatures is opened again', async () => {
  const owner = await hsm.owner(publicKey);
  for (const call of ['C_SignInit', 'C_SignAsync'] as const) {
    token.fails.set(call, ['CKR_SESSION_HANDLE_INVALID']);
    await expect(owner.sign(digest)).resolves.toHaveLength(65);
  }
});

test('a session lost again at once is a refusal; the next signature is made', async () => {
  const owner = await hsm.owner(publicKey);
  token.fails.set('C_SignAsync', ['CKR_DEVICE_REMOVED', 'CKR_DEVICE_REMOVED', 'CKR_DEVICE_REMOVED']);
  await expect(owner.sign(digest)).rejects.toEqual(refusal('hsm-unavailable', /CKR_DEVICE_REMOVED/));
  expect(token.fails.get('C_SignAsync')).toHaveLength(1);
  token.fails.clear();
  await expect(owner.sign(digest)).resolves.toHaveLength(65);
});

test('a wrong PIN is tried once, however often a signature is asked for', async () => {
  const another = fakeToken();
  another.objects.clear();
  pin = '9999';
  const wrong = openHsm(another.cryptoki, 'signer-1', place, () => pin);
  expect(() => wrong.make()).toThrow(refusal('hsm-pin-refused', /CKR_PIN_INCORRECT/));
  for (let count = 0; count < 3; count += 1) {
    await expect(wrong.owner(publicKey)).rejects.toEqual(refusal('hsm-pin-refused'));
    expect(() => wrong.wrap.wrap({ wallet: 'w', epoch: 1 }, digest)).toThrow(refusal('hsm-pin-refused'));
  }
  expect(another.tried).toEqual(['9999']);
  expect(JSON.stringify(await wrong.owner(publicKey).catch(String))).not.toContain('9999');
});

test.each<[string, number, RegExp]>([
  ['is locked', ck.CKF_USER_PIN_INITIALIZED | ck.CKF_USER_PIN_LOCKED, /locked/],
  ['has one try left', ck.CKF_USER_PIN_INITIALIZED | ck.CKF_USER_PIN_FINAL_TRY, /last try/],
  ['was never set', 0, /no user PIN/],
])('a PIN that %s is not tried', async (_, flags, message) => {
  const another = fakeToken();
  another.flags = flags;
  const locked = openHsm(another.cryptoki, 'signer-1', place, () => pin);
  await expect(locked.owner(publicKey)).rejects.toEqual(refusal('hsm-pin-refused', message));
  expect(another.tried).toEqual([]);
});

test.each([['C_GenerateKey'], ['C_GenerateKeyPair'], ['C_GetAttributeValue']] as const)(
  'a token that is full or fails at %s keeps nothing of a new signer',
  (call) => {
    const full = fakeToken();
    full.fails.set(call, ['CKR_DEVICE_MEMORY']);
    const making = openHsm(full.cryptoki, 'signer-1', place, () => pin);
    expect(() => making.make()).toThrow(refusal('hsm-unavailable', /CKR_DEVICE_MEMORY/));
    expect(full.objects.size).toBe(0);
    expect(making.make().publicKey).toHaveLength(33);
  },
);

test('makes no second key under a label, and leaves the first', async () => {
  expect(() => open().make()).toThrow(refusal('hsm-key-differs', /did not make/));
  expect(token.objects.size).toBe(3);
  await expect(open().owner(publicKey)).resolves.toMatchObject({ publicKey });
});

test.each<[string, string, RegExp, () => void]>([
  ['is gone', 'hsm-key-missing', /no owner key/, () => token.objects.clear()],
  [
    'is there twice',
    'hsm-key-differs',
    /has 2 owner keys/,
    () => void token.objects.set('ff'.repeat(8), objectOf(ck.CKO_PRIVATE_KEY)),
  ],
  ...(['EXTRACTABLE', 'LOCAL', 'NEVER_EXTRACTABLE', 'ALWAYS_SENSITIVE', 'SENSITIVE', 'SIGN', 'EC_PARAMS'] as const).map(
    (name): [string, string, RegExp, () => void] => [
      `has another CKA_${name}`,
      'hsm-key-differs',
      new RegExp(`CKA_${name}$`),
      () => {
        const { attributes } = objectOf(ck.CKO_PRIVATE_KEY);
        const was = attributes.get(ck[`CKA_${name}`])!;
        attributes.set(ck[`CKA_${name}`], Buffer.from(was.map((byte) => byte ^ 1)));
      },
    ],
  ),
  [
    'is another one',
    'hsm-key-differs',
    /is not the owner key/,
    () => objectOf(ck.CKO_PRIVATE_KEY).secret.set(new Uint8Array(32).fill(3)),
  ],
])('a key that %s signs nothing, neither at the start nor after a lost session', async (_, code, message, spoil) => {
  const owner = await hsm.owner(publicKey);
  spoil();
  await expect(open().owner(publicKey)).rejects.toEqual(refusal(code, message));
  token.fails.set('C_SignInit', ['CKR_SESSION_HANDLE_INVALID']);
  await expect(owner.sign(digest)).rejects.toEqual(refusal(code, message));
});

test('finds its token by serial number, and takes none of two with one label', async () => {
  const bySerial = openHsm(token.cryptoki, 'signer-1', { ...place, token: '0001' }, () => pin);
  await expect(bySerial.owner(publicKey)).resolves.toMatchObject({ publicKey });
  token.slots = 2;
  await expect(open().owner(publicKey)).rejects.toEqual(refusal('hsm-unavailable', /2 tokens are called token-1/));
  token.slots = 0;
  await expect(open().owner(publicKey)).rejects.toEqual(refusal('hsm-unavailable', /no token token-1; there are none/));
});

test('an HSM that hangs is refused in time, holds up one call, and signs when it is back', async () => {
  const owner = await hsm.owner(publicKey);
  const back = Promise.withResolvers<void>();
  let calls = 0;
  token.beforeSigning = async () => {
    calls += 1;
    await back.promise;
  };
  vi.useFakeTimers();
  const hanging = [0, 1, 2].map(async () => owner.sign(digest));
  const refused = Promise.all(
    hanging.map(async (one) =>
      expect(one).rejects.toEqual(refusal('hsm-unavailable', /did not answer within 5000 ms/)),
    ),
  );
  await vi.advanceTimersByTimeAsync(5_000);
  await refused;
  expect(calls).toBe(1);
  back.resolve();
  await expect(owner.sign(digest)).resolves.toHaveLength(65);
  expect(calls).toBe(2);
});
