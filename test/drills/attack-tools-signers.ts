import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '@holdfast/core/failure.ts';
import { policyDigest } from '@holdfast/core/policy/policy.ts';
import type {
  MeshHello,
  MeshPath,
  MeshRequest,
  MeshResponse,
  SigningRequest,
} from '@holdfast/core/signing/messages.ts';
import { meshMessages } from '@holdfast/core/signing/messages.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import { bitcoinNetworkId } from '@holdfast/devnet/configure.ts';
import { passphraseFile } from '@holdfast/devnet/make-keys.ts';
import { loadConfig, readPassphrase, type SignerConfig } from '@holdfast/signer/config.ts';
import { unlockSigner } from '@holdfast/signer/init.ts';
import { decodeFrostKey, type FrostKey } from '@holdfast/signer/keys/frost-key.ts';
import { firstEpoch } from '@holdfast/core/signing/key-messages.ts';

import { walletFolder } from '@holdfast/signer/keys/key-store.ts';
import type { DigestSigner } from '@holdfast/signer/keys/digest-signer.ts';
import type { StatementKey } from '@holdfast/signer/keys/statement-key.ts';
import { type CallPeer, createPeerClient } from '@holdfast/signer/transport/peer-client.ts';
import { type Caller, createPinnedServer, type Route } from '@holdfast/signer/transport/pinned-server.ts';
import type { Identity } from '@holdfast/transport/certificate.ts';
import { createPinnedPost } from '@holdfast/transport/pinned-post.ts';
import type { DrillStage } from './drill-stage.ts';

/** All that the thief has who owns one signer: its disk, and with its passphrase every key on it. */
export interface StolenSigner {
  readonly id: string;
  readonly dataDir: string;
  readonly config: SignerConfig;
  readonly identity: Identity;
  readonly owner: DigestSigner;
  readonly emergency: DigestSigner;
  readonly statement: StatementKey;
  readonly share: FrostKey;
  /** Speaks to a peer as this signer. */
  readonly mesh: (peer: string) => CallPeer;
  /** The same connection, to a path that is the server's alone; gives the code of the refusal. */
  readonly trespass: (peer: string, path: string, body: unknown) => Promise<string>;
  /** End of its journal on the disk. */
  readonly head: () => MeshHello['head'];
  readonly close: () => void;
}

/** Opens a signer's sealed keys the way its process does. */
export async function stealSigner({ system }: DrillStage, id = 'signer-1'): Promise<StolenSigner> {
  const dataDir = join(system.folder, id);
  const passphrase = readPassphrase({ HOLDFAST_PASSPHRASE_FILE: passphraseFile(system.folder, id) });
  const { store, identity, owner, emergency, statement } = await unlockSigner(dataDir, passphrase);
  const sealed = store.open(`${walletFolder(bitcoinNetworkId)}/${firstEpoch}.sealed`);
  if (!sealed) throw new Error(`${id} has no share yet`);
  const config = loadConfig(dataDir);
  const clients = new Map(config.peers.map((peer) => [peer.signer, createPeerClient(identity, peer, 10_000, 2)]));
  const posts = new Map(
    config.peers.map(({ signer, url, fingerprint }) => {
      const post = createPinnedPost({ identity, url, fingerprint, timeoutMs: 10_000, socketsMax: 1 });
      return [signer, post];
    }),
  );
  return {
    id,
    dataDir,
    config,
    identity,
    owner,
    emergency,
    statement,
    share: decodeFrostKey({ network: bitcoinNetworkId, epoch: firstEpoch }, sealed),
    mesh: (peer) => clients.get(peer)!.call,
    trespass: async (peer, path, body) => {
      const { status, value } = await posts.get(peer)!.post(path, body);
      return status === 200 ? 'accepted' : String((value as { code?: unknown }).code);
    },
    head: () => headOf(join(dataDir, 'journal.jsonl')),
    close: () => {
      for (const { close } of [...clients.values(), ...posts.values()]) close();
    },
  };
}

/** Where a journal ends on the disk. */
export function headOf(path: string): MeshHello['head'] {
  const line = readFileSync(path, 'utf8').split('\n').at(-2) ?? '';
  return { seq: (JSON.parse(line) as { seq: number }).seq, hash: createHash('sha256').update(line).digest('hex') };
}

/** The code that something is refused with, or 'accepted'. */
export async function codeOf(asked: Promise<unknown>): Promise<string> {
  try {
    await asked;
    return 'accepted';
  } catch (error) {
    if (error instanceof Failure) return error.code;
    throw error;
  }
}

/** A request was refused, and for this reason. */
export function mustBe(what: string, found: string, ...expected: readonly string[]): void {
  if (!expected.includes(found)) throw new Error(`${what}: expected ${expected.join(' or ')}, got ${found}`);
}

type Answers = { readonly [P in MeshPath]?: (body: MeshRequest<P>) => Promise<MeshResponse<P>> };

/** A process of the thief's in a signer's place: its address, its certificate, and whatever answers the thief likes. */
export interface FalseSigner {
  /** What peers asked to reserve. */
  readonly asked: readonly SigningRequest[];
  readonly stop: () => Promise<void>;
}

/** Replaces a stolen signer's process by one that says yes to every reservation, knows nothing and tells nothing. */
export async function replaceSigner(
  stage: DrillStage,
  stolen: StolenSigner,
  answers: Answers = {},
): Promise<FalseSigner> {
  const { system } = stage;
  const { config, statement } = stolen;
  await system.signer(stolen.id).stop();
  const asked: SigningRequest[] = [];
  const hello = (): MeshHello => ({
    signer: stolen.id,
    boot_id: 'false',
    build: system.program.build,
    now_ms: Date.now(),
    ceremony: system.ceremony,
    policy: { version: 1, digest: policyDigest(system.first.policy) },
    head: stolen.head(),
    your_head: null,
    halts: 0,
  });
  const yes = async (body: MeshRequest<'/v1/mesh/reserve'>, caller: Caller) => {
    asked.push(body.request);
    const digest = statementDigest('head', { version: 1, signer: caller.name, head: body.head });
    return { countersignature: statement.sign(digest) };
  };
  const usual: Record<string, Route['handle']> = {
    '/v1/mesh/hello': async () => hello(),
    '/v1/mesh/reserve': yes,
    '/v1/mesh/transcripts': async ({ after }: { after: number }) => ({ transcripts: [], next: after, done: true }),
  };
  const routes = new Map<string, Route>();
  for (const [path, { request }] of Object.entries(meshMessages)) {
    const handle = (answers as Record<string, Route['handle']>)[path] ?? usual[path] ?? (async () => ({}));
    routes.set(path, { role: 'peer', request, handle });
  }
  // The server's polls find nothing here; as a stranger's they would be logged.
  const exchange = { role: 'server' as const, name: 'server', fingerprint: config.server.fingerprint };
  const peers = config.peers.map(({ signer, fingerprint }) => ({ role: 'peer' as const, name: signer, fingerprint }));
  const server = createPinnedServer(stolen.identity, [exchange, ...peers], routes);
  server.listen(config.listen.port, config.listen.host);
  await once(server, 'listening');
  // Peers find the address alive again, and hear its hello.
  for (const { signer } of config.peers)
    await stolen
      .mesh(signer)('/v1/mesh/hello', hello())
      .catch(() => undefined);
  return {
    asked,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await system.startSigner(stolen.id);
    },
  };
}
