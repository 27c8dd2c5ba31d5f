import { secp256k1_FROST } from '@noble/curves/secp256k1.js';
import type { FrostPublic, FrostSecret, Key } from '@noble/curves/abstract/frost.js';
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { Failure } from '@holdfast/core/failure.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import { frostKeyHash } from '@holdfast/core/keys/frost-key-hash.ts';
import type { SealedHeader } from '@holdfast/core/sealing/seal.ts';
import type { KeyStatement } from '@holdfast/core/signing/key-messages.ts';
import type { SignerStatus } from '@holdfast/core/signing/messages.ts';
import Type, { type Static } from 'typebox';
import { parseValue } from '../parse.ts';

/** Which key generation made a key. */
interface KeyOrigin {
  readonly network: string;
  readonly epoch: number;
  /** 32 hex digits. */
  readonly session: string;
}

/** One signer's half of a wallet: the public package of the group and its own share, both untweaked. */
export interface FrostKey extends KeyOrigin {
  /** Hash of what all signers saw in the session, 64 hex digits; null for a key that was sealed without it. */
  readonly transcript: string | null;
  readonly public: FrostPublic;
  readonly secret: FrostSecret;
  /** 33 bytes. */
  readonly groupKey: Uint8Array;
  /** 32 bytes, for BIP-32 children. */
  readonly chainCode: Uint8Array;
}

const hex = (bytes: number) => Type.String({ pattern: `^[0-9a-f]{${bytes * 2}}$` });
/** What is sealed, in clear. */
const Stored = Type.Object(
  {
    quorum: Type.Integer(),
    signers: Type.Integer(),
    commitments: Type.Array(hex(33)),
    verifying_shares: Type.Array(Type.Object({ identifier: hex(32), point: hex(33) }, { additionalProperties: false })),
    identifier: hex(32),
    signing_share: hex(32),
    chain_code: hex(32),
  },
  { additionalProperties: false },
);
type Stored = Static<typeof Stored>;

/** @param transcript 32 bytes: hash of the round-1 packages, the same for all signers. */
export function frostKey(origin: KeyOrigin, key: Key, transcript: Uint8Array): FrostKey {
  const [groupKey] = key.public.commitments;
  invariant(groupKey, 'a group polynomial has a constant term');
  const chainCode = sha256(concatBytes(utf8ToBytes('holdfast/chaincode/v1'), groupKey, transcript));
  const seen = bytesToHex(transcript);
  return { ...origin, transcript: seen, public: key.public, secret: key.secret, groupKey, chainCode };
}

export function encodeFrostKey(key: FrostKey): { header: SealedHeader; plaintext: Uint8Array } {
  const stored: Stored = {
    quorum: key.public.signers.min,
    signers: key.public.signers.max,
    commitments: key.public.commitments.map((point) => bytesToHex(point)),
    verifying_shares: verifyingShares(key),
    identifier: key.secret.identifier,
    signing_share: bytesToHex(key.secret.signingShare),
    chain_code: bytesToHex(key.chainCode),
  };
  const { network, epoch, session, transcript } = key;
  const made = { wallet: network, epoch, session, group_key: bytesToHex(key.groupKey) };
  const header = { ...made, ...(transcript !== null && { transcript }) };
  return { header, plaintext: utf8ToBytes(JSON.stringify(stored)) };
}

/** @throws Failure wrong-passphrase when what was opened is not this network's share of the epoch. */
export function decodeFrostKey(
  { network, epoch }: Omit<KeyOrigin, 'session'>,
  { header, plaintext }: { header: SealedHeader; plaintext: Uint8Array },
): FrostKey {
  const stored = parseValue(Stored, parseSecret(plaintext), 'wrong-passphrase', 'sealed share');
  plaintext.fill(0);
  const key: Key = {
    public: {
      signers: { min: stored.quorum, max: stored.signers },
      commitments: stored.commitments.map(bytes),
      verifyingShares: Object.fromEntries(
        stored.verifying_shares.map(({ identifier, point }) => [identifier, bytes(point)]),
      ),
    },
    secret: { identifier: stored.identifier, signingShare: bytes(stored.signing_share) },
  };
  const [groupKey] = key.public.commitments;
  const isOurs = header['wallet'] === network && header['epoch'] === epoch;
  if (!groupKey || !isOurs || header['group_key'] !== bytesToHex(groupKey)) {
    throw new Failure('wrong-passphrase', `a sealed share is not the one of ${network}, epoch ${epoch}`);
  }
  // RFC 9591, appendix C.2: the share lies on the group polynomial.
  secp256k1_FROST.validateSecret(key.secret, key.public);
  return {
    network,
    epoch,
    session: String(header['session']),
    transcript: typeof header['transcript'] === 'string' ? header['transcript'] : null,
    ...key,
    groupKey,
    chainCode: bytes(stored.chain_code),
  };
}

/** An error of the parser would quote the secret. */
function parseSecret(plaintext: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(plaintext).toString('utf8')) as unknown;
  } catch {
    plaintext.fill(0);
    throw new Failure('wrong-passphrase', 'a sealed share is not JSON');
  }
}

/** All that the signers must have in common of a key, in one hash: 32 bytes, hex. */
export function keyHash(key: FrostKey): string {
  const { min: quorum, max: signers } = key.public.signers;
  return frostKeyHash({ session: key.session, quorum, signers }, publicWallet(key));
}

/** What each signer says of a key from the second epoch on, before it counts for one of them. */
export function keyStatement(key: FrostKey): KeyStatement {
  const { network, epoch, session, transcript } = key;
  invariant(transcript !== null, 'keys were sealed without a transcript only before there was a second epoch');
  return { version: 1, network, epoch, session, transcript, key_hash: keyHash(key) };
}

/** What the server may know of a key. */
export function publicWallet(key: FrostKey): SignerStatus['frost_wallets'][number] {
  return {
    network: key.network,
    epoch: key.epoch,
    group_key: bytesToHex(key.groupKey),
    chain_code: bytesToHex(key.chainCode),
    commitments: key.public.commitments.map((point) => bytesToHex(point)),
    verifying_shares: verifyingShares(key),
  };
}

/** In the order of the identifiers, so that all signers report the same text. */
function verifyingShares(key: FrostKey): { identifier: string; point: string }[] {
  const pairs = Object.entries(key.public.verifyingShares).map(([identifier, point]) => ({
    identifier,
    point: bytesToHex(point),
  }));
  return pairs.sort((a, b) => (a.identifier < b.identifier ? -1 : 1));
}

function bytes(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(hexToBytes(text));
}
