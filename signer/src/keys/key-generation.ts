import { secp256k1_FROST } from '@noble/curves/secp256k1.js';
import type { DKG_Round1, DKG_Round2, DKG_Secret, Key } from '@noble/curves/abstract/frost.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { Failure } from '@holdfast/core/failure.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import { canonicalJson } from '@holdfast/core/signing/intent.ts';
import type { DkgStep, MeshRequest, MeshResponse } from '@holdfast/core/signing/messages.ts';
import type { CallPeer } from '../transport/peer-client.ts';
import { frostKey, keyHash, type FrostKey } from './frost-key.ts';
import type { FrostKeyFiles } from './frost-key-files.ts';

/**
 * Distributed key generation of one network (Pedersen with proofs of knowledge, as in the FROST paper; RFC 9591 leaves it
 * out). The signer with the lowest identifier paces it; every secret goes straight from signer to signer:
 *
 * 1. start: each makes its polynomial. Never on top of a confirmed or chosen key.
 * 2. collect: each fetches the round-1 package of every other.
 * 3. verify: each fetches every other's hash of all packages. A peer that showed different packages to different signers
 *    shows here, before any share was given out.
 * 4. hold: each fetches its share from every other, and has the sealed result on disk before it answers.
 * 5. confirm: each asks every other whether it holds the same key (`keyHash`) and has chosen no other, and then records the key
 *    for good. The pacing signer confirms first: its journal is the decision; the others follow whenever they are back.
 *
 * A crash anywhere before its journal record leaves files that the next session replaces; a crash after it leaves a
 * decision that is repeated to the others until all have followed.
 */
export interface KeyGeneration {
  readonly confirmed: () => FrostKey | null;
  readonly step: (session: string, step: DkgStep) => Promise<void>;
  /** What a peer may fetch. `from` is the caller's identifier. @throws Failure session-unknown when it is too early or too late. */
  readonly showPackage: (session: string) => MeshResponse<'/v1/mesh/dkg/package'>;
  readonly showEcho: (session: string) => MeshResponse<'/v1/mesh/dkg/echo'>;
  readonly showShare: (session: string, from: number) => MeshResponse<'/v1/mesh/dkg/share'>;
  readonly showKey: (session: string) => MeshResponse<'/v1/mesh/dkg/key'>;
}

export interface KeyPeer {
  readonly identifier: number;
  readonly signer: string;
  readonly call: CallPeer;
}

interface Session {
  readonly id: string;
  readonly secret: DKG_Secret;
  readonly own: DKG_Round1;
  /** Set by the first call of `collect`: a second one must not fetch other packages after the echo round. */
  collecting?: Promise<void>;
  packages?: DKG_Round1[];
  transcript?: Uint8Array;
  /** By the receiver's identifier; set once the echo round has passed. */
  shares?: Record<string, DKG_Round2>;
}

const { DKG, Identifier } = secp256k1_FROST;

