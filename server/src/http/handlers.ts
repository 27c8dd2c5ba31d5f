import type { List, Page, PageQuery } from '@holdfast/core/contract/page.ts';
import { pageLimitDefault } from '@holdfast/core/contract/page.ts';
import type { RouteInput, RouteName, RouteOutput } from '@holdfast/core/contract/routes.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { decodeCursor, encodeCursor } from './cursor.ts';
import type { Operations } from './operations.ts';

type Handlers = {
  /** `caller` is the key id that signed the request. */
  readonly [N in RouteName]: (operations: Operations, input: RouteInput<N>, caller: string) => Promise<RouteOutput<N>>;
};

/** What each route does with its checked input: calls its operation and puts a page into the list envelope. */
export const handlers: Handlers = {
  listAssets: async (operations) => whole(await operations.listAssets()),
  listNetworks: async (operations) => whole(await operations.listNetworks()),

  createCustomer: (operations, input) => operations.createCustomer(input),
  listCustomers: (operations, input) => paged('customers', input, (query) => operations.listCustomers(input, query)),
  getCustomer: (operations, { id }) => operations.getCustomer(id),
  listBalances: async (operations, { id }) => whole(await operations.listBalances(id)),

  issueDepositAddress: (operations, input) => operations.issueDepositAddress(input),
  listDepositAddresses: (operations, input) =>
    paged('deposit_addresses', input, (query) => operations.listDepositAddresses(input, query)),
  getDepositAddress: (operations, { id }) => operations.getDepositAddress(id),

  listDeposits: (operations, input) => paged('deposits', input, (query) => operations.listDeposits(input, query)),
  getDeposit: (operations, { id }) => operations.getDeposit(id),
  releaseDeposit: (operations, { id, ...body }) => operations.releaseDeposit(id, body),

  listUnconfirmedDeposits: (operations, input) =>
    paged('unconfirmed_deposits', input, (query) => operations.listUnconfirmedDeposits(input, query)),
  listRecoverables: (operations, input) =>
    paged('recoverables', input, (query) => operations.listRecoverables(input, query)),
  checkRecoverable: (operations, input) => operations.checkRecoverable(input),

  startRescan: (operations, input) => operations.startRescan(input),
  listRescans: (operations, input) => paged('rescans', input, (query) => operations.listRescans(input, query)),

  createWithdrawal: (operations, input) => operations.createWithdrawal(input),
  listWithdrawals: (operations, input) =>
    paged('withdrawals', input, (query) => operations.listWithdrawals(input, query)),
  getWithdrawal: (operations, { id }) => operations.getWithdrawal(id),

  cancelWithdrawal: (operations, { id }) => operations.cancelWithdrawal(id),
  approveWithdrawal: (operations, { id, assertion }) => operations.approveWithdrawal(id, assertion),

  createCustomerRecord: (operations, input) => operations.createCustomerRecord(input),
  createSettlement: (operations, input) => operations.createSettlement(input),
  createAdjustment: (operations, input) => operations.createAdjustment(input),
  getCustomerRecord: (operations, { id }) => operations.getCustomerRecord(id),
  listCustomerRecords: (operations, input) =>
    paged('customer_records', input, (query) => operations.listCustomerRecords(input, query)),

  createFeeSchedule: (operations, input, caller) => operations.createFeeSchedule(input, caller),
  listFeeSchedules: (operations, input) =>
    paged('fee_schedules', input, (query) => operations.listFeeSchedules(input, query)),
  checkListing: async (operations, input) => whole(await operations.checkListing(input)),
  reportFees: (operations) => operations.reportFees(),
  claimDeposits: (operations, input, caller) => operations.claimDeposits(input, caller),
  createQuote: (operations, input) => operations.createQuote(input),

  listEngineEntries: (operations, input) => sequenced('engine_entries', input, operations.listEngineEntries),
  createEngineStatement: (operations, input) => operations.createEngineStatement(input),
  releaseReservation: (operations, input) => operations.releaseReservation(input),
  reconcileEngine: (operations) => operations.reconcileEngine(),

  listHalts: async (operations) => whole(await operations.listHalts()),
  halt: (operations, input) => operations.halt(input),
  resume: (operations, input) => operations.resume(input),
  listPolicies: async (operations) => whole(await operations.listPolicies()),
  proposePolicy: (operations, input) => operations.proposePolicy(input),

  listTransactions: (operations, input) =>
    paged('transactions', input, (query) => operations.listTransactions(input, query)),
  getTransaction: (operations, { id }) => operations.getTransaction(id),

  listSigners: async (operations) => whole(await operations.listSigners()),
  reconcile: (operations) => operations.reconcile(),
  listAlarms: (operations, input) => paged('alarms', input, (query) => operations.listAlarms(input, query)),
  closeAlarm: (operations, { id, note }) => operations.closeAlarm(id, note),

  listEvents: (operations, input) => sequenced('events', input, operations.listEvents),

  createWebhookEndpoint: (operations, input) => operations.createWebhookEndpoint(input),
  listWebhookEndpoints: (operations, input) =>
    paged('webhook_endpoints', input, (query) => operations.listWebhookEndpoints(query)),
  getWebhookEndpoint: (operations, { id }) => operations.getWebhookEndpoint(id),
  deleteWebhookEndpoint: async (operations, { id }) => {
    await operations.deleteWebhookEndpoint(id);
    return undefined;
  },
  listDeliveries: (operations, input) =>
    paged('deliveries', input, (query) => operations.listDeliveries(input.id, query)),
  redeliver: (operations, { id }) => operations.redeliver(id),
};

/** A list in the order of its numbers, from a number on or page by page. */
async function sequenced<T>(
  route: string,
  input: { limit?: number; cursor?: string; after?: string },
  read: (query: PageQuery) => Promise<Page<T>>,
): Promise<List<T>> {
  const { after } = input;
  if (after === undefined) return paged(route, input, read);
  if (input.cursor !== undefined) {
    throw new Failure('invalid-request', 'give after or cursor, not both', { pointer: '/query/cursor' });
  }
  return paged(route, input, (query) => read({ ...query, after }));
}

function whole<T>(data: readonly T[]): List<T> {
  return { object: 'list', data: [...data], has_more: false, next_cursor: null };
}

async function paged<T>(
  route: string,
  input: { limit?: number; cursor?: string },
  read: (query: PageQuery) => Promise<Page<T>>,
): Promise<List<T>> {
  const after = input.cursor === undefined ? null : decodeCursor(route, input.cursor);
  const page = await read({ limit: input.limit ?? pageLimitDefault, after });
  return {
    object: 'list',
    data: [...page.data],
    has_more: page.next !== null,
    next_cursor: page.next === null ? null : encodeCursor(route, page.next),
  };
}
