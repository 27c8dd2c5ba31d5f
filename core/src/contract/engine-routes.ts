import Type from 'typebox';
import {
  CreateEngineStatementBody,
  EngineEntryResource,
  EngineReconciliationResource,
  ReleaseReservationBody,
  ReservationResource,
} from './engine-resources.ts';
import { ListOf } from './page.ts';
import { query, type Route } from './route.ts';

/** Routes of an engine that owns the balances (mode `custodian`). */
export const engineRoutes = {
  listEngineEntries: {
    method: 'GET',
    path: '/v1/engine/entries',
    scope: 'read',
    summary: 'What changed what customers have, in order, oldest first; the engine applies each once',
    query: query({ after: Type.Optional(Type.String({ pattern: '^(0|[1-9][0-9]{0,15})$' })) }),
    status: 200,
    response: ListOf(EngineEntryResource),
  },
  createEngineStatement: {
    method: 'POST',
    path: '/v1/engine/statements',
    scope: 'settlements',
    summary: 'What the engine owes after an entry, signed: acknowledges the entries up to it and is compared at once',
    body: CreateEngineStatementBody,
    status: 200,
    response: EngineReconciliationResource,
  },
  releaseReservation: {
    method: 'POST',
    path: '/v1/engine/releases',
    scope: 'settlements',
    summary: 'Give a reservation up that no withdrawal has taken; afterwards none can',
    body: ReleaseReservationBody,
    status: 200,
    response: ReservationResource,
  },
  reconcileEngine: {
    method: 'GET',
    path: '/v1/engine/reconciliation',
    scope: 'read',
    summary: 'Engine, ledger and chain, one row an asset',
    status: 200,
    response: EngineReconciliationResource,
  },
} as const satisfies Record<string, Route>;
