import { createCipheriv, createDecipheriv } from 'node:crypto';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { ck, type Cryptoki, type Handle } from './cryptoki.ts';

interface FakeObject {
  /** By attribute type, as C_GetAttributeValue gives them. */
  readonly attributes: Map<number, Buffer>;
  readonly secret: Uint8Array;
}
type Template = readonly { readonly type: number; readonly value?: unknown }[];

/** A token in memory, for what no SoftHSM does: it locks, fills up, hangs and loses sessions when a test says so. */
export interface FakeToken {
  readonly cryptoki: Cryptoki;
  label: string;
  pin: string;
  flags: number;
  /** PINs that were tried. */
  readonly tried: string[];
  readonly objects: Map<string, FakeObject>;
  /** CKR names that the next calls of a function end with. */
  readonly fails: Map<keyof Cryptoki, string[]>;
  /** Awaited before a signature is given. */
  beforeSigning: () => Promise<void>;
  /** How many slots hold this token. */
  slots: number;
}

export function fakeToken(): FakeToken {
  const token: Omit<FakeToken, 'cryptoki'> = {
    label: 'token-1',
    pin: '1234',
    flags: ck.CKF_USER_PIN_INITIALIZED,
    tried: [],
    objects: new Map(),
    fails: new Map(),
    beforeSigning: async () => undefined,
    slots: 1,
  };
  const calls = { ...sessionCalls(token), ...objectCalls(token), ...gcmCalls(token) };
  const cryptoki = Object.fromEntries(
    Object.entries(calls).map(([name, call]) => [
      name,
      (...given: never[]) => {
        const reason = token.fails.get(name as keyof Cryptoki)?.shift();
        if (reason !== undefined) throw Object.assign(new Error(reason), { code: 0x5 });
        return (call as (...all: never[]) => unknown)(...given);
      },
    ]),
  ) as unknown as Cryptoki;
  return Object.assign(token, { cryptoki });
}

function sessionCalls(token: Omit<FakeToken, 'cryptoki'>) {
  const sessions = new Set<string>();
  let isLoggedIn = false;
  let count = 0;
  return {
    C_GetSlotList: () => Array.from({ length: token.slots }, (_, at) => handle(at)),
    C_GetTokenInfo: () => ({ label: token.label.padEnd(32), serialNumber: '0001'.padEnd(16), flags: token.flags }),
    C_OpenSession: () => {
      const session = handle((count += 1));
      sessions.add(session.toString('hex'));
      return session;
    },
    C_GetSessionInfo: () => ({ state: isLoggedIn ? ck.CKS_RO_USER_FUNCTIONS : 0 }),
    C_CloseSession: (session: Handle) => {
      sessions.delete(session.toString('hex'));
      if (sessions.size === 0) isLoggedIn = false;
    },
    C_Login: (_session: Handle, _user: number, pin: string) => {
      token.tried.push(pin);
      if (pin !== token.pin) throw new Error('CKR_PIN_INCORRECT');
      isLoggedIn = true;
    },
  };
}

