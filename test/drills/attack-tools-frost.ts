import { tweakPublic, tweakSecret } from '@holdfast/core/keys/tweak-frost.ts';
import type { NonceCommitment, SignBitcoinRequest } from '@holdfast/core/signing/messages.ts';
import { aggregateInputs, type FrostInput } from '@holdfast/server/signers/aggregate.ts';
import type { SignerClient } from '@holdfast/server/signers/panel.ts';
import { type FrostKey, publicWallet } from '@holdfast/signer/keys/frost-key.ts';
import type { NonceCommitments } from '@noble/curves/abstract/frost.js';
import { schnorr_FROST } from '@noble/curves/secp256k1.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { frostInputs, type HotCoin, withSignatures } from './attack-tools-chains.ts';

/** Round one of a share that is at hand. */
export function ownRound(key: FrostKey, inputs: readonly FrostInput[]) {
  const drawn = inputs.map((input) => {
    const { nonces, commitments } = schnorr_FROST.commit(key.secret);
    return { input, nonces, commitment: encode(commitments) };
  });
  return {
    identifier: key.secret.identifier,
    commitments: drawn.map(({ commitment }) => commitment),
    /** Round two with these lists of commitments. */
    shares: (lists: readonly (readonly NonceCommitment[])[]): string[] =>
      drawn.map(({ input, nonces }, at) => {
        const secret = tweakSecret(key.secret, input.tweak);
        const group = tweakPublic({ ...key.public, verifyingShares: {} }, input.tweak);
        const list = lists[at]!.map(decode);
        return bytesToHex(schnorr_FROST.signShare(secret, group, nonces, list, input.sighash));
      }),
  };
}

/** Signs with shares that are all at hand. */
export function signWithShares(keys: readonly FrostKey[], rawTx: string, coins: readonly HotCoin[]): string {
  const inputs = frostInputs(rawTx, coins);
  const rounds = keys.map((key) => ownRound(key, inputs));
  const lists = inputs.map((_, at) => rounds.map(({ commitments }) => commitments[at]!));
  const shares = rounds.map(({ identifier, shares: give }) => ({ identifier, shares: give(lists) }));
  return withSignatures(rawTx, aggregateInputs(publicWallet(keys[0]!), inputs, lists, shares, 2, 3));
}

/** Signs with a stolen share and an honest signer's, which the thief asks for as the server. */
export async function signWithThief(
  stolen: FrostKey,
  honest: SignerClient,
  request: SignBitcoinRequest,
  coins: readonly HotCoin[],
): Promise<string> {
  const { session, commitments } = await honest.call('/v1/sign/bitcoin/commit', request);
  const inputs = frostInputs(request.raw_tx, coins);
  const own = ownRound(stolen, inputs);
  const lists = commitments.map((one, at) => [one, own.commitments[at]!]);
  const answer = await honest.call('/v1/sign/bitcoin/share', { session, commitments: lists });
  const shares = [
    { identifier: commitments[0]!.identifier, shares: answer.shares },
    { identifier: own.identifier, shares: own.shares(lists) },
  ];
  return withSignatures(request.raw_tx, aggregateInputs(publicWallet(stolen), inputs, lists, shares, 2, 3));
}

function encode({ identifier, hiding, binding }: NonceCommitments): NonceCommitment {
  return { identifier, hiding: bytesToHex(hiding), binding: bytesToHex(binding) };
}

function decode({ identifier, hiding, binding }: NonceCommitment): NonceCommitments {
  return { identifier, hiding: Uint8Array.from(hexToBytes(hiding)), binding: Uint8Array.from(hexToBytes(binding)) };
}
