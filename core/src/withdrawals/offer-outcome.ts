/**
 * What nodes made of bytes that they were offered. `taken`: one of them has the bytes, or a block does. `fee-refused`: each
 * refused them for their fee and nothing else, so none has them from us. `unknown`: a time-out, a broken connection, another
 * objection; the bytes may be on their way all the same.
 */
export type OfferOutcome = 'taken' | 'fee-refused' | 'unknown';

/** Bitcoin Core, geth, Nethermind, anvil: a node's words for bytes that it has. */
const known =
  /already (?:known|imported|exists|in (?:mempool|block chain|utxo set))|txn-already|AlreadyKnown|ALREADY_EXISTS/i;
/** ... for a fee that is too low. */
const tooCheap =
  /(?:min relay|mempool min) fee not met|insufficient fee|underpriced|max fee per gas less than|FeeTooLow|fee too low/i;

/** @param objections one of each endpoint that did not take the bytes. */
export function offerOutcome(offer: {
  readonly accepted: boolean;
  readonly objections: readonly string[];
}): OfferOutcome {
  const { accepted, objections } = offer;
  if (accepted || objections.some((text) => known.test(text))) return 'taken';
  return objections.length > 0 && objections.every((text) => tooCheap.test(text)) ? 'fee-refused' : 'unknown';
}
