import { Failure } from '../failure.ts';
import { assetPolicies, networkOf, type AssetPolicy } from '../policy/network-of.ts';
import type { Policy } from '../policy/policy.ts';
import type { DepositClaim } from './customer-record.ts';
import { depositKey } from './deposit-key.ts';
import type { JournalState } from './journal-state.ts';
import { decidedKey } from './release-key.ts';

/**
 * Whether a claim is worth asking the nodes about: this journal bound the address to the customer, the policy has the
 * asset, and it does not count yet.
 * @returns what the policy says about the asset; null for a deposit that counts already, or that approvers decided about.
 * @throws Failure unknown-network, unknown-asset, address-index-taken, deposit-unproven (the address is not bound yet, or
 * the claim is of another family).
 */
export function checkDepositClaim(state: JournalState, claim: DepositClaim, policy: Policy): AssetPolicy | null {
  const network = networkOf(policy, claim.network);
  const asset = assetPolicies(network).find((one) => one.asset === claim.asset);
  if (!asset) throw new Failure('unknown-asset', `the policy has no ${claim.asset} on ${claim.network}`);
  // Otherwise one deposit could be claimed under two names.
  if ((claim.outpoint !== null) !== (network.family === 'bitcoin')) {
    throw new Failure('deposit-unproven', `deposits of ${claim.network} are not named by outputs, or only by them`);
  }
  const binding = state.addresses.get(`${claim.network} ${claim.index}`);
  if (!binding) throw new Failure('deposit-unproven', `index ${claim.index} of ${claim.network} is not handed out`);
  if (binding.customer !== claim.customer || binding.address !== claim.address) {
    throw new Failure(
      'address-index-taken',
      `index ${claim.index} of ${claim.network} is ${binding.address} of ${binding.customer}`,
    );
  }
  const isCounted = state.deposits.has(depositKey(claim)) || state.decided.has(decidedKey(claim, asset.code));
  return isCounted ? null : asset;
}
