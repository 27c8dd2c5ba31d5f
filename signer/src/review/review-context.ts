import { Failure } from '@holdfast/core/failure.ts';
import type { BitcoinNetworkPolicy, EvmNetworkPolicy, NetworkPolicy, Policy } from '@holdfast/core/policy/policy.ts';
import type { JournalState } from '@holdfast/core/signing/journal-state.ts';
import type { Verifiers } from '@holdfast/core/signing/verifiers.ts';

/** What a request is judged by. */
export interface ReviewContext<N extends NetworkPolicy> {
  readonly policy: Policy;
  readonly network: N;
  readonly state: JournalState;
  readonly verifiers: Verifiers;
  /** Agreed with the peers, UTC milliseconds: what matures is judged by it. */
  readonly nowMs: number;
}

/** @throws Failure unknown-network when the policy in force does not have it. */
export function evmPolicyOf(policy: Policy, network: string): EvmNetworkPolicy {
  const found = policy.networks.find((one) => one.network === network);
  if (found?.family !== 'evm') throw new Failure('unknown-network', `the policy has no EVM network ${network}`);
  return found;
}

/** @throws Failure unknown-network when the policy in force does not have it. */
export function bitcoinPolicyOf(policy: Policy, network: string): BitcoinNetworkPolicy {
  const found = policy.networks.find((one) => one.network === network);
  if (found?.family !== 'bitcoin') throw new Failure('unknown-network', `the policy has no Bitcoin network ${network}`);
  return found;
}
