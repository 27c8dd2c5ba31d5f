import type { List, Page, PageQuery } from '@holdfast/core/contract/page.ts';
import { pageLimitDefault } from '@holdfast/core/contract/page.ts';
import type { RouteInput, RouteName, RouteOutput } from '@holdfast/core/contract/routes.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { decodeCursor, encodeCursor } from './cursor.ts';
import type { Operations } from './operations.ts';

type Handlers = {
  readonly [N in RouteName]: (operations: Operations, input: RouteInput<N>) => Promise<RouteOutput<N>>;
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

  listEvents: (operations, input) => {
    if (input.after === undefined) return paged('events', input, (query) => operations.listEvents(query));
    if (input.cursor !== undefined) {
      throw new Failure('invalid-request', 'give after or cursor, not both', { pointer: '/query/cursor' });
    }
    const after = input.after;
    return paged('events', input, (query) => operations.listEvents({ ...query, after }));
  },

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
