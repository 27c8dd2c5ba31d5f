import { Failure } from '@holdfast/core/failure.ts';
import type { Journal } from '../journal/journal.ts';

/**
 * Gives a deposit address out: its index belongs to the customer from the first time on.
 * @param derived this signer's own derivation.
 * @throws Failure address-index-taken; derivation-mismatch when the journal has another address, which a changed
 * configuration would cause.
 */
export async function bindAddress(
  journal: Journal,
  request: { readonly network: string; readonly customer: string; readonly index: number },
  derived: string,
): Promise<{ address: string }> {
  const { network, customer, index } = request;
  const bound = journal.state.addresses.get(`${network} ${index}`);
  if (bound && bound.customer !== customer)
    throw new Failure('address-index-taken', `index ${index} of ${network} is another customer's`);
  if (bound && bound.address !== derived) {
    throw new Failure(
      'derivation-mismatch',
      `index ${index} of ${network} was ${bound.address}, now it derives to ${derived}`,
    );
  }
  const body = { network, customer, index, address: derived };
  await (bound ? journal.flushed() : journal.append({ kind: 'address', body }));
  return { address: derived };
}