function objectCalls(token: Omit<FakeToken, 'cryptoki'>) {
  let count = 0;
  let found: Handle[] = [];
  let signing: Uint8Array = new Uint8Array();
  const add = (template: Template, secret: Uint8Array, more: readonly [number, Buffer][] = []): Handle => {
    const born = [ck.CKA_LOCAL, ck.CKA_ALWAYS_SENSITIVE, ck.CKA_NEVER_EXTRACTABLE].map(
      (type) => [type, Buffer.of(1)] as [number, Buffer],
    );
    const given = template.map(({ type, value }) => [type, bytesOf(value)] as [number, Buffer]);
    const object = handle((count += 1));
    token.objects.set(object.toString('hex'), { attributes: new Map([...born, ...given, ...more]), secret });
    return object;
  };
  const get = (object: Handle): FakeObject => {
    const one = token.objects.get(object.toString('hex'));
    if (!one) throw new Error('CKR_OBJECT_HANDLE_INVALID');
    return one;
  };
  return {
    C_FindObjectsInit: (_session: Handle, template: Template) => {
      const fits = ({ attributes }: FakeObject): boolean =>
        template.every(({ type, value }) => attributes.get(type)?.equals(bytesOf(value)));
      found = [...token.objects].filter(([, object]) => fits(object)).map(([hex]) => Buffer.from(hex, 'hex'));
    },
    C_FindObjects: (_session: Handle, most: number) => found.slice(0, most),
    C_FindObjectsFinal: () => undefined,
    C_GetAttributeValue: (_session: Handle, object: Handle, template: Template) =>
      template.map(({ type }) => ({ type, value: get(object).attributes.get(type) ?? Buffer.alloc(0) })),
    C_GenerateKey: (_session: Handle, _mechanism: unknown, template: Template) => add(template, new Uint8Array(32)),
    C_GenerateKeyPair: (_session: Handle, _mechanism: unknown, open: Template, closed: Template) => {
      const secret = secp256k1.utils.randomSecretKey();
      const point = Buffer.concat([Buffer.of(4, 65), secp256k1.getPublicKey(secret, false)]);
      const curve = open.filter(({ type }) => type === ck.CKA_EC_PARAMS);
      const classes = [ck.CKO_PUBLIC_KEY, ck.CKO_PRIVATE_KEY].map((value) => ({ type: ck.CKA_CLASS, value }));
      return {
        publicKey: add([classes[0]!, ...open], new Uint8Array(), [[ck.CKA_EC_POINT, point]]),
        privateKey: add([classes[1]!, ...curve, ...closed], secret),
      };
    },
    C_DestroyObject: (_session: Handle, object: Handle) => void token.objects.delete(object.toString('hex')),
    C_SignInit: (_session: Handle, _mechanism: unknown, key: Handle) => void (signing = get(key).secret),
    C_SignAsync: async (_session: Handle, digest: Buffer, out: Buffer) => {
      await token.beforeSigning();
      out.set(secp256k1.sign(digest, signing, { prehash: false, lowS: false, extraEntropy: true }));
      return out;
    },
  };
}

interface Gcm {
  readonly parameter: { readonly iv: Buffer; readonly aad: Buffer };
}

function gcmCalls(token: Omit<FakeToken, 'cryptoki'>) {
  let current: { readonly secret: Uint8Array; readonly parameter: Gcm['parameter'] } | undefined;
  const init = (_session: Handle, { parameter }: Gcm, key: Handle): void => {
    current = { parameter, secret: token.objects.get(key.toString('hex'))!.secret };
  };
  return {
    C_EncryptInit: init,
    C_Encrypt: (_session: Handle, input: Buffer) => {
      const { secret, parameter } = current!;
      const cipher = createCipheriv('aes-256-gcm', secret, parameter.iv).setAAD(parameter.aad);
      return Buffer.concat([cipher.update(input), cipher.final(), cipher.getAuthTag()]);
    },
    C_DecryptInit: init,
    C_Decrypt: (_session: Handle, input: Buffer) => {
      const { secret, parameter } = current!;
      const cipher = createDecipheriv('aes-256-gcm', secret, parameter.iv).setAAD(parameter.aad);
      cipher.setAuthTag(input.subarray(-16));
      const opened = cipher.update(input.subarray(0, -16));
      try {
        return Buffer.concat([opened, cipher.final()]);
      } catch {
        throw new Error('CKR_GENERAL_ERROR');
      }
    },
  };
}

function handle(number: number): Handle {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(number);
  return bytes;
}

function bytesOf(value: unknown): Buffer {
  if (Buffer.isBuffer(value)) return value;
  if (typeof value === 'boolean') return Buffer.of(value ? 1 : 0);
  if (typeof value === 'number') return handle(value);
  return Buffer.from(String(value));
}
