import { expect, test } from 'vitest';
import { offerOutcome } from './offer-outcome.ts';

test.each([
  ['taken', true, ['b: fetch failed']],
  ['taken', false, ['a: sendrawtransaction: txn-already-in-mempool', 'b: does not answer']],
  ['taken', false, ['a: sendrawtransaction: Transaction outputs already in utxo set']],
  ['taken', false, ['a: eth_sendRawTransaction: already known']],
  ['taken', false, ['a: eth_sendRawTransaction: transaction already imported']],
  ['fee-refused', false, ['a: min relay fee not met, 100 < 141', 'b: mempool min fee not met, 100 < 500']],
  ['fee-refused', false, ['a: insufficient fee, rejecting replacement 01ab; new feerate 0.00005 <= old']],
  ['fee-refused', false, ['a: replacement transaction underpriced']],
  ['fee-refused', false, ['a: max fee per gas less than block base fee']],
  // One that does not answer may have it.
  ['unknown', false, ['a: min relay fee not met, 100 < 141', 'b: 127.0.0.1:1 does not answer']],
  ['unknown', false, ['a: nonce too low']],
  ['unknown', false, ['a: bad-txns-inputs-missingorspent']],
  ['unknown', false, ['a: Fee exceeds maximum configured by user (e.g. -maxtxfee, maxfeerate)']],
  ['unknown', false, []],
] as const)('%s: accepted %s, %s', (expected, accepted, objections) => {
  expect(offerOutcome({ accepted, objections })).toBe(expected);
});
