import { createPrivateKey } from 'node:crypto';
import type { AssetTraits } from './store/asset-traits.ts';
import type { AssetRule, NetworkConfig, ServerConfig } from './config.ts';
import type { Context } from './context.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { Operations } from './http/operations.ts';
import type { ServerKeys } from './init.ts';
import { deliverWebhooks } from './jobs/deliver-webhooks.ts';
import { type Loop, startLoop } from './jobs/loop.ts';
import { runNetworkJobs } from './jobs/run-jobs.ts';
import { sequenceEvents } from './jobs/sequence-events.ts';
import { bitcoinNetwork } from './networks/bitcoin/bitcoin-network.ts';
import { evmNetwork } from './networks/evm/evm-network.ts';
import type { Network } from './networks/network.ts';
import { storeOperations } from './store-operations.ts';
import { createWithdrawal } from './operations/create-withdrawal.ts';
import { issueDepositAddress } from './operations/issue-deposit-address.ts';
import { listAssets, listNetworks, listSigners } from './operations/list-resources.ts';
import { reconcile } from './operations/reconcile.ts';
import { createSignerClient } from './signers/client.ts';
import { signerPanel, type SignerPanel } from './signers/panel.ts';

/** Pause of the loops that hand out events. */
const eventsEveryMs = 100;

/** Everything that reaches out of the process, made from the configuration; the only place that constructs adapters. */
export interface Adapters {
  readonly panel: SignerPanel;
  readonly networks: ReadonlyMap<string, Network>;
  close(): void;
}

export function wireAdapters(config: ServerConfig, keys: ServerKeys, db: Context['db']): Adapters {
  const clients = config.signers.map((signer) =>
    createSignerClient({ ...signer, certificate: keys.identity.certificate, key: keys.identity.privateKey }),
  );
  const panel = signerPanel(clients, config.quorum);
  const networks = config.networks.map((row): Network => {
    const nativeAsset = nativeRule(row).asset;
    return row.family === 'evm'
      ? evmNetwork(row, { db, panel, relayerKey: keys.relayerKey, nativeAsset })
      : bitcoinNetwork(row, { db, panel, nativeAsset });
  });
  return {
    panel,
    networks: new Map(networks.map((network) => [network.id, network])),
    close: () => clients.forEach((client) => client.close()),
  };
}

function nativeRule(row: NetworkConfig): AssetRule {
  const native = row.assets.find((rule) => rule.contract === null);
  if (!native) throw new Failure('config-invalid', `${row.id} lists no native asset`);
  return native;
}

function assetTraits(config: ServerConfig): AssetTraits {
  const decimals = new Map(config.assets.map((asset) => [asset.code, asset.decimals]));
  const natives = new Map(config.networks.map((row) => [row.id, nativeRule(row).asset]));
  const known = <T>(map: ReadonlyMap<string, T>, key: string): T => {
    const value = map.get(key);
    if (value === undefined)
      throw new Failure('config-invalid', `the database knows ${key}, the configuration does not`);
    return value;
  };
  return { decimalsOf: (asset) => known(decimals, asset), nativeAssetOf: (network) => known(natives, network) };
}

/** The API's operations over the store and the adapters. */
export function wireOperations(ctx: Context, adapters: Adapters, keys: ServerKeys): Operations {
  const { panel, networks } = adapters;
  const traits = assetTraits(ctx.config);
  const webhooks = { signingKey: createPrivateKey(keys.webhookKey), allowPrivate: ctx.config.webhooks.allow_private };
  return {
    ...storeOperations({ db: ctx.db, now: ctx.now, newId: ctx.newId, assets: ctx.config.assets, traits, webhooks }),
    listAssets: async () => listAssets(ctx),
    listNetworks: () => listNetworks(ctx, networks.values()),
    issueDepositAddress: (body) => issueDepositAddress(ctx, networks, panel, body),
    createWithdrawal: (body) => createWithdrawal(ctx, networks, traits, body),
    listSigners: () => listSigners(panel),
    reconcile: () => reconcile(ctx, networks.values()),
  };
}

/** Starts every loop of the server. */
export function startJobs(ctx: Context, adapters: Adapters, keys: ServerKeys): Loop[] {
  const signingKey = createPrivateKey(keys.webhookKey);
  const allowPrivate = ctx.config.webhooks.allow_private;
  return [
    ...runNetworkJobs(ctx, adapters.networks.values()),
    startLoop(ctx, 'sequence', 'events', eventsEveryMs, () => sequenceEvents({ db: ctx.db })),
    startLoop(ctx, 'deliver', 'webhooks', eventsEveryMs, () =>
      deliverWebhooks({ db: ctx.db, now: ctx.now, newId: ctx.newId, signingKey, allowPrivate }),
    ),
  ];
}
