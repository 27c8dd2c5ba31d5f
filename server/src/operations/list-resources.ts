import type { AssetResource, NetworkResource, SignerResource } from '@holdfast/core/contract/resources.ts';
import type { Context } from '../context.ts';
import type { Network } from '../networks/network.ts';
import type { SignerPanel } from '../signers/panel.ts';
import { tipBlock } from '../store/blocks.ts';

export function listAssets(ctx: Context): AssetResource[] {
  return ctx.config.assets.map((asset) => ({
    object: 'asset',
    ...asset,
    networks: ctx.config.networks.flatMap((network) =>
      network.assets
        .filter((rule) => rule.asset === asset.code)
        .map((rule) => ({
          network: network.id,
          caip19: rule.caip19,
          contract: rule.contract,
          withdrawal_fee: rule.withdrawal_fee,
          withdrawal_minimum: rule.withdrawal_minimum,
        })),
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
