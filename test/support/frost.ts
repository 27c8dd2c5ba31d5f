import type { FrostPublic, FrostSecret } from '@noble/curves/abstract/frost.js';
import { schnorr_FROST, secp256k1_FROST } from '@noble/curves/secp256k1.js';

/** All three parties of a 2-of-3 key generation in one place: untweaked keys, as the signers' ceremony makes them. */
export function generateKeys(): { frostPublic: FrostPublic; secrets: FrostSecret[] } {
  const frost = secp256k1_FROST;
  const ids = [1, 2, 3].map((n) => frost.Identifier.fromNumber(n));
  const rounds = ids.map((id) => frost.DKG.round1(id, { min: 2, max: 3 }));
  const othersOf = (me: number) => rounds.filter((_, i) => i !== me).map((round) => round.public);
  const packages = rounds.map((round, me) => frost.DKG.round2(round.secret, othersOf(me)));
  const keys = rounds.map((round, me) => {
    const mine = packages.filter((_, i) => i !== me).map((sent) => sent[ids[me] as string]);
    return frost.DKG.round3(round.secret, othersOf(me), mine as Parameters<typeof frost.DKG.round3>[2]);
  });
  return { frostPublic: (keys[0] as (typeof keys)[0]).public, secrets: keys.map((key) => key.secret) };
}

/** All rounds of one signature by these shares, aggregated: 64 bytes, BIP-340. */
export function signWith(frostPublic: FrostPublic, quorum: readonly FrostSecret[], message: Uint8Array): Uint8Array {
  const rounds = quorum.map((secret) => ({ secret, ...schnorr_FROST.commit(secret) }));
  const list = rounds.map((round) => round.commitments);
  const shares = rounds.map(({ secret, nonces }) => [
    secret.identifier,
    schnorr_FROST.signShare(secret, frostPublic, nonces, list, message),
  ]);
  return schnorr_FROST.aggregate(frostPublic, list, message, Object.fromEntries(shares));
}
