import { Failure } from '@holdfast/core/failure.ts';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { attempt, ck, type Cryptoki, type Handle } from './cryptoki.ts';

/** The two keys of one signer on a token, under one label. */
export type TokenKeyKind = 'owner' | 'wrap';

/** OBJECT IDENTIFIER secp256k1, 1.3.132.0.10, in DER (SEC 2, A.2.1). */
const curve = Buffer.from('06052b8104000a', 'hex');
const aesBytes = 32;
const classOf = { owner: ck.CKO_PRIVATE_KEY, wrap: ck.CKO_SECRET_KEY } as const;
const nameOf = { owner: 'owner key', wrap: 'wrapping key' } as const;

/**
 * The key under its label, which must have been born in the token and be unable to leave it.
 * @throws Failure hsm-key-missing; hsm-key-differs when there are two, or one that is not kept as it must be.
 */
export function findTokenKey(cryptoki: Cryptoki, session: Handle, label: string, kind: TokenKeyKind): Handle {
  const found = findAll(cryptoki, session, classOf[kind], label);
  const [key] = found;
  if (!key) throw new Failure('hsm-key-missing', `the token has no ${nameOf[kind]} under the label ${label}`);
  if (found.length > 1)
    throw new Failure('hsm-key-differs', `the token has ${found.length} ${nameOf[kind]}s under the label ${label}`, {
      fix: 'Find out who made the other one; then delete it with the HSM’s own tool.',
    });
  assertKept(cryptoki, session, key, label, kind);
  return key;
}

export interface MadeKeys {
  /** The owner's, 33 bytes. */
  readonly publicKey: Uint8Array;
  /** Takes both keys off the token. @returns why they had to go, with what stayed there. */
  readonly discard: (why: unknown) => unknown;
}

/**
 * Makes both keys inside the token: the secp256k1 pair, which only signs, and the AES-256 key, which only en- and decrypts.
 * Neither is ever outside of it. When one cannot be made, none is left.
 * @param session one that may change the token.
 * @throws Failure hsm-key-differs when the label is taken; hsm-unavailable.
 */
export function makeTokenKeys(cryptoki: Cryptoki, session: Handle, label: string): MadeKeys {
  for (const objectClass of [ck.CKO_PRIVATE_KEY, ck.CKO_PUBLIC_KEY, ck.CKO_SECRET_KEY]) {
    if (findAll(cryptoki, session, objectClass, label).length === 0) continue;
    throw new Failure('hsm-key-differs', `the token has a key under the label ${label} that this signer did not make`, {
      fix: 'Choose another key label; or, if it is from an init that was cut short, delete it with the HSM’s own tool.',
    });
  }
  const made: Handle[] = [];
  const discard: MadeKeys['discard'] = (why) => {
    const stayed = made.splice(0).filter((key) => !destroyed(cryptoki, session, key));
    if (stayed.length === 0 || !(why instanceof Failure)) return why;
    const what = `${why.message}; and ${stayed.length} new keys under the label ${label} could not be deleted`;
    return new Failure(why.code, what, { fix: 'Delete them with the HSM’s own tool before the next init.' });
  };
  try {
    made.push(attempt('make an AES-256 key', () => makeWrapKey(cryptoki, session, label)));
    const pair = attempt('make a secp256k1 key', () => makeOwnerPair(cryptoki, session, label));
    made.push(pair.privateKey, pair.publicKey);
    for (const kind of ['owner', 'wrap'] as const) findTokenKey(cryptoki, session, label, kind);
    return { publicKey: readPoint(cryptoki, session, pair.publicKey), discard };
  } catch (error) {
    throw discard(error);
  }
}

function destroyed(cryptoki: Cryptoki, session: Handle, key: Handle): boolean {
  try {
    cryptoki.C_DestroyObject(session, key);
    return true;
  } catch {
    return false;
  }
}

function makeWrapKey(cryptoki: Cryptoki, session: Handle, label: string): Handle {
  return cryptoki.C_GenerateKey(session, { mechanism: ck.CKM_AES_KEY_GEN }, [
    ...attributes({ CLASS: ck.CKO_SECRET_KEY, KEY_TYPE: ck.CKK_AES, VALUE_LEN: aesBytes, ...stays(label) }),
    ...attributes({ ENCRYPT: true, DECRYPT: true, WRAP: false, UNWRAP: false, SIGN: false, VERIFY: false }),
    ...attributes({ DERIVE: false }),
  ]);
}

