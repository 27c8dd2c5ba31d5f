import { createPrivateKey } from 'node:crypto';
import type { AssetTraits } from './store/asset-traits.ts';
import type { AssetRule, EvmNetwork, NetworkConfig, ServerConfig } from './config.ts';
import type { Context } from './context.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { BitcoinNetworkPolicy, MultisigWalletPolicy, Policy } from '@holdfast/core/policy/policy.ts';
import type { Operations } from './http/operations.ts';
import type { ServerKeys } from './init.ts';
import { deliverSignerRecords, deliverToAll, recordLanes } from './jobs/deliver-signer-records.ts';
import { deliverWebhooks } from './jobs/deliver-webhooks.ts';
import { forgetIdempotencyKeys } from './jobs/forget-idempotency.ts';
import { type Loop, startLoop, type StartLoop } from './jobs/loop.ts';
import { runNetworkJobs } from './jobs/run-jobs.ts';
import { createDatabaseWatch, type DatabaseWatch } from './jobs/watch-database.ts';
import { watchHalts } from './jobs/watch-halts.ts';
import { sequenceEvents } from './jobs/sequence-events.ts';
import { bitcoinNetwork } from './networks/bitcoin/bitcoin-network.ts';
import { evmNetwork } from './networks/evm/evm-network.ts';
import type { Network } from './networks/network.ts';
import { storeOperations } from './store-operations.ts';
import { approveWithdrawal } from './operations/approve-withdrawal.ts';
import { checkRecoverable } from './operations/check-recoverable.ts';
import { cancelWithdrawal } from './operations/cancel-withdrawal.ts';
import { createAdjustment } from './operations/create-adjustment.ts';
import { createCustomerRecord } from './operations/create-customer-record.ts';
import { checkListing } from './operations/check-listing.ts';
import { claimDeposits } from './operations/claim-deposits.ts';
import { createFeeSchedule } from './operations/create-fee-schedule.ts';
import { createQuote } from './operations/create-quote.ts';
import { createSettlement } from './operations/create-settlement.ts';
import { createWithdrawal } from './operations/create-withdrawal.ts';
import { releaseDeposit } from './operations/release-deposit.ts';
import { createEngineStatement, listEngineEntries, reconcileEngine } from './operations/engine-books.ts';
import { releaseReservation } from './operations/reservation.ts';
import { sequenceEntries } from './store/engine-entries.ts';
import { engineWatch } from './jobs/watch-engine.ts';
import { issueDepositAddress } from './operations/issue-deposit-address.ts';
import { listAssets, listNetworks, listSigners } from './operations/list-resources.ts';
import { listHalts, listPolicies, tellSigners } from './operations/tell-signers.ts';
import { reportFees } from './operations/report-fees.ts';
import { startRescan } from './operations/start-rescan.ts';
import { policyGate } from './operations/policy-gate.ts';
import { reconcile } from './operations/reconcile.ts';
import { getDeposit } from './store/deposit-resources.ts';
import { getWithdrawal } from './store/withdrawal-resources.ts';
import { createSignerClient } from './signers/client.ts';
import { createHaltView, type HaltView } from './signers/halt-view.ts';
import { signerPanel, type SignerPanel } from './signers/panel.ts';
import { signerJournals, type SignerJournals } from './signers/signer-journals.ts';

/** Pause of the loops that hand out events. */
const eventsEveryMs = 100;
/** Pause of the loops that tell signers about customers. */
const recordsEveryMs = 200;
/** Pause of the loop that asks the signers what is halted. */
const haltsEveryMs = 500;
/** Pause of the loop that notices a database that has gone back. */
const databaseEveryMs = 1_000;
/** Pause of the loop that watches the engine. */
const engineEveryMs = 1_000;

/** Pause of the loop that removes old Idempotency-Keys. */
const forgetEveryMs = 60_000;

