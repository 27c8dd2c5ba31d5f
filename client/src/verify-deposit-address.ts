import { createPublicKey, verify } from 'node:crypto';
import type { DepositAddressResource } from '@holdfast/core/contract/resources.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { AddressStatement } from '@holdfast/core/signing/messages.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';

/** Whose word makes a deposit address: pinned out of band, from the record of the key ceremony, never from the API. */
export interface PinnedSigners {
  /** So many of them must vouch for an address. */
  readonly quorum: number;
  /** Statement keys by signer: Ed25519, 64 hex digits. */
  readonly keys: Readonly<Record<string, string>>;
}

/** What an address was asked for; what the API says about it does not count. */
export interface AddressRequest {
  readonly customer?: string | undefined;
  readonly network?: string | undefined;
  readonly id?: string | undefined;
  readonly address?: string | undefined;
}

// SubjectPublicKeyInfo of an Ed25519 key is this and the 32 bytes (RFC 8410).
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex');

/**
 * Checks that a quorum of pinned signers vouches for exactly this address of this customer. Whoever owns the API host can
 * show another address but cannot make it pass here. Vouched for is the pair of customer and address: an id is the API's
 * own, so name the customer that you will show the address to, or compare `resource.customer`.
 * @param asked where given, the address must be that customer's, on that network.
 * @throws Failure attestation-invalid.
 */
export function verifyDepositAddress(
  resource: DepositAddressResource,
  pinned: PinnedSigners | undefined,
  asked: AddressRequest = {},
): void {
  const { customer, network, address, attestation } = resource;
  if (!pinned) {
    throw new Failure('attestation-invalid', 'no signers are pinned, so no address can be believed', {
      fix: 'Give createClient the statement keys of the key ceremony: attestation: { quorum, keys }.',
    });
  }
  for (const name of ['customer', 'network', 'id', 'address'] as const) {
    const wanted = asked[name];
    if (wanted === undefined || wanted === resource[name]) continue;
    throw new Failure('attestation-invalid', `asked for ${name} ${wanted}, got ${resource[name]}`);
  }
  const statement: AddressStatement = { version: 1, network, customer, address, epoch: attestation?.epoch ?? 0 };
  const digest = statementDigest('address', statement);
  const vouching = new Set(
    (attestation?.statements ?? [])
      .filter(
        ({ signer, signature }) => Object.hasOwn(pinned.keys, signer) && holds(pinned.keys[signer]!, digest, signature),
      )
      .map(({ signer }) => pinned.keys[signer]!),
  );
  // A number that is none (NaN, undefined) would let every comparison pass.
  if (!(Number.isInteger(pinned.quorum) && pinned.quorum >= 1) || vouching.size < pinned.quorum) {
    throw new Failure(
      'attestation-invalid',
      `${vouching.size} of ${pinned.quorum} pinned signers vouch for ${address}`,
    );
  }
}

function holds(key: string, digest: Uint8Array, signature: string): boolean {
  if (!/^[0-9a-f]{64}$/.test(key) || !/^[0-9a-f]{128}$/.test(signature)) return false;
  const der = Buffer.concat([spkiPrefix, Buffer.from(key, 'hex')]);
  return verify(
    null,
    digest,
    createPublicKey({ key: der, format: 'der', type: 'spki' }),
    Buffer.from(signature, 'hex'),
  );
}
