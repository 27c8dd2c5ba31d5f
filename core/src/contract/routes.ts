import Type, { type Static, type TSchema } from 'typebox';
import {
  AddApprovalBody,
  CloseAlarmBody,
  Asset,
  ClientReference,
  CreateCustomerBody,
  CreatedWebhookEndpoint,
  CreateDepositAddressBody,
  CreateWebhookEndpointBody,
  CreateWithdrawalBody,
  Customer,
  Network,
} from './bodies.ts';
import { depositRoutes } from './deposit-routes.ts';
import { engineRoutes } from './engine-routes.ts';
import { feeRoutes } from './fee-routes.ts';
import { ListOf } from './page.ts';
import {
  AlarmResource,
  AssetResource,
  BalanceResource,
  CustomerResource,
  DeliveryResource,
  DepositAddressResource,
  EventResource,
  NetworkResource,
  ReconciliationResource,
  SignerResource,
  TransactionResource,
  WebhookEndpointResource,
  WithdrawalResource,
  WithdrawalState,
} from './resources.ts';
import { Id, query, type Route } from './route.ts';
import { signerRoutes } from './signer-routes.ts';

export const ListEventsQuery = query({
  after: Type.Optional(
    Type.String({ pattern: '^(0|[1-9][0-9]{0,15})$', description: 'Events with a seq above this one' }),
  ),
});
export const StreamEventsQuery = Type.Object(
  { after: ListEventsQuery.properties.after },
  { additionalProperties: false },
);

/**
 * Every route under /v1, one table: the server registers from it, the client calls from it, openapi.json is generated
 * from it. GET needs scope `read`; what changes something names its own.
 */
