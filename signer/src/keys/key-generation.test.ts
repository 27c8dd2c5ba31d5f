import { secp256k1_FROST } from '@noble/curves/secp256k1.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { Failure } from '@holdfast/core/failure.ts';
import type { MeshHello, MeshPath, MeshRequest, MeshResponse } from '@holdfast/core/signing/messages.ts';
import { describe, expect, test, vi } from 'vitest';
import type { FrostKey } from './frost-key.ts';
import type { FrostKeyFiles } from './frost-key-files.ts';
import { createKeyGeneration, type KeyGeneration, type KeyPeer } from './key-generation.ts';
import { paceKeyGeneration } from './pace-key-generation.ts';

const network = 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328';
const id = 'ab'.repeat(16);
const otherId = 'cd'.repeat(16);
const ceremony = 'ce'.repeat(32);

/** What a party answers to a peer's question; a test replaces it to misbehave. */
type Answer = (path: MeshPath, body: { session: string }, from: number, honest: () => unknown) => unknown;

interface Party {
  generation: KeyGeneration;
  files: FrostKeyFiles;
  answer: Answer;
  /** The ceremony that it names in its hello. */
  told: string;
}

function helloOf(told: string): MeshHello {
  return {
    signer: 'signer-1',
    boot_id: 'boot',
    build: 'dev',
    now_ms: 0,
    ceremony: told,
    policy: { version: 1, digest: '00'.repeat(32) },
    head: { seq: 0, hash: '00'.repeat(32) },
    your_head: null,
    halts: 0,
  };
}

/** Disk of one party: survives `reboot`. */
function memoryFiles(disk: { held: Map<string, FrostKey>; confirmed: FrostKey | null }): FrostKeyFiles {
  return {
    confirmed: () => disk.confirmed,
    held: (session) => disk.held.get(session) ?? null,
    hold: (key) => void disk.held.set(key.session, key),
    confirm: async (key) => void (disk.confirmed = key),
  };
}

/** Three parties that talk directly. */
function threeParties(): {
  parties: Party[];
  /** What each finds when it looks at all builds. */
  builds: (() => void)[];
  peersOf: (at: number) => KeyPeer[];
  reboot: (at: number, ownCeremony?: string) => void;
  run: (steps: readonly ('start' | 'collect' | 'verify' | 'hold')[], session?: string) => Promise<unknown>;
} {
  const parties: Party[] = [];
  const disks = [1, 2, 3].map(() => ({ held: new Map<string, FrostKey>(), confirmed: null as FrostKey | null }));
  const answerOf = (at: number, path: MeshPath, body: { session: string }, from: number): unknown => {
    const { generation } = parties[at] as Party;
    if (path === '/v1/mesh/dkg/package') return generation.showPackage(body.session);
    if (path === '/v1/mesh/dkg/echo') return generation.showEcho(body.session);
    if (path === '/v1/mesh/dkg/share') return generation.showShare(body.session, from);
    if (path === '/v1/mesh/dkg/key') return generation.showKey(body.session);
    return {};
  };
  const peersOf = (at: number): KeyPeer[] =>
    [0, 1, 2]
      .filter((other) => other !== at)
      .map((other) => ({
        identifier: other + 1,
        signer: `signer-${other + 1}`,
        call: async <P extends MeshPath>(path: P, body: MeshRequest<P>): Promise<MeshResponse<P>> => {
          const party = parties[other] as Party;
          if (path === '/v1/mesh/dkg/step') {
            const step = body as MeshRequest<'/v1/mesh/dkg/step'>;
            await party.generation.step(step.session, step.step);
            return {} as MeshResponse<P>;
          }
          // A signer of another ceremony says so, or hides it.
          if (path === '/v1/mesh/hello') return helloOf(party.told) as MeshResponse<P>;
          const asked = body as { session: string };
          return party.answer(path, asked, at + 1, () => answerOf(other, path, asked, at + 1)) as MeshResponse<P>;
        },
      }));
  const builds = [0, 1, 2].map(() => (): void => undefined);
  const reboot = (at: number, ownCeremony = ceremony): void => {
    const files = memoryFiles(disks[at] as (typeof disks)[number]);
    const generation = createKeyGeneration({
      network,
      identifier: at + 1,
      quorum: 2,
      ceremony: ownCeremony,
      peers: peersOf(at),
      files,
      judgeBuilds: async () => builds[at]!(),
    });
    parties[at] = { generation, files, answer: (_path, _body, _from, honest) => honest(), told: ownCeremony };
  };
  for (const at of [0, 1, 2]) reboot(at);
  const run: ReturnType<typeof threeParties>['run'] = async (steps, session = id) => {
    for (const step of steps) await Promise.all(parties.map(({ generation }) => generation.step(session, step)));
  };
  return { parties, builds, peersOf, reboot, run };
}

