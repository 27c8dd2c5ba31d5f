import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '@holdfast/core/failure.ts';
import type { DkgStep, MeshHello } from '@holdfast/core/signing/messages.ts';
import { log } from '../log.ts';
import type { KeyGeneration, KeyPeer } from './key-generation.ts';

const retryMsMin = 250;
const retryMsMax = 5_000;

/**
 * Runs on the signer with the lowest identifier until every signer has confirmed the network's key: new sessions until one
 * succeeds, then the decision, repeated to each peer until it has followed.
 */
export async function paceKeyGeneration(input: {
  readonly network: string;
  readonly own: KeyGeneration;
  readonly peers: readonly KeyPeer[];
  readonly hello: () => MeshHello;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { network, own, peers, hello, signal } = input;
  let waitMs = retryMsMin;
  while (!signal.aborted) {
    try {
      if (!own.confirmed()) await runSession(network, own, peers, hello());
      const key = own.confirmed();
      if (key) await Promise.all(peers.map((peer) => tell(peer, network, key.session, 'confirm')));
      log('key-confirmed', { network, peers: peers.length });
      return;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      log('key-generation-waits', { network, code: error.code, message: error.message });
    }
    await sleep(waitMs, undefined, { signal }).catch(() => undefined);
    waitMs = Math.min(waitMs * 2, retryMsMax);
  }
}

async function runSession(
  network: string,
  own: KeyGeneration,
  peers: readonly KeyPeer[],
  hello: MeshHello,
): Promise<void> {
  // Nobody draws secrets before all are up, nor with a signer that was told something else.
  await Promise.all(peers.map((peer) => greet(peer, hello)));
  const session = randomBytes(16).toString('hex');
  for (const step of ['start', 'collect', 'verify', 'hold'] as const) {
    await Promise.all([own.step(session, step), ...peers.map((peer) => tell(peer, network, session, step))]);
  }
  await own.step(session, 'confirm');
}

async function greet(peer: KeyPeer, hello: MeshHello): Promise<void> {
  const { ceremony } = await peer.call('/v1/mesh/hello', hello);
  if (ceremony === hello.ceremony) return;
  throw new Failure('ceremony-differs', `${peer.signer} has the ceremony ${ceremony}, this signer ${hello.ceremony}`);
}

async function tell(peer: KeyPeer, network: string, session: string, step: DkgStep): Promise<void> {
  await peer.call('/v1/mesh/dkg/step', { network, session, step });
}
