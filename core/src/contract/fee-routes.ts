import Type from 'typebox';
import {
  ClaimDepositsBody,
  DepositClaimResource,
  CreateFeeScheduleBody,
  CreateQuoteBody,
  FeeReportResource,
  FeeScheduleResource,
  QuoteResource,
} from './fee-resources.ts';
import { ListingCheckResource } from './listing-resources.ts';
import { ListOf } from './page.ts';
import { query, type Route } from './route.ts';

/** Routes of what customers are charged. */
export const feeRoutes = {
  createFeeSchedule: {
    method: 'POST',
    path: '/v1/fee_schedules',
    scope: 'fees',
    summary: 'A new version of an asset’s fees and minimums on a network; earlier versions stay as they are',
    body: CreateFeeScheduleBody,
    status: 201,
    response: FeeScheduleResource,
  },
  listFeeSchedules: {
    method: 'GET',
    path: '/v1/fee_schedules',
    scope: 'read',
    summary: 'Versions of fees and minimums, newest first',
    query: query({
      network: Type.Optional(Type.String({ maxLength: 64 })),
      asset: Type.Optional(Type.String({ maxLength: 16 })),
    }),
    status: 200,
    response: ListOf(FeeScheduleResource),
  },
  checkListing: {
    method: 'GET',
    path: '/v1/listing_checks',
    scope: 'read',
    summary: 'The checklist of a listed network and its assets, by nodes, policy and terms as they are now',
    query: Type.Object(
      { network: Type.String({ maxLength: 64 }), asset: Type.Optional(Type.String({ maxLength: 16 })) },
      { additionalProperties: false },
    ),
    status: 200,
    response: ListOf(ListingCheckResource),
  },
  reportFees: {
    method: 'GET',
    path: '/v1/fee_report',
    scope: 'read',
    summary: 'What customers were charged and what the chains took, by network and asset, against the ledger',
    status: 200,
    response: FeeReportResource,
  },
  claimDeposits: {
    method: 'POST',
    path: '/v1/deposit_claims',
    scope: 'withdrawals',
    summary: 'Credit what waits below the minimum for a customer, who pays for its collection',
    body: ClaimDepositsBody,
    status: 201,
    response: DepositClaimResource,
  },
  createQuote: {
    method: 'POST',
    path: '/v1/quotes',
    scope: 'withdrawals',
    summary: 'What a withdrawal would cost; one withdrawal may name it and gets its terms until it expires',
    body: CreateQuoteBody,
    status: 201,
    response: QuoteResource,
  },
} as const satisfies Record<string, Route>;
