import { Failure } from '@holdfast/core/failure.ts';
import { firstEpoch } from '@holdfast/core/signing/key-messages.ts';
import type { AddressStatement, SignerResponse } from '@holdfast/core/signing/messages.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import type { WalletDeps } from './wallet.ts';

/** Epoch of every EVM address: forwarders hang on the registry, not on a key that would be replaced. */
export const evmEpoch = 1;

/** A gap is left by addresses that were not given out through this signer; a large one only fills the journal. */
const indexGapMax = 10_000;

/**
 * Gives a deposit address out: its index belongs to the customer from the first time on, on the disk before the signer
 * vouches for it. A halt does not stop it: deposits that are under way must not be lost.
 * @param derived this signer's own derivation.
 * @returns the address with this signer's Ed25519 over its `AddressStatement`.
 * @throws Failure build-not-permitted; invalid-request for an index far above the highest so far; address-index-taken; derivation-mismatch
 * when the journal has another address, which a changed configuration would cause.
 */
export async function bindAddress(
  { journal, statement, assertBuild }: Pick<WalletDeps, 'journal' | 'statement' | 'assertBuild'>,
  request: {
    readonly network: string;
    readonly customer: string;
    readonly index: number;
    readonly customer_reference?: string;
  },
  derived: { readonly address: string; readonly epoch: number },
): Promise<SignerResponse<'/v1/address'>> {
  // Two signers that a poisoned release got into would else vouch for a thief's address inside its soak time.
  assertBuild();
  const { network, customer, index } = request;
  const { address, epoch } = derived;
  const bound = journal.state.addresses.get(`${network} ${index}`);
  if (bound && bound.customer !== customer)
    throw new Failure('address-index-taken', `index ${index} of ${network} is another customer's`);
  if (bound && bound.address !== address) {
    throw new Failure(
      'derivation-mismatch',
      `index ${index} of ${network} was ${bound.address}, now it derives to ${address}`,
    );
  }
  const indexMax = (journal.state.indexMax.get(network) ?? 0) + indexGapMax;
  if (index > indexMax) {
    throw new Failure('invalid-request', `index ${index} of ${network} is above ${indexMax}`, { pointer: '/index' });
  }
  const { customer_reference: reference } = request;
  const named = reference === undefined ? {} : { customer_reference: reference };
  const body = { network, customer, index, address, ...(epoch > firstEpoch && { epoch }), ...named };
  await (bound ? journal.flushed() : journal.append({ kind: 'address', body }));
  const said: AddressStatement = { version: 1, network, customer, address, epoch };
  return { address, epoch, statement: statement.sign(statementDigest('address', said)) };
}