/** Everything that reaches out of the process, made from the configuration; the only place that constructs adapters. */
export interface Adapters {
  readonly panel: SignerPanel;
  readonly journals: SignerJournals;
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
  log: Context['log'],
): Adapters {
  const clients = config.signers.map((signer) =>
    createSignerClient({ ...signer, certificate: keys.identity.certificate, key: keys.identity.privateKey }),
  );
  const statementKeys = new Map(config.signers.map((signer) => [signer.id, signer.statement_key]));
  const panel = signerPanel(clients, config.quorum, statementKeys);
  const networks = config.networks.map((row): Network => {
    const coldAddresses = policy.networks.find(({ network }) => network === row.id)?.cold_addresses ?? [];
    const nativeAsset = nativeRule(row).asset;
    return row.family === 'evm'
      ? evmNetwork(row, {
          db,
          panel,
          relayerKey: keys.relayerKey,
          sweeperKey: keys.sweeperKey,
          nativeAsset,
          now,
          log,
          twins: twinsOf(row, config),
          coldAddresses,
        })
      : bitcoinNetwork(row, {
          db,
          panel,
          nativeAsset,
          multisig: multisigOf(policy, row.id, config.quorum),
          consolidation: bitcoinPolicyOf(policy, row.id)?.consolidation,
          coldAddresses,
          log,
          easiestBits: bitcoinPolicyOf(policy, row.id)?.easiest_bits ?? null,
        });
  });
  return {
    panel,
    journals: signerJournals(clients, statementKeys),
    halts: createHaltView(panel),
    networks: new Map(networks.map((network) => [network.id, network])),
    close: () => clients.forEach((client) => client.close()),
  };
}

/** The other EVM networks on which the same customer's forwarder has the same address, EIP-1014: factory and code are the same. */
function twinsOf(row: EvmNetwork, config: ServerConfig): string[] {
  return config.networks
    .filter((other) => other.family === 'evm' && other.id !== row.id)
    .filter(
      (other) =>
        other.family === 'evm' &&
        other.forwarder_factory.toLowerCase() === row.forwarder_factory.toLowerCase() &&
        other.forwarder_init_code_hash === row.forwarder_init_code_hash,
    )
    .map((other) => other.id);
}

/** The wallet that the policy names; null for one under a FROST key. */
function multisigOf(policy: Policy, id: string, quorum: number): MultisigWalletPolicy | null {
  const wallet = bitcoinPolicyOf(policy, id)?.wallet;
  if (wallet && wallet.threshold !== quorum)
    throw new Failure(
      'config-invalid',
      `the wallet of ${id} takes ${wallet.threshold} signatures, quorum is ${quorum}`,
    );
  return wallet ?? null;
}

