import { Failure } from '@holdfast/core/failure.ts';
import type { Journal } from '../journal/journal.ts';

/** A gap is left by addresses that were not given out through this signer; a large one only fills the journal. */
const indexGapMax = 10_000;

/**
 * Gives a deposit address out: its index belongs to the customer from the first time on.
 * @param derived this signer's own derivation.
 * @throws Failure invalid-request for an index far above the highest so far; address-index-taken; derivation-mismatch
 * when the journal has another address, which a changed configuration would cause.
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
  const indexMax = (journal.state.indexMax.get(network) ?? 0) + indexGapMax;
  if (index > indexMax) {
    throw new Failure('invalid-request', `index ${index} of ${network} is above ${indexMax}`, { pointer: '/index' });
  }
  const body = { network, customer, index, address: derived };
  await (bound ? journal.flushed() : journal.append({ kind: 'address', body }));
  return { address: derived };
}