const pace = async (
  parties: readonly Party[],
  peersOf: (at: number) => KeyPeer[],
  signal = new AbortController().signal,
): Promise<void> => {
  const own = (parties[0] as Party).generation;
  await paceKeyGeneration({ network, own, peers: peersOf(0), hello: () => helloOf(ceremony), signal });
};

const all = ['start', 'collect', 'verify', 'hold'] as const;
const failure = expect.objectContaining({ code: 'key-generation-failed' });

test('three honest signers hold shares of one key, and each confirms it', async () => {
  const { parties, run } = threeParties();
  await run(all);
  for (const { generation } of parties) await generation.step(id, 'confirm');
  const keys = parties.map(({ generation }) => generation.confirmed() as FrostKey);
  const names = new Set(keys.map((key) => `${bytesToHex(key.groupKey)} ${bytesToHex(key.chainCode)}`));
  expect(names.size).toBe(1);
  expect(new Set(keys.map((key) => bytesToHex(key.secret.signingShare))).size).toBe(3);
  for (const key of keys) secp256k1_FROST.validateSecret(key.secret, key.public);
});

test('a signer that finds a build which may not sign draws no secret, and starts when it finds none', async () => {
  const { parties, builds, run } = threeParties();
  builds[1] = () => {
    throw new Failure('build-not-permitted', 'signer-3 runs another');
  };
  await expect(run(['start'])).rejects.toMatchObject({ code: 'build-not-permitted' });
  const [, second] = parties as [Party, Party, Party];
  expect(() => second.generation.showPackage(id)).toThrow(expect.objectContaining({ code: 'session-unknown' }));
  builds[1] = () => undefined;
  await run(all);
  for (const { generation } of parties) await generation.step(id, 'confirm');
});

describe('a signer of another ceremony', () => {
  test('is refused before anybody draws a secret', async () => {
    const { parties, peersOf, reboot } = threeParties();
    reboot(2, 'df'.repeat(32));
    const steps = parties.map(({ generation }) => vi.spyOn(generation, 'step'));
    const stop = new AbortController();
    const lines: string[] = [];
    const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      stop.abort();
      return lines.push(String(text)) > 0;
    });
    await pace(parties, peersOf, stop.signal);
    write.mockRestore();
    expect(lines.join('')).toContain('"code":"ceremony-differs"');
    for (const step of steps) expect(step).not.toHaveBeenCalled();
  });

  test('is refused in the echo round when it names the right one in its hello', async () => {
    const { parties, run, reboot } = threeParties();
    reboot(2, 'df'.repeat(32));
    (parties[2] as Party).told = ceremony;
    await run(['start', 'collect']);
    for (const { generation } of parties) await expect(generation.step(id, 'verify')).rejects.toEqual(failure);
    expect(() => (parties[0] as Party).generation.showShare(id, 3)).toThrow(Failure);
  });
});

