import Type from 'typebox';
import { Asset, CheckRecoverableBody, Customer, Network, ReleaseDepositBody, StartRescanBody } from './bodies.ts';
import { ListOf } from './page.ts';
import { DepositResource, RecoverableResource, RescanResource, UnconfirmedDepositResource } from './resources.ts';
import { Id, query, type Route } from './route.ts';

/** Routes of what arrived, what cannot be credited by itself, and what is looked for again. */
export const depositRoutes = {
  listDeposits: {
    method: 'GET',
    path: '/v1/deposits',
    scope: 'read',
    summary: 'Deposits, newest first',
    query: query({
      customer: Type.Optional(Customer),
      network: Type.Optional(Network),
      asset: Type.Optional(Asset),
      state: Type.Optional(DepositResource.properties.state),
    }),
    status: 200,
    response: ListOf(DepositResource),
  },
  getDeposit: {
    method: 'GET',
    path: '/v1/deposits/{id}',
    scope: 'read',
    summary: 'One deposit',
    params: Id,
    status: 200,
    response: DepositResource,
  },
  releaseDeposit: {
    method: 'POST',
    path: '/v1/deposits/{id}/release',
    scope: 'approvals',
    summary: 'What approvers decided about a deposit in quarantine: credit it to its customer, or keep it',
    params: Id,
    body: ReleaseDepositBody,
    status: 200,
    response: DepositResource,
  },
  listUnconfirmedDeposits: {
    method: 'GET',
    path: '/v1/unconfirmed-deposits',
    scope: 'read',
    summary: 'Payments to deposit addresses that no block has, newest first: shown, never credited',
    query: query({
      customer: Type.Optional(Customer),
      network: Type.Optional(Network),
      state: Type.Optional(UnconfirmedDepositResource.properties.state),
    }),
    status: 200,
    response: ListOf(UnconfirmedDepositResource),
  },
  listRecoverables: {
    method: 'GET',
    path: '/v1/recoverables',
    scope: 'read',
    summary: 'Tokens that are not listed and reached deposit addresses, newest first',
    query: query({ customer: Type.Optional(Customer), network: Type.Optional(Network) }),
    status: 200,
    response: ListOf(RecoverableResource),
  },
  checkRecoverable: {
    method: 'POST',
    path: '/v1/recoverables',
    scope: 'operations',
    summary: 'Ask the nodes what a deposit address holds of a token that is not listed',
    body: CheckRecoverableBody,
    status: 200,
    response: RecoverableResource,
  },
  startRescan: {
    method: 'POST',
    path: '/v1/rescans',
    scope: 'operations',
    summary: 'Read applied blocks once more, from a height up to the tip: what was missed is added',
    body: StartRescanBody,
    status: 202,
    response: RescanResource,
  },
  listRescans: {
    method: 'GET',
    path: '/v1/rescans',
    scope: 'read',
    summary: 'Rescans, newest first',
    query: query({ network: Type.Optional(Network) }),
    status: 200,
    response: ListOf(RescanResource),
  },
} as const satisfies Record<string, Route>;
