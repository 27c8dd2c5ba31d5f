import { Failure } from '../failure.ts';
import { networkOf } from '../policy/network-of.ts';
import { checkCustomerAuthorization } from './check-customer-authorization.ts';
import type { DestinationRecord } from './customer-record.ts';
import type { RecordRules } from './decide-customer-record.ts';
import { destinationKey } from './destination-key.ts';
import type { Authorization } from './evidence.ts';
import type { JournalState } from './journal-state.ts';

/**
 * Judges a new entry of a customer's address book or the removal of one. The address counts as it is written: payments are
 * looked up by the network's canonical text, so an entry in another spelling serves nothing. Adding it again restarts the
 * delay.
 * @returns when it counts: a new entry after the policy's delay, a removal at once (0).
 * @throws Failure unknown-network, destination-not-approved (nothing to remove), authorization-invalid, credential-unknown
 */
export function checkDestinationRecord(
  state: JournalState,
  record: DestinationRecord,
  authorization: Authorization,
  digest: Uint8Array,
  rules: RecordRules,
): number {
  const { customer, network, address, action } = record;
  networkOf(rules.policy, network);
  if (action === 'remove' && !state.destinations.has(destinationKey(customer, network, address))) {
    throw new Failure('destination-not-approved', `${address} is not in the address book of ${customer}`);
  }
  checkCustomerAuthorization(state, customer, authorization, 'add-destination', digest, rules);
  return action === 'add' ? rules.nowMs + rules.policy.destinations.delay_s * 1_000 : 0;
}
