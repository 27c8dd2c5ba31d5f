import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '@holdfast/core/failure.ts';
import { firstEpoch, type DkgStep } from '@holdfast/core/signing/key-messages.ts';
import type { MeshHello } from '@holdfast/core/signing/messages.ts';
import { log } from '../log.ts';
import type { KeyGeneration, KeyPeer } from './key-generation.ts';
import type { Keyring } from './keyring.ts';

const retryMsMin = 250;
const retryMsMax = 5_000;
/** So often the policy in force is looked at for an order. */
const lookMs = 1_000;

interface Pace {
  readonly network: string;
  readonly peers: readonly KeyPeer[];
  readonly hello: () => MeshHello;
  readonly signal: AbortSignal;
}

/**
 * Runs on the signer with the lowest identifier: repeats the decision on the newest epoch to the peers, and makes the next one
 * whenever the policy orders it. Until that is confirmed the one before stays in use.
 */
export async function paceKeyring(keyring: Pick<Keyring, 'active' | 'due' | 'generation'>, pace: Pace): Promise<void> {
  const newest = keyring.active()?.epoch;
  if (newest !== undefined) await run(keyring, newest, pace);
  while (!pace.signal.aborted) {
    const epoch = keyring.due();
    if (epoch !== null) await run(keyring, epoch, pace);
    await sleep(lookMs, undefined, { signal: pace.signal }).catch(() => undefined);
  }
}

async function run(keyring: Pick<Keyring, 'due' | 'generation'>, epoch: number, pace: Pace): Promise<void> {
  const own = keyring.generation(epoch);
  await paceKeyGeneration({ ...pace, epoch, own, isWanted: () => own.confirmed() !== null || keyring.due() === epoch });
}

/**
 * Until every signer has confirmed the key: new sessions until one succeeds, then the decision, repeated to each peer until it
 * has followed. Ends before that when it is not wanted any more.
 */
export async function paceKeyGeneration(
  input: Pace & { readonly epoch: number; readonly own: KeyGeneration; readonly isWanted: () => boolean },
): Promise<void> {
  const { network, epoch, own, peers, isWanted, signal } = input;
  let waitMs = retryMsMin;
  while (!signal.aborted && isWanted()) {
    try {
      if (!own.confirmed()) await runSession(input);
      const key = own.confirmed();
      if (key) await Promise.all(peers.map((peer) => tell(peer, input, key.session, 'confirm')));
      log('key-confirmed', { network, epoch, peers: peers.length });
      return;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      log('key-generation-waits', { network, epoch, code: error.code, message: error.message });
    }
    await sleep(waitMs, undefined, { signal }).catch(() => undefined);
    waitMs = Math.min(waitMs * 2, retryMsMax);
  }
}

type Running = Pace & { readonly epoch: number; readonly own: KeyGeneration };

async function runSession(running: Running): Promise<void> {
  const { own, peers, hello } = running;
  // Nobody draws secrets before all are up, nor with a signer that was told something else.
  await Promise.all(peers.map((peer) => greet(peer, hello())));
  const session = randomBytes(16).toString('hex');
  for (const step of ['start', 'collect', 'verify', 'hold'] as const) {
    await Promise.all([own.step(session, step), ...peers.map((peer) => tell(peer, running, session, step))]);
  }
  await own.step(session, 'confirm');
}

async function greet(peer: KeyPeer, hello: MeshHello): Promise<void> {
  const { ceremony } = await peer.call('/v1/mesh/hello', hello);
  if (ceremony === hello.ceremony) return;
  throw new Failure('ceremony-differs', `${peer.signer} has the ceremony ${ceremony}, this signer ${hello.ceremony}`);
}

async function tell(peer: KeyPeer, { network, epoch, own }: Running, session: string, step: DkgStep): Promise<void> {
  const record = step === 'confirm' ? own.record() : null;
  const ofEpoch = epoch > firstEpoch ? { epoch } : {};
  await peer.call('/v1/mesh/dkg/step', { network, session, step, ...ofEpoch, ...(record && { record }) });
}
