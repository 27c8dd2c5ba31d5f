import type { AssetResource, NetworkResource, SignerResource } from '@holdfast/core/contract/resources.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import type { Context } from '../context.ts';
import type { Network } from '../networks/network.ts';
import type { SignerPanel } from '../signers/panel.ts';
import { schedulesInForce } from '../store/fee-schedules.ts';
import { tipBlock } from '../store/blocks.ts';

/** With the terms in force now. */
export async function listAssets(ctx: Context): Promise<AssetResource[]> {
  const nowMs = ctx.now();
  const inForce = new Map<string, Awaited<ReturnType<typeof schedulesInForce>>>();
  for (const { id } of ctx.config.networks) inForce.set(id, await schedulesInForce(ctx.db, id, nowMs));
  return ctx.config.assets.map((asset) => ({
    object: 'asset',
    ...asset,
    networks: ctx.config.networks.flatMap((network) =>
      network.assets
        .filter((rule) => rule.asset === asset.code)
        .map((rule) => {
          const terms = inForce.get(network.id)?.get(asset.code);
          invariant(terms, `${asset.code} on ${network.id} has a fee schedule`);
          return {
            network: network.id,
            caip19: rule.caip19,
            contract: rule.contract,
            schedule_version: terms.version,
            withdrawal_fee: String(terms.feeFlat),
            withdrawal_fee_per_mille: terms.feePerMille,
            network_share_per_mille: terms.networkSharePerMille,
            withdrawal_minimum: String(terms.withdrawalMinimum),
            deposit_minimum: String(terms.depositMinimum),
            precision: terms.precision,
          };
        }),
    ),
  }));
}

export async function listNetworks(ctx: Context, networks: Iterable<Network>): Promise<NetworkResource[]> {
  return Promise.all(
    [...networks].map(async (network) => {
      const tip = await tipBlock(ctx.db, network.id);
      return {
        object: 'network' as const,
        id: network.id,
        name: network.config.name,
        family: network.family,
        height: tip?.height ?? null,
        block_hash: tip?.hash ?? null,
        agree: network.nodes.quorum,
        endpoints: network.nodes.states(),
        confirmations: network.config.assets.flatMap((rule) =>
          rule.confirmations.map((tier) => ({ ...tier, asset: rule.asset })),
        ),
      };
    }),
  );
}

/** For the metrics: which endpoints count. */
export function endpointReadings(networks: Iterable<Network>): { network: string; name: string; counts: boolean }[] {
  return [...networks].flatMap(({ id, nodes }) =>
    nodes
      .states()
      .map(({ name, standing }) => ({ network: id, name, counts: standing === 'counted' || standing === 'ahead' })),
  );
}

export async function listSigners(panel: SignerPanel): Promise<SignerResource[]> {
  return (await panel.status()).map(({ id, status, problem }) => ({
    object: 'signer',
    id,
    reachable: status !== null,
    detail: problem ?? status?.problem ?? null,
    owner_address: status?.owner_address ?? null,
    journal_seq: status?.journal.seq ?? null,
    build: status?.build ?? null,
    governance: (status?.governance ?? []).map(({ network, operation, calls, ready_at_ms: readyAtMs }) => ({
      network,
      operation,
      calls,
      ready_at: new Date(readyAtMs).toISOString(),
    })),
  }));
}
