import type { EvmNetworkPolicy } from './policy.ts';

const none = `0x${'00'.repeat(20)}`;

/** The vault's guard on the Safe of a network; null where the policy says that it has none. */
export function guardOf({ safe_guard: guard }: Pick<EvmNetworkPolicy, 'safe_guard'>): string | null {
  return guard === none ? null : guard;
}