function bitcoinPolicyOf(policy: Policy, id: string): BitcoinNetworkPolicy | undefined {
  const network = policy.networks.find((one) => one.network === id);
  return network?.family === 'bitcoin' ? network : undefined;
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

export const wireDatabaseWatch = (ctx: Context, { journals, panel }: Adapters): DatabaseWatch =>
  createDatabaseWatch(ctx, journals, panel);

/** The API's operations over the store and the adapters; what promises something waits for a database that has everything. */
export function wireOperations(
  ctx: Context,
  adapters: Adapters,
  keys: ServerKeys,
  database: DatabaseWatch,
): Operations {
  const { panel, networks } = adapters;
  const promised =
    <A extends unknown[], R>(operation: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      database.assertCurrent();
      return operation(...args);
    };
  const traits = assetTraits(ctx.config);
  const compareChain = () => reconcile(ctx, networks.values());
  const gate = policyGate(ctx, adapters.halts);
  const webhooks = { signingKey: createPrivateKey(keys.webhookKey), allowPrivate: ctx.config.webhooks.allow_private };
  const { db, now, newId } = ctx;
  const stored = storeOperations({ db, now, newId, assets: ctx.config.assets, traits, webhooks });
  return {
    ...stored,
    createCustomer: promised(stored.createCustomer),
    listAssets: () => listAssets(ctx),
    listNetworks: () => listNetworks(ctx, networks.values()),
    issueDepositAddress: promised((body) => issueDepositAddress(ctx, networks, panel, body)),
    createFeeSchedule: (body, caller) => createFeeSchedule(ctx, body, caller),
    checkListing: (asked) => checkListing(ctx, networks, asked),
    reportFees: () => reportFees(ctx),
    claimDeposits: promised((body, caller) => claimDeposits(ctx, networks, body, caller)),
    createQuote: promised((body) => createQuote(ctx, networks, body)),
    listEngineEntries: (query) => listEngineEntries(ctx, query),
    createEngineStatement: (body) => createEngineStatement(ctx, compareChain, body),
    releaseReservation: promised((body) => releaseReservation(ctx, body)),
    reconcileEngine: () => reconcileEngine(ctx, compareChain),
    createWithdrawal: promised((body) => createWithdrawal(ctx, networks, traits, body)),
    cancelWithdrawal: promised(async (id) => {
      await cancelWithdrawal(ctx, id);
      return getWithdrawal(ctx.db, traits, id);
    }),
    approveWithdrawal: promised(async (id, assertion) => {
      await approveWithdrawal(ctx, id, assertion);
      return getWithdrawal(ctx.db, traits, id);
    }),
    createCustomerRecord: promised((body) => createCustomerRecord(ctx, networks, body)),
    createSettlement: promised((body) => createSettlement(ctx, gate, body)),
    releaseDeposit: promised(async (id, body) => {
      await releaseDeposit(ctx, networks, gate, id, body);
      return getDeposit(ctx.db, traits, id);
    }),
    checkRecoverable: (body) => checkRecoverable(ctx, networks, body),
    startRescan: promised((body) => startRescan(ctx, networks, body)),
    createAdjustment: promised((body) => createAdjustment(ctx, gate, body)),
    listHalts: () => listHalts(panel),
    halt: (signed) => tellSigners(panel, '/v1/halt', signed),
    resume: (signed) => tellSigners(panel, '/v1/resume', signed),
    listPolicies: () => listPolicies(panel),
    proposePolicy: (signed) => tellSigners(panel, '/v1/policy', signed),
    listSigners: () => listSigners(panel),
    reconcile: compareChain,
  };
}

/** Each server needs to know itself what is halted and whether the database is whole; events and webhooks are shared row by row. */
const everywhere = { everywhere: true };

/** Starts every loop of the server. What decides on the database's word rests while it lacks something. */
export async function startJobs(
  ctx: Context,
  adapters: Adapters,
  keys: ServerKeys,
  database: DatabaseWatch,
): Promise<Loop[]> {
  const signingKey = createPrivateKey(keys.webhookKey);
  const allowPrivate = ctx.config.webhooks.allow_private;
  const { panel, halts } = adapters;
  const lanes = await recordLanes(ctx);
  const start: StartLoop = (on, name, subject, pauseMs, pass, options) =>
    startLoop(on, name, subject, pauseMs, async () => (database.isCurrent() ? pass() : 0), options);
  const tell = () => deliverToAll(ctx, panel, lanes);
  const signers = { tell, isHalted: halts.isHalted, panel, pauses: halts.pauses };
  return [
    startLoop(ctx, 'database', 'database', databaseEveryMs, database.pass, everywhere),
    ...runNetworkJobs(ctx, adapters.networks.values(), signers, start),
    startLoop(ctx, 'halts', 'signers', haltsEveryMs, () => watchHalts(ctx, halts), everywhere),
    ...ctx.config.signers.flatMap(({ id }) =>
      lanes.map((lane) =>
        start(ctx, 'tell', `${id} ${lane}`, recordsEveryMs, () => deliverSignerRecords(ctx, panel, id, lane)),
      ),
    ),
    ...engineLoops(ctx, adapters, start),
    startLoop(ctx, 'forget', 'idempotency keys', forgetEveryMs, () => forgetIdempotencyKeys(ctx)),
    start(ctx, 'sequence', 'events', eventsEveryMs, () => sequenceEvents({ db: ctx.db }), everywhere),
    start(
      ctx,
      'deliver',
      'webhooks',
      eventsEveryMs,
      () => deliverWebhooks({ db: ctx.db, now: ctx.now, newId: ctx.newId, signingKey, allowPrivate }),
      everywhere,
    ),
  ];
}

/** Where an engine owns the balances: it is told of every change, and watched. */
function engineLoops(ctx: Context, adapters: Adapters, start: StartLoop): Loop[] {
  if (ctx.config.mode !== 'custodian') return [];
  const watch = engineWatch(ctx, () => reconcile(ctx, adapters.networks.values()));
  return [
    start(ctx, 'sequence', 'engine entries', eventsEveryMs, () => sequenceEntries(ctx.db)),
    start(ctx, 'watch', 'engine', engineEveryMs, watch),
  ];
}
