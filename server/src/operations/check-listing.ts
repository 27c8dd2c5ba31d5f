import type { ListingCheckResource } from '@holdfast/core/contract/listing-resources.ts';
import { quorumHeight } from '@holdfast/core/chains/endpoint-heights.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { judgeListing, type ListingFinding } from '@holdfast/core/policy/judge-listing.ts';
import { assetPolicies } from '@holdfast/core/policy/network-of.ts';
import { guardOf } from '@holdfast/core/policy/guard-of.ts';
import type { AssetRule } from '../config.ts';
import type { Context } from '../context.ts';
import type { Network, NetworkCosts } from '../networks/network.ts';
import { schedulesInForce } from '../store/fee-schedules.ts';
import { assetOn } from './create-fee-schedule.ts';

/**
 * Goes through the checklist of a network and its assets, or one of them, by the nodes, the policy and the terms as they are now.
 * @throws Failure unknown-network, unknown-asset, node-unavailable, node-disagreement.
 */
export async function checkListing(
  ctx: Context,
  networks: ReadonlyMap<string, Network>,
  asked: { readonly network: string; readonly asset?: string | undefined },
): Promise<ListingCheckResource[]> {
  const network = networks.get(asked.network);
  if (!network) throw new Failure('unknown-network', `no network ${asked.network}`, { pointer: '/query/network' });
  const rules = asked.asset === undefined ? network.config.assets : [assetOn(ctx, asked.network, asked.asset).rule];
  const costs = await network.costs();
  const found = (await checkNetwork(ctx, network, costs)).map((one) => row(network, null, one));
  for (const rule of rules) {
    for (const one of await checkAsset(ctx, network, rule, costs)) found.push(row(network, rule.asset, one));
  }
  return found;
}

function row(network: Network, asset: string | null, one: ListingFinding): ListingCheckResource {
  return { object: 'listing_check', network: network.id, asset, ...one };
}

async function checkNetwork(ctx: Context, network: Network, costs: NetworkCosts): Promise<ListingFinding[]> {
  const height = quorumHeight(await network.nodes.heights(), network.nodes.quorum) ?? 0;
  const hash = await network.hashAt(height);
  const { endpoints, final_confirmations: final } = network.config;
  const policy = ctx.policy.networks.find((one) => one.network === network.id);
  const guard = network.config.family === 'evm' ? (network.config.guard ?? null) : null;
  const policyGuard = policy?.family === 'evm' ? guardOf(policy) : null;
  const say = (check: string, ok: boolean, detail: string, fix: string): ListingFinding => ({
    check,
    result: ok ? 'ok' : 'failed',
    detail,
    fix: ok ? '' : fix,
  });
  return [
    say(
      'endpoints',
      endpoints.length > 1,
      `${network.nodes.quorum} of ${endpoints.length} agree on ${hash} at ${height}`,
      'Configure a second endpoint that somebody else runs.',
    ),
    say(
      'policy',
      policy !== undefined,
      policy ? `version ${ctx.policy.version} has it` : 'the policy has no such network',
      'A version of the policy with the network.',
    ),
    say(
      'guard',
      guard?.toLowerCase() === policyGuard?.toLowerCase(),
      `${guard ?? 'none'} here, ${policyGuard ?? 'none'} in the policy`,
      'Correct the one that is wrong; the chain says which.',
    ),
    say(
      'finality',
      policy === undefined || final <= policy.finality_blocks,
      `${final} confirmations here, ${policy?.finality_blocks ?? 'unknown'} in the policy`,
      'Settle no later than what signers take for final.',
    ),
    say(
      'price',
      costs.feeRate <= costs.feeRateMax,
      `the network asks ${costs.feeRate}, the ceiling is ${costs.feeRateMax}`,
      'Raise max_fee_per_gas or fee_rate_max, or wait.',
    ),
  ];
}

async function checkAsset(
  ctx: Context,
  network: Network,
  rule: AssetRule,
  costs: NetworkCosts,
): Promise<ListingFinding[]> {
  const { decimals } = assetOn(ctx, network.id, rule.asset);
  const policy = ctx.policy.networks.find((one) => one.network === network.id);
  const own = policy && assetPolicies(policy).find((one) => one.asset === rule.caip19);
  const terms = (await schedulesInForce(ctx.db, network.id, ctx.now())).get(rule.asset);
  return judgeListing({
    asset: rule.asset,
    decimals,
    caip19: rule.caip19,
    contract: rule.contract,
    policy: own ? { code: own.code, contract: own.contract } : null,
    tiers: rule.confirmations.map(({ below, confirmations }) => ({
      below: below === null ? null : BigInt(below),
      confirmations,
    })),
    guardRoom: (await network.listing?.guardRoom(rule.contract)) ?? null,
    depositMinimum: terms?.depositMinimum ?? 0n,
    withdrawalMinimum: terms?.withdrawalMinimum ?? 0n,
    collectionCost: costs.collection(rule.asset),
    token: rule.contract === null ? null : ((await network.listing?.token(rule.contract)) ?? null),
  });
}