function makeOwnerPair(cryptoki: Cryptoki, session: Handle, label: string) {
  const id = Buffer.from(label);
  return cryptoki.C_GenerateKeyPair(
    session,
    { mechanism: ck.CKM_EC_KEY_PAIR_GEN },
    attributes({ KEY_TYPE: ck.CKK_EC, TOKEN: true, LABEL: label, ID: id, EC_PARAMS: curve, VERIFY: true }),
    attributes({ KEY_TYPE: ck.CKK_EC, ...stays(label), SIGN: true, DECRYPT: false, UNWRAP: false, DERIVE: false }),
  );
}

/** A key of the token that cannot be read and cannot leave. */
function stays(label: string) {
  const id = Buffer.from(label);
  return { TOKEN: true, PRIVATE: true, SENSITIVE: true, EXTRACTABLE: false, LABEL: label, ID: id } as const;
}

type AttributeName = keyof typeof ck extends infer Name ? (Name extends `CKA_${infer Short}` ? Short : never) : never;

function attributes(values: Partial<Record<AttributeName, boolean | number | string | Buffer>>) {
  return Object.entries(values).map(([name, value]) => ({ type: ck[`CKA_${name as AttributeName}`], value }));
}

/** CK_BBOOL and CK_ULONG as they come out of the module, in hexadecimal. */
const [yes, no] = ['01', '00'];
const long = (value: number): string => `${value.toString(16).padStart(2, '0')}${'00'.repeat(7)}`;

/** All that the templates below set, and what a token says of a key that it made and never gave away. */
const born = {
  TOKEN: yes,
  PRIVATE: yes,
  SENSITIVE: yes,
  ALWAYS_SENSITIVE: yes,
  EXTRACTABLE: no,
  NEVER_EXTRACTABLE: yes,
  LOCAL: yes,
} as const;
const usesOf = {
  owner: {
    KEY_TYPE: long(ck.CKK_EC),
    EC_PARAMS: curve.toString('hex'),
    SIGN: yes,
    DECRYPT: no,
    UNWRAP: no,
    DERIVE: no,
  },
  wrap: {
    KEY_TYPE: long(ck.CKK_AES),
    VALUE_LEN: long(aesBytes),
    ENCRYPT: yes,
    DECRYPT: yes,
    WRAP: no,
    UNWRAP: no,
    SIGN: no,
    VERIFY: no,
    DERIVE: no,
  },
} as const;

/** @throws Failure hsm-key-differs for a key that was put in from outside, could be taken out, or does more than its one task. */
function assertKept(cryptoki: Cryptoki, session: Handle, key: Handle, label: string, kind: TokenKeyKind): void {
  const expected: Partial<Record<AttributeName, string>> = { ...born, ...usesOf[kind] };
  const names = Object.keys(expected) as AttributeName[];
  const template = names.map((name) => ({ type: ck[`CKA_${name}`] }));
  const values = attempt(`describe the ${nameOf[kind]}`, () => cryptoki.C_GetAttributeValue(session, key, template));
  for (const [at, name] of names.entries()) {
    if (hexOf(values[at]) === expected[name]) continue;
    const what = `the ${nameOf[kind]} under the label ${label} is not as it was made, in the token and for one use`;
    throw new Failure('hsm-key-differs', `${what}: CKA_${name}`);
  }
}

function findAll(cryptoki: Cryptoki, session: Handle, objectClass: number, label: string): Handle[] {
  return attempt('look for keys', () => {
    cryptoki.C_FindObjectsInit(session, attributes({ CLASS: objectClass, TOKEN: true, LABEL: label }));
    try {
      // Two are too many already.
      return cryptoki.C_FindObjects(session, 2);
    } finally {
      cryptoki.C_FindObjectsFinal(session);
    }
  });
}

/** Empty for an attribute that the module leaves out, whatever its types say. */
function hexOf(attribute: { readonly value?: Buffer } | undefined): string {
  return attribute?.value?.toString('hex') ?? '';
}

/** CKA_EC_POINT is the uncompressed point in a DER OCTET STRING (PKCS#11 2.40, 2.3.3); some tokens leave that away. */
function readPoint(cryptoki: Cryptoki, session: Handle, key: Handle): Uint8Array {
  const [attribute] = attempt('give the public key', () =>
    cryptoki.C_GetAttributeValue(session, key, [{ type: ck.CKA_EC_POINT }]),
  );
  const text = hexOf(attribute);
  const point = /^(?:0441)?(04[0-9a-f]{128})$/.exec(text)?.[1];
  try {
    return secp256k1.Point.fromHex(point ?? '').toBytes(true);
  } catch {
    throw new Failure('hsm-unavailable', `the token gave a public key that is no secp256k1 point: ${text}`);
  }
}