describe('a signer that misbehaves is found before a share leaves or a key is held', () => {
  test('equivocation: it shows one package to one peer and another to the other', async () => {
    const { parties, run } = threeParties();
    const other = secp256k1_FROST.DKG.round1(secp256k1_FROST.Identifier.fromNumber(3), { min: 2, max: 3 }).public;
    const forged = {
      identifier: other.identifier,
      commitment: other.commitment.map((point) => bytesToHex(point)),
      proof: bytesToHex(other.proofOfKnowledge),
    };
    (parties[2] as Party).answer = (path, _body, from, honest) =>
      path === '/v1/mesh/dkg/package' && from === 2 ? forged : honest();
    await run(['start', 'collect']);
    for (const at of [0, 1])
      await expect((parties[at] as Party).generation.step(id, 'verify')).rejects.toEqual(failure);
    for (const at of [0, 1])
      expect(() => (parties[at] as Party).generation.showShare(id, 3)).toThrow(
        expect.objectContaining({ code: 'session-unknown' }),
      );
    await expect((parties[0] as Party).generation.step(id, 'hold')).rejects.toMatchObject({ code: 'session-unknown' });
  });

  test('it cannot hide the equivocation by echoing what each peer expects to only one of them', async () => {
    const { parties, run } = threeParties();
    const other = secp256k1_FROST.DKG.round1(secp256k1_FROST.Identifier.fromNumber(3), { min: 2, max: 3 }).public;
    const forged = {
      identifier: other.identifier,
      commitment: other.commitment.map((point) => bytesToHex(point)),
      proof: bytesToHex(other.proofOfKnowledge),
    };
    (parties[2] as Party).answer = (path, body, from, honest) => {
      if (path === '/v1/mesh/dkg/package' && from === 2) return forged;
      // Tells each of the honest two exactly what that one has.
      if (path === '/v1/mesh/dkg/echo') return (parties[from - 1] as Party).generation.showEcho(body.session);
      return honest();
    };
    await run(['start', 'collect']);
    for (const at of [0, 1])
      await expect((parties[at] as Party).generation.step(id, 'verify')).rejects.toEqual(failure);
  });

  test('a package in the name of another', async () => {
    const { parties, run } = threeParties();
    (parties[2] as Party).answer = (path, body, _from, honest) =>
      path === '/v1/mesh/dkg/package' ? (parties[1] as Party).generation.showPackage(body.session) : honest();
    await run(['start']);
    await expect((parties[0] as Party).generation.step(id, 'collect')).rejects.toEqual(failure);
  });

  test('a package without knowledge of its secret', async () => {
    const { parties, run } = threeParties();
    (parties[2] as Party).answer = (path, body, _from, honest) => {
      if (path !== '/v1/mesh/dkg/package') return honest();
      const { proof } = (parties[1] as Party).generation.showPackage(body.session);
      return { ...(honest() as object), proof };
    };
    await run(['start', 'collect']);
    (parties[1] as Party).answer = (_path, _body, _from, honest) => honest();
    await expect((parties[0] as Party).generation.step(id, 'verify')).rejects.toEqual(failure);
  });

  test('a share that does not fit the package', async () => {
    const { parties, run } = threeParties();
    (parties[2] as Party).answer = (path, _body, _from, honest) =>
      path === '/v1/mesh/dkg/share' ? { share: `${'0'.repeat(63)}1` } : honest();
    await run(['start', 'collect', 'verify']);
    await expect((parties[0] as Party).generation.step(id, 'hold')).rejects.toEqual(failure);
    expect((parties[0] as Party).files.held(id)).toBeNull();
  });

  test('a second collect cannot slip other packages in behind the echo round', async () => {
    const { parties, run } = threeParties();
    const [first, , third] = parties as [Party, Party, Party];
    await run(['start']);
    // The peer leaves the first question open and answers a second one: the later answer would replace what was echoed.
    const late = Promise.withResolvers<unknown>();
    let asked = 0;
    third.answer = (path, _body, from, honest) => {
      if (path !== '/v1/mesh/dkg/package' || from !== 1) return honest();
      asked += 1;
      return asked === 1 ? late.promise : honest();
    };
    const collects = [first.generation.step(id, 'collect'), first.generation.step(id, 'collect')];
    const other = secp256k1_FROST.DKG.round1(secp256k1_FROST.Identifier.fromNumber(3), { min: 2, max: 3 }).public;
    late.resolve({
      identifier: other.identifier,
      commitment: other.commitment.map((point) => bytesToHex(point)),
      proof: bytesToHex(other.proofOfKnowledge),
    });
    await Promise.all(collects);
    expect(asked).toBe(1);
  });

  test.each<[string, (key: FrostKey) => FrostKey]>([
    ['another chain code', (key) => ({ ...key, chainCode: new Uint8Array(32) })],
    ['another quorum', (key) => ({ ...key, public: { ...key.public, signers: { min: 3, max: 3 } } })],
    [
      'other commitments',
      ({ public: shared, ...key }) => ({
        ...key,
        public: { ...shared, commitments: [...shared.commitments].slice(0, 1) },
      }),
    ],
  ])('the same group key with %s', async (_name, alter) => {
    const { parties, run } = threeParties();
    await run(all);
    const [first, second] = parties as [Party, Party, Party];
    second.files.hold(alter(second.files.held(id) as FrostKey));
    await expect(first.generation.step(id, 'confirm')).rejects.toEqual(failure);
    expect(first.generation.confirmed()).toBeNull();
  });

  test('a confirmation although the peer holds another key', async () => {
    const { parties, run } = threeParties();
    await run(all);
    (parties[2] as Party).answer = (path, _body, _from, honest) =>
      path === '/v1/mesh/dkg/key' ? { key_hash: '11'.repeat(32), chosen: null } : honest();
    await expect((parties[0] as Party).generation.step(id, 'confirm')).rejects.toEqual(failure);
    expect((parties[0] as Party).generation.confirmed()).toBeNull();
  });
});

