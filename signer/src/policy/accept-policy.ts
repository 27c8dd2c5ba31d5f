import type { SignedPolicy } from '@holdfast/core/policy/policy.ts';
import type { SignerResponse } from '@holdfast/core/signing/messages.ts';
import type { Spread } from '../halts/spread.ts';
import { log } from '../log.ts';
import type { WalletDeps } from '../wallets/wallet.ts';
import type { PolicyStore } from './policy-store.ts';

/**
 * Takes a version, whoever brings it: its signatures are what counts. Who hears of it first tells the peers.
 * @throws Failure clock-behind: its delay is not to start by a clock that the peers do not share; policy-invalid,
 * policy-rollback, and the journal's.
 */
export async function acceptPolicy(
  deps: Pick<WalletDeps, 'journal' | 'agreedNowMs'> & { readonly policies: PolicyStore; readonly spread: Spread },
  signed: SignedPolicy,
): Promise<SignerResponse<'/v1/policy'>> {
  deps.agreedNowMs();
  const { version, effectiveAtMs, isNew } = await deps.policies.propose(signed, deps.journal.nowMs());
  if (isNew) {
    log('policy-accepted', { version, effective_at_ms: effectiveAtMs });
    deps.spread('/v1/mesh/policy', signed);
  }
  return { version, effective_at_ms: effectiveAtMs };
}
