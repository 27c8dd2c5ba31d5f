import { randomUUID } from 'node:crypto';
import { schnorr_FROST } from '@noble/curves/secp256k1.js';
import type { FrostPublic, NonceCommitments, Nonces } from '@noble/curves/abstract/frost.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { Failure } from '@holdfast/core/failure.ts';
import { tweakSecret, type FrostTweak } from '@holdfast/core/keys/tweak-frost.ts';
import type { NonceCommitment } from '@holdfast/core/signing/messages.ts';
import type { FrostKey } from './frost-key.ts';

/** One input of a transaction that was reviewed and journalled. */
export interface SigningInput {
  /** 32 bytes, BIP-341. */
  readonly sighash: Uint8Array;
  readonly tweak: FrostTweak;
  /** Public package of the group for the address's output key. */
  readonly public: FrostPublic;
}

/**
 * Rounds one and two of FROST (RFC 9591, section 5) for reviewed transactions. Nonces live in this process's memory only,
 * are bound to one sighash from the moment they are drawn, and are forgotten before the share that uses them is computed.
 */
export interface SigningSessions {
  readonly commit: (
    key: FrostKey,
    inputs: readonly SigningInput[],
  ) => { session: string; commitments: NonceCommitment[] };
  /** @throws Failure session-unknown (also on a second call), commitments-invalid (the session is spent all the same). */
  readonly share: (session: string, lists: readonly (readonly NonceCommitment[])[]) => string[];
}

interface Session {
  readonly key: FrostKey;
  readonly inputs: readonly (SigningInput & { readonly nonces: Nonces; readonly commitment: NonceCommitment })[];
  readonly expiresAtMs: number;
}

const sessionsMax = 256;
const sessionMs = 60_000;

/** @param monotonicMs a clock that is never set back. */
export function createSigningSessions(monotonicMs: () => number): SigningSessions {
  const sessions = new Map<string, Session>();

  const forgetExpired = (): void => {
    for (const [id, session] of sessions) {
      if (session.expiresAtMs > monotonicMs()) continue;
      sessions.delete(id);
      wipe(session);
    }
  };

  const commit: SigningSessions['commit'] = (key, inputs) => {
    forgetExpired();
    if (sessions.size >= sessionsMax) throw new Failure('rate-limited', `${sessionsMax} signing sessions are open`);
    const drawn = inputs.map((input) => {
      const { nonces, commitments } = schnorr_FROST.commit(key.secret);
      return { ...input, nonces, commitment: encode(commitments) };
    });
    const session = randomUUID();
    sessions.set(session, { key, inputs: drawn, expiresAtMs: monotonicMs() + sessionMs });
    return { session, commitments: drawn.map(({ commitment }) => commitment) };
  };

  const share: SigningSessions['share'] = (id, lists) => {
    forgetExpired();
    const session = sessions.get(id);
    if (!session) throw new Failure('session-unknown', `no signing session ${id}`);
    // One use, whatever happens from here on.
    sessions.delete(id);
    try {
      if (lists.length !== session.inputs.length) {
        throw new Failure(
          'commitments-invalid',
          `${session.inputs.length} inputs, ${lists.length} lists of commitments`,
        );
      }
      for (const [at, list] of lists.entries()) checkList(session, at, list);
      return session.inputs.map((input, at) => shareOf(session.key, input, lists[at] ?? []));
    } finally {
      wipe(session);
    }
  };
  return { commit, share };
}

function checkList({ key, inputs }: Session, at: number, list: readonly NonceCommitment[]): void {
  const own = inputs[at]?.commitment;
  const mine = list.filter(({ identifier }) => identifier === own?.identifier);
  if (mine.length !== 1 || mine[0]?.hiding !== own?.hiding || mine[0]?.binding !== own?.binding) {
    throw new Failure(
      'commitments-invalid',
      `input ${at}: this signer's own commitment is missing, doubled or changed`,
    );
  }
  const identifiers = list.map(({ identifier }) => identifier);
  const unknown = identifiers.find((identifier) => !Object.hasOwn(key.public.verifyingShares, identifier));
  if (unknown !== undefined || new Set(identifiers).size !== list.length || list.length < key.public.signers.min) {
    throw new Failure('commitments-invalid', `input ${at}: a quorum of distinct, known signers is needed`);
  }
}

function shareOf(key: FrostKey, input: Session['inputs'][number], list: readonly NonceCommitment[]): string {
  const secret = tweakSecret(key.secret, input.tweak);
  try {
    return bytesToHex(schnorr_FROST.signShare(secret, input.public, input.nonces, list.map(decode), input.sighash));
  } catch (cause) {
    throw new Failure('commitments-invalid', 'a commitment is no point of the curve', { cause });
  } finally {
    secret.signingShare.fill(0);
  }
}

function wipe(session: Session): void {
  for (const { nonces } of session.inputs) {
    nonces.hiding.fill(0);
    nonces.binding.fill(0);
  }
}

function encode({ identifier, hiding, binding }: NonceCommitments): NonceCommitment {
  return { identifier, hiding: bytesToHex(hiding), binding: bytesToHex(binding) };
}

function decode({ identifier, hiding, binding }: NonceCommitment): NonceCommitments {
  return { identifier, hiding: Uint8Array.from(hexToBytes(hiding)), binding: Uint8Array.from(hexToBytes(binding)) };
}
