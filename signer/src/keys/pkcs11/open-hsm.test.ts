import { randomBytes } from 'node:crypto';
import { Failure } from '@holdfast/core/failure.ts';
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

/** Monotonic. */
let nowMs = 0;
const clock = () => nowMs;
const open = () => openHsm(token.cryptoki, 'signer-1', place, () => pin, clock);

beforeEach(() => {
  token = fakeToken();
  pin = '1234';
  hsm = open();
  ({ publicKey } = hsm.make());
});
afterEach(() => vi.useRealTimers());

const objectOf = (kind: number) =>
  [...token.objects.values()].find(({ attributes }) => attributes.get(ck.CKA_CLASS)?.[0] === kind)!;
type AttributeName = keyof typeof ck extends infer Name ? (Name extends `CKA_${infer Short}` ? Short : never) : never;
const keptAttributes: AttributeName[] = ['EXTRACTABLE', 'LOCAL', 'NEVER_EXTRACTABLE', 'ALWAYS_SENSITIVE', 'SENSITIVE'];
const ownerAttributes = [
  ...keptAttributes,
  ...(['PRIVATE', 'SIGN', 'DECRYPT', 'UNWRAP', 'DERIVE', 'KEY_TYPE', 'EC_PARAMS'] as const),
];
const change = (kind: number, name: AttributeName): void => {
  const { attributes } = objectOf(kind);
  attributes.set(ck[`CKA_${name}`], Buffer.from(attributes.get(ck[`CKA_${name}`])!.map((byte) => byte ^ 1)));
};
const header = { wallet: 'w', epoch: 1 };
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
  const wrong = openHsm(another.cryptoki, 'signer-1', place, () => pin, clock);
  expect(() => wrong.make()).toThrow(refusal('hsm-pin-refused', /CKR_PIN_INCORRECT/));
  for (let count = 0; count < 3; count += 1) {
    await expect(wrong.owner(publicKey)).rejects.toEqual(refusal('hsm-pin-refused'));
    expect(() => wrong.wrap.wrap(header, digest)).toThrow(refusal('hsm-pin-refused'));
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
  const locked = openHsm(another.cryptoki, 'signer-1', place, () => pin, clock);
  await expect(locked.owner(publicKey)).rejects.toEqual(refusal('hsm-pin-refused', message));
  expect(another.tried).toEqual([]);
});

