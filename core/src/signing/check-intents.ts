import { bytesToHex } from '@noble/hashes/utils.js';
import { Failure } from '../failure.ts';
import { parseBaseUnits, type BaseUnits } from '../money/base-units.ts';
import { intentDigest, type AuthorizedIntent } from './intent.ts';

/** One signer's own rules for the withdrawals of one network. */
export interface IntentRules {
  readonly network: string;
  /** Integrators' Ed25519 keys, 32 bytes, by key id; pinned in this signer's config. */
  readonly keys: ReadonlyMap<string, Uint8Array>;
  /** By CAIP-19: the most that one payment may carry. */
  readonly perPaymentMax: ReadonlyMap<string, bigint>;
  /** RFC 8032 verification. */
  readonly verify: (publicKey: Uint8Array, message: Uint8Array, signature: string) => boolean;
  /** Canonical form of a destination in full, and whether it belongs to us. @throws Failure invalid-address, network-mismatch. */
  readonly parseDestination: (text: string) => { readonly address: string; readonly isOwn: boolean };
}

/** An intent whose evidence holds. */
export interface CheckedIntent {
  /** 64 hex digits. */
  readonly digest: string;
  readonly asset: string;
  readonly amount: BaseUnits;
  /** Canonical text. */
  readonly destination: string;
  readonly expiresAtMs: number;
}

/**
 * Checks what does not depend on time or history: the evidence, the network, the asset, the amount, the destination, and
 * that no intent comes twice. The schema was checked when the message was parsed.
 * @throws Failure authorization-invalid, network-mismatch, unknown-asset, limit-exceeded, invalid-address,
 * destination-refused, payment-mismatch.
 */
export function checkIntents(authorized: readonly AuthorizedIntent[], rules: IntentRules): CheckedIntent[] {
  const checked = authorized.map((one) => checkIntent(one, rules));
  if (new Set(checked.map((intent) => intent.digest)).size !== checked.length) {
    throw new Failure('payment-mismatch', 'an intent is in the batch twice');
  }
  return checked;
}

function checkIntent({ intent, authorization }: AuthorizedIntent, rules: IntentRules): CheckedIntent {
  const digestBytes = intentDigest(intent);
  const digest = bytesToHex(digestBytes);
  const key = rules.keys.get(authorization.key_id);
  if (!key) throw new Failure('authorization-invalid', `intent ${digest}: key ${authorization.key_id} is not pinned`);
  if (!rules.verify(key, digestBytes, authorization.signature)) {
    throw new Failure(
      'authorization-invalid',
      `intent ${digest}: the signature of ${authorization.key_id} does not hold`,
    );
  }
  if (intent.network !== rules.network) {
    throw new Failure(
      'network-mismatch',
      `intent ${digest} is for ${intent.network}, the transaction for ${rules.network}`,
    );
  }
  const amountMax = rules.perPaymentMax.get(intent.asset);
  if (amountMax === undefined)
    throw new Failure('unknown-asset', `intent ${digest}: ${intent.asset} is not configured`);
  const amount = parseBaseUnits(intent.amount);
  if (amount > amountMax) {
    throw new Failure(
      'limit-exceeded',
      `intent ${digest}: ${amount} of ${intent.asset} is over ${amountMax} a payment`,
    );
  }
  if (intent.memo !== null)
    throw new Failure('payment-mismatch', `intent ${digest} asks for a memo, which ${rules.network} cannot carry`);
  const { address, isOwn } = rules.parseDestination(intent.destination);
  if (isOwn)
    throw new Failure('destination-refused', `intent ${digest} pays ${address}, which belongs to the wallet system`);
  return { digest, asset: intent.asset, amount, destination: address, expiresAtMs: Date.parse(intent.expires_at) };
}
