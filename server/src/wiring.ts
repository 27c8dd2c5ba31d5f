import { createPrivateKey } from 'node:crypto';
import type { AssetTraits } from './store/asset-traits.ts';
import type { AssetRule, NetworkConfig, ServerConfig } from './config.ts';
import type { Context } from './context.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { MultisigWalletPolicy, Policy } from '@holdfast/core/policy/policy.ts';
import type { Operations } from './http/operations.ts';
import type { ServerKeys } from './init.ts';
import { deliverSignerRecords, deliverToAll, recordLanes } from './jobs/deliver-signer-records.ts';
import { deliverWebhooks } from './jobs/deliver-webhooks.ts';
import { type Loop, startLoop } from './jobs/loop.ts';
import { runNetworkJobs } from './jobs/run-jobs.ts';
import { watchHalts } from './jobs/watch-halts.ts';
import { sequenceEvents } from './jobs/sequence-events.ts';
import { bitcoinNetwork } from './networks/bitcoin/bitcoin-network.ts';
import { evmNetwork } from './networks/evm/evm-network.ts';
import type { Network } from './networks/network.ts';
import { storeOperations } from './store-operations.ts';
import { approveWithdrawal } from './operations/approve-withdrawal.ts';
import { cancelWithdrawal } from './operations/cancel-withdrawal.ts';
import { createAdjustment } from './operations/create-adjustment.ts';
import { createCustomerRecord } from './operations/create-customer-record.ts';
import { createSettlement } from './operations/create-settlement.ts';
import { createWithdrawal } from './operations/create-withdrawal.ts';
import { issueDepositAddress } from './operations/issue-deposit-address.ts';
import { listAssets, listNetworks, listSigners } from './operations/list-resources.ts';
import { listHalts, listPolicies, tellSigners } from './operations/tell-signers.ts';
import { policyGate } from './operations/policy-gate.ts';
import { reconcile } from './operations/reconcile.ts';
import { getWithdrawal } from './store/withdrawal-resources.ts';
import { createSignerClient } from './signers/client.ts';
import { createHaltView, type HaltView } from './signers/halt-view.ts';
import { signerPanel, type SignerPanel } from './signers/panel.ts';

/** Pause of the loops that hand out events. */
const eventsEveryMs = 100;
/** Pause of the loops that tell signers about customers. */
const recordsEveryMs = 200;
/** Pause of the loop that asks the signers what is halted. */
const haltsEveryMs = 500;

/** Everything that reaches out of the process, made from the configuration; the only place that constructs adapters. */
export interface Adapters {
  readonly panel: SignerPanel;
  readonly networks: ReadonlyMap<string, Network>;
  /** What the signers said of themselves last. */
  readonly halts: HaltView;
  close(): void;
}

export function wireAdapters(
  config: ServerConfig,
  policy: Policy,
  keys: ServerKeys,
  db: Context['db'],
  now: Context['now'],
): Adapters {
  const clients = config.signers.map((signer) =>
    createSignerClient({ ...signer, certificate: keys.identity.certificate, key: keys.identity.privateKey }),
  );
  const statementKeys = new Map(config.signers.map((signer) => [signer.id, signer.statement_key]));
  const panel = signerPanel(clients, config.quorum, statementKeys);
  const networks = config.networks.map((row): Network => {
    const nativeAsset = nativeRule(row).asset;
    return row.family === 'evm'
      ? evmNetwork(row, { db, panel, relayerKey: keys.relayerKey, sweeperKey: keys.sweeperKey, nativeAsset, now })
      : bitcoinNetwork(row, { db, panel, nativeAsset, multisig: multisigOf(policy, row.id, config.quorum) });
  });
  return {
    panel,
    halts: createHaltView(panel),
    networks: new Map(networks.map((network) => [network.id, network])),
    close: () => clients.forEach((client) => client.close()),
  };
}

/** The wallet that the policy names; null for one under a FROST key. */
function multisigOf(policy: Policy, id: string, quorum: number): MultisigWalletPolicy | null {
  const network = policy.networks.find((one) => one.network === id);
  const wallet = network?.family === 'bitcoin' ? network.wallet : undefined;
  if (wallet && wallet.threshold !== quorum)
    throw new Failure(
      'config-invalid',
      `the wallet of ${id} takes ${wallet.threshold} signatures, quorum is ${quorum}`,
    );
  return wallet ?? null;
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
  const gate = policyGate(ctx, adapters.halts);
  const webhooks = { signingKey: createPrivateKey(keys.webhookKey), allowPrivate: ctx.config.webhooks.allow_private };
  return {
    ...storeOperations({ db: ctx.db, now: ctx.now, newId: ctx.newId, assets: ctx.config.assets, traits, webhooks }),
    listAssets: async () => listAssets(ctx),
    listNetworks: () => listNetworks(ctx, networks.values()),
    issueDepositAddress: (body) => issueDepositAddress(ctx, networks, panel, body),
    createWithdrawal: (body) => createWithdrawal(ctx, networks, traits, body),
    cancelWithdrawal: async (id) => {
      await cancelWithdrawal(ctx, id);
      return getWithdrawal(ctx.db, traits, id);
    },
    approveWithdrawal: async (id, assertion) => {
      await approveWithdrawal(ctx, id, assertion);
      return getWithdrawal(ctx.db, traits, id);
    },
    createCustomerRecord: (body) => createCustomerRecord(ctx, networks, body),
    createSettlement: (body) => createSettlement(ctx, gate, body),
    createAdjustment: (body) => createAdjustment(ctx, gate, body),
    listHalts: () => listHalts(panel),
    halt: (signed) => tellSigners(panel, '/v1/halt', signed),
    resume: (signed) => tellSigners(panel, '/v1/resume', signed),
    listPolicies: () => listPolicies(panel),
    proposePolicy: (signed) => tellSigners(panel, '/v1/policy', signed),
    listSigners: () => listSigners(panel),
    reconcile: () => reconcile(ctx, networks.values()),
  };
}

/** Starts every loop of the server. */
export async function startJobs(ctx: Context, adapters: Adapters, keys: ServerKeys): Promise<Loop[]> {
  const signingKey = createPrivateKey(keys.webhookKey);
  const allowPrivate = ctx.config.webhooks.allow_private;
  const { panel, halts } = adapters;
  const lanes = await recordLanes(ctx);
  return [
    ...runNetworkJobs(ctx, adapters.networks.values(), {
      tell: () => deliverToAll(ctx, panel, lanes),
      isHalted: halts.isHalted,
      panel,
      pauses: halts.pauses,
    }),
    startLoop(ctx, 'halts', 'signers', haltsEveryMs, () => watchHalts(ctx, halts)),
    ...ctx.config.signers.flatMap(({ id }) =>
      lanes.map((lane) =>
        startLoop(ctx, 'tell', `${id} ${lane}`, recordsEveryMs, () => deliverSignerRecords(ctx, panel, id, lane)),
      ),
    ),
    startLoop(ctx, 'sequence', 'events', eventsEveryMs, () => sequenceEvents({ db: ctx.db })),
    startLoop(ctx, 'deliver', 'webhooks', eventsEveryMs, () =>
      deliverWebhooks({ db: ctx.db, now: ctx.now, newId: ctx.newId, signingKey, allowPrivate }),
    ),
  ];
}
