import type { KeyObject } from 'node:crypto';
import type { Asset } from '@holdfast/core/money/asset.ts';
import type { Operations } from './http/operations.ts';
import { closeAlarm, listAlarms } from './store/alarm-resources.ts';
import type { AssetTraits } from './store/asset-traits.ts';
import { getCustomerRecord, listCustomerRecords } from './store/customer-record-resources.ts';
import { createCustomer, getCustomer, listBalances, listCustomers } from './store/customers.ts';
import type { Database } from './store/database.ts';
import { getDepositAddress, listDepositAddresses } from './store/deposit-address-resources.ts';
import { getDeposit, listDeposits } from './store/deposit-resources.ts';
import { listFeeSchedules } from './store/fee-schedule-resources.ts';
import { latestEventSeq, listEvents } from './store/event-resources.ts';
import { listUnconfirmedDeposits } from './store/unconfirmed-deposits.ts';
import { listRecoverables } from './store/recoverables.ts';
import { listRescans } from './store/rescans.ts';
import { getTransaction, listTransactions } from './store/transaction-resources.ts';
import { listDeliveries, redeliver } from './store/webhook-deliveries.ts';
import {
  createWebhookEndpoint,
  deleteWebhookEndpoint,
  getWebhookEndpoint,
  listWebhookEndpoints,
} from './store/webhook-endpoints.ts';
import { getWithdrawal, listWithdrawals } from './store/withdrawal-resources.ts';
import { checkWebhookUrl } from './webhooks/public-address.ts';
import { newWebhookSecret, webhookPublicKey } from './webhooks/sign-webhook.ts';

export interface StoreOperationsOptions {
  readonly db: Database;
  /** UTC milliseconds. */
  readonly now: () => number;
  readonly newId: () => string;
  /** In the order in which balances are listed. */
  readonly assets: readonly Asset[];
  readonly traits: AssetTraits;
  readonly webhooks: { readonly signingKey: KeyObject; readonly allowPrivate: boolean };
}

/** What needs chains or signers is added by wiring. */
type NeedsMore =
  | 'listAssets'
  | 'listNetworks'
  | 'issueDepositAddress'
  | 'createWithdrawal'
  | 'createFeeSchedule'
  | 'createQuote'
  | 'claimDeposits'
  | 'reportFees'
  | 'checkListing'
  | 'listEngineEntries'
  | 'createEngineStatement'
  | 'releaseReservation'
  | 'reconcileEngine'
  | 'cancelWithdrawal'
  | 'approveWithdrawal'
  | 'createCustomerRecord'
  | 'createSettlement'
  | 'createAdjustment'
  | 'releaseDeposit'
  | 'checkRecoverable'
  | 'startRescan'
  | 'listHalts'
  | 'halt'
  | 'resume'
  | 'listPolicies'
  | 'proposePolicy'
  | 'listSigners'
  | 'reconcile';

/** The API's operations that the database alone can answer. */
export function storeOperations(options: StoreOperationsOptions): Omit<Operations, NeedsMore> {
  const { db, now, newId, assets, traits, webhooks } = options;
  const publicKey = webhookPublicKey(webhooks.signingKey);
  return {
    createCustomer: (body) => db.transaction((sql) => createCustomer(sql, body, newId, now())),
    getCustomer: (id) => getCustomer(db, id),
    listCustomers: (filter, query) => listCustomers(db, filter, query),
    listBalances: (customer) => listBalances(db, assets, customer),
    getDepositAddress: (id) => getDepositAddress(db, id),
    listDepositAddresses: (filter, query) => listDepositAddresses(db, filter, query),
    getDeposit: (id) => getDeposit(db, traits, id),
    listDeposits: (filter, query) => listDeposits(db, traits, filter, query),
    listUnconfirmedDeposits: (filter, query) => listUnconfirmedDeposits(db, traits, filter, query),
    listRecoverables: (filter, query) => listRecoverables(db, filter, query),
    listRescans: (filter, query) => listRescans(db, filter, query),
    getWithdrawal: (id) => getWithdrawal(db, traits, id),
    listWithdrawals: (filter, query) => listWithdrawals(db, traits, filter, query),
    getCustomerRecord: (id) => getCustomerRecord(db, id),
    listCustomerRecords: (filter, query) => listCustomerRecords(db, filter, query),
    listFeeSchedules: (filter, query) => listFeeSchedules(db, filter, query),
    getTransaction: (id) => getTransaction(db, traits, id),
    listTransactions: (filter, query) => listTransactions(db, traits, filter, query),
    listAlarms: (filter, query) => listAlarms(db, filter, query),
    closeAlarm: (id, note) => closeAlarm(db, id, note, now()),
    listEvents: (query) => listEvents(db, query),
    latestEventSeq: () => latestEventSeq(db),
    createWebhookEndpoint: async (body) => {
      checkWebhookUrl(body.url, webhooks.allowPrivate);
      return createWebhookEndpoint(db, body, { id: newId(), hmacSecret: newWebhookSecret(), publicKey }, now());
    },
    getWebhookEndpoint: (id) => getWebhookEndpoint(db, id),
    listWebhookEndpoints: (query) => listWebhookEndpoints(db, query),
    deleteWebhookEndpoint: (id) => deleteWebhookEndpoint(db, id),
    listDeliveries: (endpoint, query) => listDeliveries(db, endpoint, query),
    redeliver: (delivery) => redeliver(db, delivery, now()),
  };
}
