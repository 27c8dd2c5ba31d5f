import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { openSealed, seal, type SealedFile } from '@holdfast/core/sealing/seal.ts';
import type { JournalRecord } from '@holdfast/core/signing/journal-record.ts';
import { signerEnv } from '@holdfast/devnet/signer-program.ts';
import { stretch } from '@holdfast/signer/keys/key-store.ts';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { hexToBytes } from '@noble/hashes/utils.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { signEvm } from '../support/signer-rounds.ts';
import { evmRequest, startStage, withdrawal, type SignerStage } from '../support/signer-stage.ts';
import type { SignerProcess } from '../support/signers.ts';
import { makeSoftToken, pkcs11Arguments, userPin, type SoftToken } from '../support/soft-token.ts';

/** The owner key and the wrapping key in a SoftHSM. That it signs as software does is shown by signer-evm.test.ts. */
const run = promisify(execFile);
const signerMain = fileURLToPath(new URL('../../signer/src/main.ts', import.meta.url));
const loseSessions = fileURLToPath(new URL('../support/lose-sessions.ts', import.meta.url));
const passphrase = 'correct horse battery staple';

interface Ended {
  readonly code: number;
  readonly lines: Record<string, unknown>[];
}

describe('one signer', () => {
  let folder: string;
  let dataDir: string;
  let hsm: SoftToken;
  /** Of another signer, made under the same names. */
  let stranger: SoftToken;
  let card: Record<string, unknown>;

  /** Opens every key, as a start does, and prints the card; or makes what is missing. */
  const init = async (change: Partial<SoftToken['pkcs11']> = {}, own = hsm, where = dataDir): Promise<Ended> => {
    const named = pkcs11Arguments({ ...own.pkcs11, ...change });
    const args = [signerMain, 'init', where, '--signer', 'signer-1', ...named];
    return runInit(args, own);
  };
  const runInit = async (args: string[], own: SoftToken): Promise<Ended> => {
    const env = signerEnv(join(folder, 'passphrase'), own.env);
    const weak = ['--kdf-memory-kib', '64', '--kdf-passes', '1'];
    const ended = await run(process.execPath, [...args, ...weak], { env }).then(
      ({ stdout }) => ({ code: 0, stdout }),
      (error: { code: number; stdout: string }) => error,
    );
    expect(ended.stdout).not.toContain(userPin);
    expect(ended.stdout).not.toContain(passphrase);
    const lines = ended.stdout.trim().split('\n');
    return { code: ended.code, lines: lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
  };
  const sealedAt = (name: string): string => join(dataDir, 'keys', name, '1.sealed');
  /** As somebody can who has the passphrase: seals another header and content in place of a file's. */
  const reseal = async (
    name: string,
    header: SealedFile['header'],
    content: (inner: Uint8Array) => Uint8Array,
    from = name,
  ): Promise<void> => {
    const { kdf, nonce, ...rest } = JSON.parse(readFileSync(sealedAt(from), 'utf8')) as SealedFile;
    const key = await stretch(Buffer.from(passphrase), kdf);
    const plaintext = content(openSealed({ kdf, nonce, ...rest }, key));
    const sealed = seal({ kdf, header, key, nonce: hexToBytes(nonce), plaintext });
    writeFileSync(sealedAt(name), JSON.stringify(sealed));
  };
  const headerOf = (name: string) => (JSON.parse(readFileSync(sealedAt(name), 'utf8')) as SealedFile).header;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-hsm-'));
    writeFileSync(join(folder, 'passphrase'), passphrase);
    dataDir = join(folder, 'signer-1');
    hsm = await makeSoftToken(folder, 'signer-1');
    mkdirSync(join(folder, 'other'));
    stranger = await makeSoftToken(join(folder, 'other'), 'signer-1');
    const made = await Promise.all([init(), init({}, stranger, join(folder, 'other', 'signer-1'))]);
    expect(made.map(({ code }) => code)).toEqual([0, 0]);
    card = made[0].lines[0]!;
    for (const from of [dataDir, hsm.tokens]) cpSync(from, `${from}.kept`, { recursive: true });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const restore = (): void => {
    for (const to of [dataDir, hsm.tokens]) {
      rmSync(to, { recursive: true });
      cpSync(`${to}.kept`, to, { recursive: true });
    }
    writeFileSync(hsm.pkcs11.pin_file, `${userPin}\n`);
  };

  const refusals: [string, string, RegExp, RegExp, () => Promise<Ended>][] = [
    [
      'module is missing',
      'hsm-unavailable',
      /none\.so cannot be loaded/,
      /client library/,
      async () => init({ module: '/none.so' }, hsm, join(folder, 'new')),
    ],
    [
      'module is another file',
      'hsm-unavailable',
      /cannot be loaded/,
      /client library/,
      async () => init({ module: hsm.pkcs11.pin_file }, hsm, join(folder, 'new')),
    ],
    [
      'module is another than then',
      'config-invalid',
      /was made with the module .*, and \/none\.so is named/,
      /put a link/,
      async () => init({ module: '/none.so' }),
    ],
    [
      'token is absent',
      'hsm-unavailable',
      /no token spare; there are signer-1/,
      /use-an-hsm/,
      async () => init({ token: 'spare' }),
    ],
    [
      'PIN is wrong',
      'hsm-pin-refused',
      /CKR_PIN_INCORRECT/,
      /PIN file/,
      async () => {
        writeFileSync(hsm.pkcs11.pin_file, '000000');
        return init();
      },
    ],
    ['PIN file is missing', 'hsm-pin-refused', /none cannot be read/, /./, async () => init({ pin_file: '/none' })],
    [
      'key label is another',
      'hsm-key-missing',
      /wrapping key under the label spare/,
      /token/,
      async () => init({ key_label: 'spare' }),
    ],
    [
      'token was made anew',
      'hsm-key-missing',
      /wrapping key under the label signer-1/,
      /restore/,
      async () => {
        await hsm.initialize();
        return init();
      },
    ],
    [
      "token is another signer's",
      'hsm-key-differs',
      /does not open for signer-1/,
      /own token/,
      async () => init({}, stranger),
    ],
    [
      'files are sealed by the passphrase alone',
      'config-invalid',
      /statement\/1\.sealed was made without an HSM/,
      /new signer/,
      async () => {
        const { wrapped: _, ...header } = headerOf('statement');
        await reseal('statement', header, () => new Uint8Array(32).fill(1));
        return init();
      },
    ],
    [
      'wrapped secret was changed by somebody with the passphrase',
      'hsm-key-differs',
      /secret of statement, epoch 1/,
      /own files/,
      async () => {
        await reseal('statement', headerOf('statement'), (inner) =>
          inner.map((byte, at) => (at === 20 ? byte ^ 1 : byte)),
        );
        return init();
      },
    ],
    [
      'wrapped secret stands in for another, by somebody with the passphrase',
      'hsm-key-differs',
      /secret of statement, epoch 1/,
      /own files/,
      async () => {
        await reseal('statement', headerOf('statement'), (inner) => inner, 'identity');
        return init();
      },
    ],
    [
      'file was changed',
      'wrong-passphrase',
      /altered/,
      /./,
      async () => {
        const text = readFileSync(sealedAt('owner'), 'utf8');
        writeFileSync(sealedAt('owner'), text.replace('"wrapped":"pkcs11"', '"wrapped":"pkcs12"'));
        return init();
      },
    ],
    [
      'config names no HSM',
      'config-invalid',
      /made with an HSM, and config\.json names none/,
      /pkcs11/,
      async () => runInit([signerMain, 'init', dataDir, '--signer', 'signer-1'], hsm),
    ],
    [
      'label is taken, and the signer new',
      'hsm-key-differs',
      /did not make/,
      /another key label/,
      async () => init({}, hsm, join(folder, 'new')),
    ],
  ];

  test.each(refusals)('the %s: refuses, says why and how to repair', async (_, code, message, fix, spoil) => {
    try {
      const { code: exit, lines } = await spoil();
      const fatal = { event: 'fatal', code, message: expect.stringMatching(message), fix: expect.stringMatching(fix) };
      expect(lines).toEqual([expect.objectContaining(fatal)]);
      expect(exit).not.toBe(0);
      // By which a service manager knows that another start may lock the token.
      expect(exit === 3).toBe(code === 'hsm-pin-refused' || code === 'wrong-passphrase');
    } finally {
      restore();
    }
  });

  test('a refused new signer leaves no file, and all repaired the first one is what it was', async () => {
    expect(readdirSync(join(folder, 'new'), { recursive: true, encoding: 'utf8' }).toSorted()).toEqual([
      'keys',
      'policies',
    ]);
    expect(await init()).toEqual({ code: 0, lines: [card] });
  });

  test('sessions lost in the middle of a batch are opened again', async () => {
    const own = await makeSoftToken(folder, 'sessions');
    const env = { ...process.env, ...own.env };
    const { stdout } = await run(process.execPath, [loseSessions, JSON.stringify(own.pkcs11)], { env });
    const { publicKey, signatures, unwrapped } = JSON.parse(stdout) as {
      publicKey: string;
      signatures: { digest: string; signature: string }[];
      unwrapped: string;
    };
    expect(new Set(signatures.map(({ digest }) => digest)).size).toBe(30);
    for (const { digest, signature } of signatures) {
      const bytes = hexToBytes(signature);
      const recovered = Uint8Array.of(bytes[64]! - 27, ...bytes.subarray(0, 64));
      expect(secp256k1.Signature.fromBytes(bytes.subarray(0, 64), 'compact').hasHighS()).toBe(false);
      expect(
        Buffer.from(secp256k1.recoverPublicKey(recovered, hexToBytes(digest), { prehash: false })).toString('hex'),
      ).toBe(publicKey);
    }
    expect(unwrapped).toBe(publicKey);
  });
});

describe('running signers', () => {
  let stage: SignerStage;
  let one: SignerProcess;
  beforeAll(async () => {
    stage = await startStage({ hsm: true });
    one = stage.cluster.signers[0] as SignerProcess;
  });
  afterAll(async () => stage?.stop());

  const signedByOne = (): number => {
    const lines = readFileSync(join(one.dataDir, 'journal.jsonl'), 'utf8').trim().split('\n');
    const records = lines.map((line) => JSON.parse(line) as JournalRecord);
    return records.filter(
      ({ kind, body }) => kind === 'signed' && 'statement' in body && body.statement.signer === one.id,
    ).length;
  };

  test('the log says which code of the host’s own each signer loads, and they run the bundle where the host lets them', () => {
    const sha256 = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
    const binding = createRequire(import.meta.url).resolve('pkcs11js/build/Release/pkcs11.node');
    const { module, token } = (one.hsm as SoftToken).pkcs11;
    expect(token).toBe(one.id);
    const said = one.log.find(({ event }) => event === 'hsm-module');
    expect(said).toMatchObject({ path: module, sha256: sha256(module), binding: sha256(binding) });
    const searching = 'LD_LIBRARY_PATH' in (one.hsm as SoftToken).env;
    expect(one.log.find(({ event }) => event === 'build')?.['build'] === 'source').toBe(searching);
  });

  test('whoever has the disk and the passphrase has no share and no key', async () => {
    const keys = join(one.dataDir, 'keys');
    const names = readdirSync(keys, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.sealed'));
    expect(names.length).toBe(5);
    for (const name of names) {
      const file = JSON.parse(readFileSync(join(keys, name), 'utf8')) as SealedFile;
      const inner = Buffer.from(openSealed(file, await stretch(Buffer.from(passphrase), file.kdf)));
      expect(file.header['wrapped']).toBe('pkcs11');
      expect(inner.toString('latin1')).not.toMatch(/signing_share|PRIVATE KEY/);
    }
  });

  test('a token that is made anew meanwhile signs nothing and nothing is journalled as signed; brought back, it signs', async () => {
    const request = evmRequest([withdrawal()], (stage.node.safeNonce += 1n));
    const hsm = one.hsm as SoftToken;
    cpSync(hsm.tokens, `${hsm.tokens}.kept`, { recursive: true });
    await hsm.initialize();
    const before = signedByOne();
    await expect(signEvm(request)(one)).rejects.toMatchObject({ code: 'hsm-key-missing' });
    await expect(signEvm(request)(one)).rejects.toMatchObject({ code: 'hsm-key-missing' });
    expect(signedByOne()).toBe(before);
    // The others are a quorum.
    for (const other of stage.cluster.signers.slice(1)) await signEvm(request)(other);
    await one.stop();
    await expect(one.start()).rejects.toThrow(/hsm-key-missing/);
    rmSync(hsm.tokens, { recursive: true });
    renameSync(`${hsm.tokens}.kept`, hsm.tokens);
    await one.start();
    await expect(signEvm(request)(one)).resolves.toMatchObject({ owner: one.card.owner_address });
    expect(signedByOne()).toBe(before + 1);
  });
});