describe('crashes', () => {
  test('a share is given out only after the echo round, and only of the running session', async () => {
    const { parties, run } = threeParties();
    await run(['start', 'collect']);
    const show = () => (parties[0] as Party).generation.showShare(id, 2);
    expect(show).toThrow(Failure);
    await run(['verify']);
    expect(show()).toEqual({ share: expect.stringMatching(/^[0-9a-f]{64}$/) });
    await run(['start'], otherId);
    expect(show).toThrow(Failure);
  });

  test('a signer that dies before it holds makes a new session necessary, which works', async () => {
    const { parties, run, reboot } = threeParties();
    await run(['start', 'collect', 'verify']);
    reboot(1);
    await expect(run(['hold'])).rejects.toMatchObject({ code: 'session-unknown' });
    await run(all, otherId);
    await (parties[0] as Party).generation.step(otherId, 'confirm');
    expect((parties[0] as Party).generation.confirmed()?.session).toBe(otherId);
  });

  test('after the pacing signer has confirmed, the others follow even when both have restarted', async () => {
    const { parties, run, reboot, peersOf } = threeParties();
    await run(all);
    await (parties[0] as Party).generation.step(id, 'confirm');
    for (const at of [0, 1, 2]) reboot(at);
    await pace(parties, peersOf);
    expect(parties.map(({ generation }) => generation.confirmed()?.session)).toEqual([id, id, id]);
  });

  test('a confirmed key is never replaced', async () => {
    const { parties, run } = threeParties();
    await run(all);
    await (parties[1] as Party).generation.step(id, 'confirm');
    await expect(run(all, otherId)).rejects.toEqual(failure);
    expect((parties[1] as Party).generation.confirmed()?.session).toBe(id);
    // Another session that the others still finish among themselves cannot be confirmed against it.
    await expect((parties[1] as Party).generation.step(otherId, 'confirm')).rejects.toEqual(failure);
  });
});
