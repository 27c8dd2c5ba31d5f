import { sha512 } from '@noble/hashes/sha2.js';
import { bytesToHex, concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { Failure } from '@holdfast/core/failure.ts';
import type { KeyRecord } from '@holdfast/core/signing/key-messages.ts';
import type { MeshHello, MeshPath, MeshRequest, MeshResponse } from '@holdfast/core/signing/messages.ts';
import type { FrostKey } from './frost-key.ts';
import type { FrostKeyFiles } from './frost-key-files.ts';
import { createKeyGeneration, type KeyGeneration, type KeyPeer, type Rotation } from './key-generation.ts';
import { paceKeyGeneration } from './pace-key-generation.ts';

export const network = 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328';
export const id = 'ab'.repeat(16);
export const otherId = 'cd'.repeat(16);
export const ceremony = 'ce'.repeat(32);

/** What a party answers to a peer's question; a test replaces it to misbehave. */
type Answer = (path: MeshPath, body: { session: string }, from: number, honest: () => unknown) => unknown;

export interface Party {
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

interface Disk {
  readonly held: Map<string, FrostKey>;
  confirmed: FrostKey | null;
  record: KeyRecord | null;
}

/** Disk of one party: survives `reboot`. */
function memoryFiles(disk: Disk): FrostKeyFiles {
  return {
    confirmed: () => disk.confirmed,
    held: (session) => disk.held.get(session) ?? null,
    hold: (key) => void disk.held.set(key.session, key),
    confirm: async (key, record) => void ([disk.confirmed, disk.record] = [key, record]),
    record: () => disk.record,
  };
}

/** A statement key that signs by name; whoever knows the name holds it. */
const signatureBy = (signer: string, digest: Uint8Array): string =>
  bytesToHex(sha512(concatBytes(utf8ToBytes(signer), digest)));

function rotationOf(at: number, orders: readonly (string | null)[]): Rotation {
  const signer = `signer-${at + 1}`;
  return {
    signer,
    orderedBy: () => {
      const order = orders[at];
      if (order) return order;
      throw new Failure('key-not-ordered', 'no order');
    },
    sign: (digest) => signatureBy(signer, digest),
    holds: (by, digest, signature) => signatureBy(by, digest) === signature,
  };
}

/** Three parties that talk directly. @param order of each party's policy: what it says, or null for none; epoch 1 without. */
export function threeParties(orders: (string | null)[] | null = null): {
  parties: Party[];
  /** What each finds when it looks at all builds. */
  builds: (() => void)[];
  peersOf: (at: number) => KeyPeer[];
  reboot: (at: number, ownCeremony?: string) => void;
  run: (steps: readonly ('start' | 'collect' | 'verify' | 'hold')[], session?: string) => Promise<unknown>;
} {
  const parties: Party[] = [];
  const disks = [1, 2, 3].map(() => ({ held: new Map(), confirmed: null, record: null }) satisfies Disk);
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
            await party.generation.step(step.session, step.step, step.record);
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
      epoch: orders ? 2 : 1,
      rotation: orders && rotationOf(at, orders),
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

export const pace = async (
  parties: readonly Party[],
  peersOf: (at: number) => KeyPeer[],
  signal = new AbortController().signal,
): Promise<void> => {
  const own = (parties[0] as Party).generation;
  const rest = { epoch: own.record() ? 2 : 1, isWanted: () => true };
  await paceKeyGeneration({ network, own, peers: peersOf(0), hello: () => helloOf(ceremony), signal, ...rest });
};

export const all = ['start', 'collect', 'verify', 'hold'] as const;