test.each([['C_GenerateKey'], ['C_GenerateKeyPair'], ['C_GetAttributeValue']] as const)(
  'a token that is full or fails at %s keeps nothing of a new signer',
  (call) => {
    const full = fakeToken();
    full.fails.set(call, ['CKR_DEVICE_MEMORY']);
    const making = openHsm(full.cryptoki, 'signer-1', place, () => pin, clock);
    expect(() => making.make()).toThrow(refusal('hsm-unavailable', /CKR_DEVICE_MEMORY/));
    expect(full.objects.size).toBe(0);
    nowMs += 3_000;
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
  ...ownerAttributes.map((name): [string, string, RegExp, () => void] => [
    `has another CKA_${name}`,
    'hsm-key-differs',
    new RegExp(`CKA_${name}$`),
    () => change(ck.CKO_PRIVATE_KEY, name),
  ]),
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
  const bySerial = openHsm(token.cryptoki, 'signer-1', { ...place, token: '0001' }, () => pin, clock);
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

const wrapAttributes: AttributeName[] = ['PRIVATE', 'KEY_TYPE', 'VALUE_LEN', 'ENCRYPT', 'DECRYPT', 'WRAP', 'UNWRAP'];
test.each([...wrapAttributes, 'SIGN', 'VERIFY', 'DERIVE'] as const)(
  'a wrapping key that has another CKA_%s wraps nothing',
  (name) => {
    change(ck.CKO_SECRET_KEY, name);
    expect(() => open().wrap.wrap(header, digest)).toThrow(refusal('hsm-key-differs', new RegExp(`CKA_${name}$`)));
  },
);

test('a key of which the module leaves out an attribute is refused', async () => {
  const describe = token.cryptoki.C_GetAttributeValue;
  token.cryptoki.C_GetAttributeValue = ((...given: Parameters<typeof describe>) =>
    describe(...given).map(({ type }) => ({ type }))) as unknown as typeof describe;
  await expect(open().owner(publicKey)).rejects.toEqual(refusal('hsm-key-differs', /CKA_TOKEN$/));
});

const logInReasons = ['ARGUMENTS_BAD', 'FUNCTION_FAILED', 'GENERAL_ERROR', 'PIN_LOCKED', 'VENDOR_DEFINED'];
test.each(logInReasons)('a log-in that ends with CKR_%s is not tried again', async (reason) => {
  const another = fakeToken();
  another.fails.set('C_Login', [`CKR_${reason}`]);
  const wrong = openHsm(another.cryptoki, 'signer-1', place, () => pin, clock);
  for (let count = 0; count < 3; count += 1) {
    const message = new RegExp(`log in to token-1: CKR_${reason} \\(0x5\\)`);
    await expect(wrong.owner(publicKey)).rejects.toEqual(refusal('hsm-pin-refused', message));
    nowMs += 60_000;
  }
  expect(another.tried).toEqual([]);
});

const lossReasons = ['SESSION_HANDLE_INVALID', 'DEVICE_REMOVED', 'DEVICE_ERROR', 'TOKEN_NOT_PRESENT', 'HOST_MEMORY'];
test.each(lossReasons)('a log-in that ends with CKR_%s says nothing of the PIN', async (reason) => {
  const restarted = fakeToken();
  restarted.fails.set('C_Login', [`CKR_${reason}`]);
  const later = openHsm(restarted.cryptoki, 'signer-1', place, () => pin, clock);
  await expect(later.owner(publicKey)).rejects.toEqual(refusal('hsm-unavailable', new RegExp(reason)));
  nowMs += 3_000;
  await expect(later.owner(publicKey)).rejects.toMatchObject({ code: 'hsm-key-missing' });
  expect(restarted.tried).toEqual(['1234']);
});

test('whoever is logged in already is logged in', async () => {
  token.fails.set('C_Login', ['CKR_USER_ALREADY_LOGGED_IN']);
  const { C_GetSessionInfo: was } = token.cryptoki;
  token.cryptoki.C_GetSessionInfo = (...given) => ({ ...was(...given), state: 0 });
  await expect(open().owner(publicKey)).resolves.toMatchObject({ publicKey });
});

test('a PIN with the end of a line in it is not tried', async () => {
  const another = fakeToken();
  pin = '1234\r';
  const wrong = openHsm(another.cryptoki, 'signer-1', place, () => pin, clock);
  await expect(wrong.owner(publicKey)).rejects.toEqual(refusal('hsm-pin-refused', /control character/));
  expect(another.tried).toEqual([]);
});

test('a PIN file that cannot be read is a refused PIN, and is read again', async () => {
  const another = fakeToken();
  const reading = vi.fn<() => string>(() => {
    throw new Failure('config-invalid', '/pin cannot be read');
  });
  const wrong = openHsm(another.cryptoki, 'signer-1', place, reading, clock);
  await expect(wrong.owner(publicKey)).rejects.toEqual(refusal('hsm-pin-refused', /^\/pin cannot be read$/));
  reading.mockReturnValue('1234');
  expect(wrong.make().publicKey).toHaveLength(33);
});

test('a token that failed is left alone for three seconds, by all that want it', async () => {
  token.slots = 0;
  const away = open();
  const asked = vi.spyOn(token.cryptoki, 'C_GetSlotList');
  for (let count = 0; count < 3; count += 1) {
    await expect(away.owner(publicKey)).rejects.toEqual(refusal('hsm-unavailable', /no token/));
    expect(() => away.wrap.wrap(header, digest)).toThrow(refusal('hsm-unavailable', /no token/));
  }
  expect(asked).toHaveBeenCalledTimes(1);
  token.slots = 1;
  nowMs += 2_999;
  await expect(away.owner(publicKey)).rejects.toEqual(refusal('hsm-unavailable'));
  nowMs += 1;
  await expect(away.owner(publicKey)).resolves.toMatchObject({ publicKey });
});

test.each(['CKR_GENERAL_ERROR', 'CKR_FUNCTION_FAILED'])('unwraps in a new session after %s', (reason) => {
  const wrapped = hsm.wrap.wrap(header, digest);
  token.fails.set('C_Decrypt', [reason]);
  expect(new Uint8Array(open().wrap.unwrap(header, wrapped))).toEqual(digest);
  token.fails.set('C_Decrypt', [reason, reason]);
  expect(() => open().wrap.unwrap(header, wrapped)).toThrow(refusal('hsm-key-differs', /does not open/));
  expect(() => hsm.wrap.unwrap({ ...header, epoch: 2 }, wrapped)).toThrow(refusal('hsm-key-differs', /epoch 2/));
});

test('a session whose signature is of another key is not used again', async () => {
  const owner = await hsm.owner(publicKey);
  const { secret } = objectOf(ck.CKO_PRIVATE_KEY);
  const own = Uint8Array.from(secret);
  secret.fill(3);
  await expect(owner.sign(digest)).rejects.toEqual(refusal('hsm-key-differs', /is not the owner key/));
  secret.set(own);
  const opened = vi.spyOn(token.cryptoki, 'C_OpenSession');
  await expect(owner.sign(digest)).resolves.toHaveLength(65);
  expect(opened).toHaveBeenCalledTimes(1);
});

test('says which keys of a new signer could not be taken back', () => {
  const full = fakeToken();
  full.fails.set('C_GenerateKeyPair', ['CKR_DEVICE_MEMORY']);
  full.fails.set('C_DestroyObject', ['CKR_DEVICE_ERROR']);
  const making = openHsm(full.cryptoki, 'signer-1', place, () => pin, clock);
  expect(() => making.make()).toThrow(
    refusal('hsm-unavailable', /CKR_DEVICE_MEMORY.*1 new keys under the label signer-1 could not be deleted/),
  );
});
