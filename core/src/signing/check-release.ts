import { Failure } from '../failure.ts';
import { assetPolicies, networkOf } from '../policy/network-of.ts';
import type { Policy } from '../policy/policy.ts';
import type { ReleaseRecord } from './customer-record.ts';
import { depositKey } from './deposit-key.ts';
import type { JournalState } from './journal-state.ts';
import { claimableAt, releaseKey } from './release-key.ts';

/**
 * Whether a deposit in quarantine may be decided about: it is named in the one way that it has, nobody decided about it
 * before, and the signers' nodes have not proven it, because then it counts already.
 * @throws Failure unknown-network, unknown-asset, deposit-unproven (named in another way), already-released
 */
export function checkRelease(state: JournalState, record: ReleaseRecord, policy: Policy): void {
  const { network, asset: code, txid, index, address } = record;
  const rule = networkOf(policy, network);
  const asset = assetPolicies(rule).find((one) => one.code === code);
  if (!asset) throw new Failure('unknown-asset', `the policy has no ${code} on ${network}`);
  // Under two names it could be decided about twice.
  const isNamed = rule.family === 'bitcoin' ? isOutput(txid, index) : isMovement(txid, index, asset.contract, address);
  if (!isNamed) throw new Failure('deposit-unproven', `no deposit of ${network} is called ${txid} ${index}`);
  const place = claimableAt(record);
  const isCounted = place !== null && state.deposits.has(depositKey({ ...place, asset: asset.asset }));
  if (isCounted || state.released.has(releaseKey(record))) {
    throw new Failure(
      'already-released',
      `${txid} ${index} ${isCounted ? 'counts as proven' : 'was decided about before'}`,
    );
  }
}

function isOutput(txid: string, index: string): boolean {
  return /^[0-9a-f]{64}$/.test(txid) && /^vout:(0|[1-9][0-9]{0,4})$/.test(index);
}

/** As `ScannedTransfer.index` (chains/chain.ts) says. */
function isMovement(txid: string, index: string, contract: string | null, address: string): boolean {
  if (!/^0x[0-9a-f]{64}$/.test(txid)) return false;
  const claimed = contract === null ? /^trace:0(\.(0|[1-9][0-9]*))*$/ : /^log:(0|[1-9][0-9]*)$/;
  return claimed.test(index) || index === `balance:${contract ?? 'native'}:${address}`.toLowerCase();
}