export const routes = {
  listAssets: {
    method: 'GET',
    path: '/v1/assets',
    scope: 'read',
    summary: 'Assets and the networks they move on',
    status: 200,
    response: ListOf(AssetResource),
  },
  listNetworks: {
    method: 'GET',
    path: '/v1/networks',
    scope: 'read',
    summary: 'Networks and their scanned height',
    status: 200,
    response: ListOf(NetworkResource),
  },

  createCustomer: {
    method: 'POST',
    path: '/v1/customers',
    scope: 'customers',
    summary: 'Register a customer',
    body: CreateCustomerBody,
    status: 201,
    response: CustomerResource,
  },
  listCustomers: {
    method: 'GET',
    path: '/v1/customers',
    scope: 'read',
    summary: 'Customers, newest first',
    query: query({ client_reference: Type.Optional(ClientReference) }),
    status: 200,
    response: ListOf(CustomerResource),
  },
  getCustomer: {
    method: 'GET',
    path: '/v1/customers/{id}',
    scope: 'read',
    summary: 'One customer',
    params: Id,
    status: 200,
    response: CustomerResource,
  },
  listBalances: {
    method: 'GET',
    path: '/v1/customers/{id}/balances',
    scope: 'read',
    summary: 'What a customer has, one row an asset',
    params: Id,
    status: 200,
    response: ListOf(BalanceResource),
  },

  issueDepositAddress: {
    method: 'POST',
    path: '/v1/deposit_addresses',
    scope: 'addresses',
    summary: 'The customer’s active address on a network, issued when there is none',
    body: CreateDepositAddressBody,
    status: 201,
    response: DepositAddressResource,
  },
  listDepositAddresses: {
    method: 'GET',
    path: '/v1/deposit_addresses',
    scope: 'read',
    summary: 'Deposit addresses, newest first',
    query: query({
      customer: Type.Optional(Customer),
      network: Type.Optional(Network),
      address: Type.Optional(Type.String({ maxLength: 128 })),
    }),
    status: 200,
    response: ListOf(DepositAddressResource),
  },
  getDepositAddress: {
    method: 'GET',
    path: '/v1/deposit_addresses/{id}',
    scope: 'read',
    summary: 'One deposit address',
    params: Id,
    status: 200,
    response: DepositAddressResource,
  },

  ...depositRoutes,

  createWithdrawal: {
    method: 'POST',
    path: '/v1/withdrawals',
    scope: 'withdrawals',
    summary: 'Request a withdrawal: the amount and the fee are held, the payment follows',
    body: CreateWithdrawalBody,
    status: 202,
    response: WithdrawalResource,
  },
  listWithdrawals: {
    method: 'GET',
    path: '/v1/withdrawals',
    scope: 'read',
    summary: 'Withdrawals, newest first',
    query: query({
      customer: Type.Optional(Customer),
      network: Type.Optional(Network),
      asset: Type.Optional(Asset),
      state: Type.Optional(WithdrawalState),
      client_reference: Type.Optional(ClientReference),
    }),
    status: 200,
    response: ListOf(WithdrawalResource),
  },
  getWithdrawal: {
    method: 'GET',
    path: '/v1/withdrawals/{id}',
    scope: 'read',
    summary: 'One withdrawal',
    params: Id,
    status: 200,
    response: WithdrawalResource,
  },
  cancelWithdrawal: {
    method: 'POST',
    path: '/v1/withdrawals/{id}/cancel',
    scope: 'withdrawals',
    summary: 'Give a withdrawal back that nothing was signed for',
    params: Id,
    status: 200,
    response: WithdrawalResource,
  },

  approveWithdrawal: {
    method: 'POST',
    path: '/v1/withdrawals/{id}/approvals',
    scope: 'approvals',
    summary: 'Hand in an approver’s assertion over the withdrawal’s digest',
    params: Id,
    body: AddApprovalBody,
    status: 200,
    response: WithdrawalResource,
  },

  ...signerRoutes,
  ...feeRoutes,
  ...engineRoutes,

  listTransactions: {
    method: 'GET',
    path: '/v1/transactions',
    scope: 'read',
    summary: 'Our own chain transactions, newest first',
    query: query({
      network: Type.Optional(Network),
      kind: Type.Optional(TransactionResource.properties.kind),
      state: Type.Optional(Type.String({ maxLength: 16 })),
    }),
    status: 200,
    response: ListOf(TransactionResource),
  },
  getTransaction: {
    method: 'GET',
    path: '/v1/transactions/{id}',
    scope: 'read',
    summary: 'One chain transaction',
    params: Id,
    status: 200,
    response: TransactionResource,
  },

  listSigners: {
    method: 'GET',
    path: '/v1/signers',
    scope: 'read',
    summary: 'Signers and whether they answer',
    status: 200,
    response: ListOf(SignerResource),
  },
  reconcile: {
    method: 'GET',
    path: '/v1/reconciliation',
    scope: 'read',
    summary: 'Ledger against chain, one row a network and asset',
    status: 200,
    response: ReconciliationResource,
  },
  listAlarms: {
    method: 'GET',
    path: '/v1/alarms',
    scope: 'read',
    summary: 'Alarms, open ones unless asked otherwise',
    query: query({
      state: Type.Optional(Type.Union([Type.Literal('open'), Type.Literal('closed'), Type.Literal('all')])),
    }),
    status: 200,
    response: ListOf(AlarmResource),
  },
  closeAlarm: {
    method: 'POST',
    path: '/v1/alarms/{id}/close',
    scope: 'alarms',
    summary: 'Close an alarm by hand, with what was found; what it held up goes on',
    params: Id,
    body: CloseAlarmBody,
    status: 200,
    response: AlarmResource,
  },

  listEvents: {
    method: 'GET',
    path: '/v1/events',
    scope: 'read',
    summary: 'Events in their order, oldest first; durable',
    query: ListEventsQuery,
    status: 200,
    response: ListOf(EventResource),
  },

  createWebhookEndpoint: {
    method: 'POST',
    path: '/v1/webhook_endpoints',
    scope: 'webhooks',
    summary: 'Register a webhook endpoint; the answer holds its secret',
    body: CreateWebhookEndpointBody,
    status: 201,
    response: CreatedWebhookEndpoint,
  },
  listWebhookEndpoints: {
    method: 'GET',
    path: '/v1/webhook_endpoints',
    scope: 'webhooks',
    summary: 'Webhook endpoints, newest first',
    query: query({}),
    status: 200,
    response: ListOf(WebhookEndpointResource),
  },
  getWebhookEndpoint: {
    method: 'GET',
    path: '/v1/webhook_endpoints/{id}',
    scope: 'webhooks',
    summary: 'One webhook endpoint',
    params: Id,
    status: 200,
    response: WebhookEndpointResource,
  },
  deleteWebhookEndpoint: {
    method: 'DELETE',
    path: '/v1/webhook_endpoints/{id}',
    scope: 'webhooks',
    summary: 'Remove a webhook endpoint and its deliveries',
    params: Id,
    status: 204,
  },
  listDeliveries: {
    method: 'GET',
    path: '/v1/webhook_endpoints/{id}/deliveries',
    scope: 'webhooks',
    summary: 'Delivery log of an endpoint, newest first',
    params: Id,
    query: query({}),
    status: 200,
    response: ListOf(DeliveryResource),
  },
  redeliver: {
    method: 'POST',
    path: '/v1/deliveries/{id}/redeliver',
    scope: 'webhooks',
    summary: 'Deliver once more, now',
    params: Id,
    status: 202,
    response: DeliveryResource,
  },
} as const satisfies Record<string, Route>;

export type RouteName = keyof typeof routes;
/** Server-sent events; not in the table because its answer does not end. */
export const eventStreamPath = '/v1/events/stream';

type StaticOr<S, Otherwise> = S extends TSchema ? Static<S> : Otherwise;
type Member<R, K extends string> = R extends Record<K, infer S> ? S : never;
type Given<S> = [S] extends [never] ? object : StaticOr<S, object>;

/** Path parameters, query and body of a route in one object, as the client's methods take them. */
export type RouteInput<N extends RouteName> = Given<Member<(typeof routes)[N], 'params'>> &
  Given<Member<(typeof routes)[N], 'query'>> &
  Given<Member<(typeof routes)[N], 'body'>>;
export type RouteOutput<N extends RouteName> = [Member<(typeof routes)[N], 'response'>] extends [never]
  ? undefined
  : StaticOr<Member<(typeof routes)[N], 'response'>, undefined>;
