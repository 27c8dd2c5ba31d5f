import { Failure } from '@holdfast/core/failure.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import { meshMessages, type MeshPath, type MeshRequest, type MeshResponse } from '@holdfast/core/signing/messages.ts';
import type { KeyGeneration, KeyPeer } from './keys/key-generation.ts';
import type { Caller, Route } from './transport/pinned-server.ts';

/** What peers may ask; see core/signing/messages.ts. */
export function meshRoutes(input: {
  readonly signer: string;
  readonly identifier: number;
  readonly bootId: string;
  readonly peers: readonly KeyPeer[];
  readonly generations: ReadonlyMap<string, KeyGeneration>;
}): [MeshPath, Route][] {
  const { peers } = input;
  const route = <P extends MeshPath>(
    path: P,
    handle: (body: MeshRequest<P>, from: number) => Promise<MeshResponse<P>>,
  ): [MeshPath, Route] => {
    const wrapped = async (body: MeshRequest<P>, caller: Caller): Promise<MeshResponse<P>> => {
      const peer = peers.find((one) => one.signer === caller.name);
      invariant(peer, 'a caller in the role of a peer is one of the peers');
      return handle(body, peer.identifier);
    };
    return [path, { role: 'peer', request: meshMessages[path].request, handle: wrapped }];
  };
  const generation = (network: string): KeyGeneration => {
    const found = input.generations.get(network);
    if (!found) throw new Failure('unknown-network', `this signer makes no key for ${network}`);
    return found;
  };
  const lowest = Math.min(input.identifier, ...peers.map((peer) => peer.identifier));
  return [
    route('/v1/mesh/hello', async () => ({ signer: input.signer, boot_id: input.bootId })),
    route('/v1/mesh/dkg/step', async ({ network, session, step }, from) => {
      if (from !== lowest)
        throw new Failure('peer-unknown', 'only the signer with the lowest identifier paces key generation');
      await generation(network).step(session, step);
      return {};
    }),
    route('/v1/mesh/dkg/package', async ({ network, session }) => generation(network).showPackage(session)),
    route('/v1/mesh/dkg/echo', async ({ network, session }) => generation(network).showEcho(session)),
    route('/v1/mesh/dkg/share', async ({ network, session }, from) => generation(network).showShare(session, from)),
    route('/v1/mesh/dkg/key', async ({ network, session }) => generation(network).showKey(session)),
  ];
}