export function createKeyGeneration(input: {
  readonly network: string;
  readonly identifier: number;
  readonly quorum: number;
  /** Digest of the key ceremony: signers that were told different things make no key together. */
  readonly ceremony: string;
  readonly peers: readonly KeyPeer[];
  readonly files: FrostKeyFiles;
  /**
   * Asks all what they run: a key that poisoned code helped to make, or has a share of, is not to be had. Version 1 of the
   * policy, which the ceremony has fixed before, lists the builds for the first key.
   * @throws Failure build-not-permitted, signers-unavailable.
   */
  readonly judgeBuilds: () => Promise<void>;
}): KeyGeneration {
  const { network, quorum, ceremony, peers, files, judgeBuilds } = input;
  const ownIdentifier = Identifier.fromNumber(input.identifier);
  let session: Session | null = null;
  /** The session that is being confirmed: no other may be, nor may a new one start. */
  let chosen: string | null = files.confirmed()?.session ?? null;

  const current = (id: string): Session => {
    if (session?.id !== id) throw new Failure('session-unknown', `key generation ${id} is not running here`);
    return session;
  };
  const askPeers = async <T>(ask: (peer: KeyPeer) => Promise<T>): Promise<T[]> => Promise.all(peers.map(ask));
  const request = (id: string): MeshRequest<'/v1/mesh/dkg/key'> => ({ network, session: id });

  const start = async (id: string): Promise<void> => {
    await judgeBuilds();
    if (chosen !== null) throw failed(`${network} has a key already; it is never replaced`);
    if (session?.id === id) return;
    const made = DKG.round1(ownIdentifier, { min: quorum, max: peers.length + 1 });
    session = { id, secret: made.secret, own: made.public };
  };

  const collect = async (running: Session): Promise<void> => {
    const others = await askPeers(async (peer) => {
      const { identifier, commitment, proof } = await peer.call('/v1/mesh/dkg/package', request(running.id));
      if (identifier !== Identifier.fromNumber(peer.identifier))
        throw failed(`${peer.signer} sent the package of another`);
      return { identifier, commitment: commitment.map(bytes), proofOfKnowledge: bytes(proof) };
    });
    running.transcript = transcriptOf({
      network,
      session: running.id,
      quorum,
      ceremony,
      packages: [running.own, ...others],
    });
    running.packages = others;
  };

  const verify = async (running: Session): Promise<void> => {
    const { packages, transcript } = running;
    if (running.shares) return;
    if (!packages || !transcript) throw outOfOrder('verify');
    await askPeers(async (peer) => {
      const echo = await peer.call('/v1/mesh/dkg/echo', request(running.id));
      if (echo.transcript !== bytesToHex(transcript))
        throw failed(`${peer.signer} saw other packages or another ceremony: a signer equivocates`);
    });
    // Checks every proof of knowledge.
    running.shares = misbehaviour('a package is invalid', () => DKG.round2(running.secret, packages));
  };

  const hold = async (running: Session): Promise<void> => {
    const { packages, transcript } = running;
    if (files.held(running.id)) return;
    if (!running.shares || !packages || !transcript) throw outOfOrder('hold');
    const shares = await askPeers(async (peer) => {
      const { share } = await peer.call('/v1/mesh/dkg/share', request(running.id));
      return { identifier: Identifier.fromNumber(peer.identifier), signingShare: bytes(share) };
    });
    // A second call of this step may have overtaken this one.
    if (files.held(running.id)) return;
    const key: Key = misbehaviour('a share does not fit its package', () =>
      DKG.round3(running.secret, packages, shares),
    );
    files.hold(frostKey(network, running.id, key, transcript));
  };

  const confirm = async (id: string): Promise<void> => {
    if (files.confirmed()?.session === id) return;
    const held = files.held(id);
    if (!held || (chosen !== null && chosen !== id))
      throw failed(`${network}: no key of session ${id} can be confirmed here`);
    chosen = id;
    try {
      await askPeers(async (peer) => {
        const theirs = await peer.call('/v1/mesh/dkg/key', request(id));
        const same = theirs.key_hash === keyHash(held) && (theirs.chosen === null || theirs.chosen === id);
        if (!same) throw failed(`${peer.signer} holds another key`);
      });
      await files.confirm(held);
    } catch (error) {
      // Nothing was recorded and nobody was told.
      if (!files.confirmed()) chosen = null;
      throw error;
    }
    session = null;
  };

  const step = async (id: string, name: DkgStep): Promise<void> => {
    if (name === 'start') return start(id);
    if (name === 'confirm') return confirm(id);
    const running = current(id);
    if (name === 'collect') return (running.collecting ??= collect(running));
    if (name === 'verify') return verify(running);
    return hold(running);
  };

  return {
    confirmed: files.confirmed,
    step,
    showPackage: (id) => {
      const { identifier, commitment, proofOfKnowledge } = current(id).own;
      return {
        identifier,
        commitment: commitment.map((point) => bytesToHex(point)),
        proof: bytesToHex(proofOfKnowledge),
      };
    },
    showEcho: (id) => {
      const { transcript } = current(id);
      if (!transcript) throw outOfOrder('echo');
      return { transcript: bytesToHex(transcript) };
    },
    showShare: (id, from) => {
      const share = current(id).shares?.[Identifier.fromNumber(from)];
      if (!share) throw outOfOrder('share');
      return { share: bytesToHex(share.signingShare) };
    },
    showKey: (id) => {
      const held = files.held(id);
      return { key_hash: held && keyHash(held), chosen };
    },
  };
}

/** Everything on which the signers must agree, in one hash. */
function transcriptOf(input: {
  network: string;
  session: string;
  quorum: number;
  ceremony: string;
  packages: readonly DKG_Round1[];
}): Uint8Array {
  const packages = input.packages
    .map(({ identifier, commitment, proofOfKnowledge }) => ({
      identifier,
      commitment: commitment.map((point) => bytesToHex(point)),
      proof: bytesToHex(proofOfKnowledge),
    }))
    .sort((a, b) => (a.identifier < b.identifier ? -1 : 1));
  invariant(new Set(packages.map(({ identifier }) => identifier)).size === packages.length, 'identifiers differ');
  return sha256(utf8ToBytes(canonicalJson({ domain: 'holdfast/dkg/v2', ...input, packages })));
}

function misbehaviour<T>(what: string, compute: () => T): T {
  try {
    return compute();
  } catch (cause) {
    throw new Failure('key-generation-failed', what, { cause });
  }
}

function failed(message: string): Failure {
  return new Failure('key-generation-failed', message);
}

function outOfOrder(step: string): Failure {
  return new Failure('session-unknown', `key generation is not ready for ${step}`);
}

function bytes(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(hexToBytes(text));
}
