import { Failure } from '@holdfast/core/failure.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import { firstEpoch } from '@holdfast/core/signing/key-messages.ts';
import {
  meshMessages,
  type MeshHello,
  type MeshPath,
  type MeshRequest,
  type MeshResponse,
} from '@holdfast/core/signing/messages.ts';
import type { HaltDesk } from './halts/halt-desk.ts';
import type { KeyGeneration, KeyPeer } from './keys/key-generation.ts';
import type { Keyring } from './keys/keyring.ts';
import type { JournalFeed } from './mesh/journal-feed.ts';
import { digestsOf, type refusalRecorder } from './wallets/wallet.ts';
import type { Caller, Route } from './transport/pinned-server.ts';

type Answer<P extends MeshPath> = (peer: string, body: MeshRequest<P>) => Promise<MeshResponse<P>>;

export interface MeshDesks {
  readonly identifier: number;
  readonly peers: readonly KeyPeer[];
  readonly keyrings: ReadonlyMap<string, Pick<Keyring, 'generation'>>;
  /** What this signer says to a peer, and hears from it. */
  readonly hello: (peer: string) => MeshHello;
  readonly heard: (peer: string, hello: MeshHello) => void;
  readonly reserve: Answer<'/v1/mesh/reserve'>;
  /** Journals what peers are refused. */
  readonly recorded: ReturnType<typeof refusalRecorder>;
  readonly signed: (peer: string, body: MeshRequest<'/v1/mesh/signed'>) => Promise<void>;
  readonly transcripts: (body: MeshRequest<'/v1/mesh/transcripts'>) => Promise<MeshResponse<'/v1/mesh/transcripts'>>;
  /** What copies of journals are made of. */
  readonly feed: JournalFeed;
  readonly checkpoint: Answer<'/v1/mesh/checkpoint'>;
  readonly halts: Pick<HaltDesk, 'peerHalt' | 'resume'>;
  readonly acceptPolicy: (signed: MeshRequest<'/v1/mesh/policy'>) => Promise<unknown>;
}

/** What peers may ask; see core/signing/messages.ts. */
export function meshRoutes(desks: MeshDesks): [MeshPath, Route][] {
  const { peers, halts } = desks;
  const route = <P extends MeshPath>(path: P, handle: Answer<P>): [MeshPath, Route] => {
    const wrapped = async (body: MeshRequest<P>, caller: Caller): Promise<MeshResponse<P>> => {
      const peer = peers.find((one) => one.signer === caller.name);
      invariant(peer, 'a caller in the role of a peer is one of the peers');
      return handle(peer.signer, body);
    };
    return [path, { role: 'peer', request: meshMessages[path].request, handle: wrapped }];
  };
  return [
    route('/v1/mesh/hello', async (peer, hello) => {
      desks.heard(peer, hello);
      return desks.hello(peer);
    }),
    route('/v1/mesh/reserve', async (peer, body) =>
      desks.recorded(body.request.body.network, digestsOf(body.request.body.intents), async () =>
        desks.reserve(peer, body),
      ),
    ),
    route('/v1/mesh/signed', async (peer, body) => {
      await desks.signed(peer, body);
      return {};
    }),
    route('/v1/mesh/transcripts', async (_, body) => desks.transcripts(body)),
    route('/v1/mesh/journal', desks.feed.journal),
    route('/v1/mesh/request', async (_, body) => desks.feed.request(body)),
    route('/v1/mesh/halt', async (peer, body) => {
      await halts.peerHalt(peer, body);
      return {};
    }),
    route('/v1/mesh/resume', async (_, body) => {
      await halts.resume(body);
      return {};
    }),
    route('/v1/mesh/policy', async (_, body) => {
      await desks.acceptPolicy(body);
      return {};
    }),
    route('/v1/mesh/checkpoint', desks.checkpoint),
    ...keyGenerationRoutes(desks, route),
  ];
}

function keyGenerationRoutes(
  { identifier, peers, keyrings }: MeshDesks,
  route: <P extends MeshPath>(path: P, handle: Answer<P>) => [MeshPath, Route],
): [MeshPath, Route][] {
  const generation = (asked: { readonly network: string; readonly epoch?: number }): KeyGeneration => {
    const keyring = keyrings.get(asked.network);
    if (!keyring) throw new Failure('unknown-network', `this signer makes no key for ${asked.network}`);
    return keyring.generation(asked.epoch ?? firstEpoch);
  };
  const identifierOf = (signer: string): number =>
    peers.find((peer) => peer.signer === signer)?.identifier ?? Number.NaN;
  const lowest = Math.min(identifier, ...peers.map((peer) => peer.identifier));
  return [
    route('/v1/mesh/dkg/step', async (peer, { session, step, record, ...asked }) => {
      if (identifierOf(peer) !== lowest)
        throw new Failure('peer-unknown', 'only the signer with the lowest identifier paces key generation');
      await generation(asked).step(session, step, record);
      return {};
    }),
    route('/v1/mesh/dkg/package', async (_, asked) => generation(asked).showPackage(asked.session)),
    route('/v1/mesh/dkg/echo', async (_, asked) => generation(asked).showEcho(asked.session)),
    route('/v1/mesh/dkg/share', async (peer, asked) => generation(asked).showShare(asked.session, identifierOf(peer))),
    route('/v1/mesh/dkg/key', async (_, asked) => generation(asked).showKey(asked.session)),
  ];
}
