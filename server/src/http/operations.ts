import type { Page, PageQuery } from '@holdfast/core/contract/page.ts';
import type {
  AlarmResource,
  AssetResource,
  BalanceResource,
  CustomerRecordResource,
  CustomerResource,
  DeliveryResource,
  DepositAddressResource,
  DepositResource,
  EventResource,
  HaltResource,
  NetworkResource,
  PolicyResource,
  ReconciliationResource,
  RecoverableResource,
  UnconfirmedDepositResource,
  RescanResource,
  SignerResource,
  TransactionResource,
  WebhookEndpointResource,
  WithdrawalResource,
} from '@holdfast/core/contract/resources.ts';
import type {
  CheckRecoverableBody,
  CreateAdjustmentBody,
  CreateCustomerBody,
  CreateCustomerRecordBody,
  CreateDepositAddressBody,
  CreateSettlementBody,
  CreateWebhookEndpointBody,
  CreateWithdrawalBody,
  CreatedWebhookEndpoint,
  ReleaseDepositBody,
  SignerAnswers,
  StartRescanBody,
} from '@holdfast/core/contract/bodies.ts';
import type {
  ClaimDepositsBody,
  CreateFeeScheduleBody,
  CreateQuoteBody,
  DepositClaimResource,
  FeeReportResource,
  FeeScheduleResource,
  QuoteResource,
} from '@holdfast/core/contract/fee-resources.ts';
import type {
  CreateEngineStatementBody,
  EngineEntryResource,
  EngineReconciliationResource,
  ReleaseReservationBody,
  ReservationResource,
} from '@holdfast/core/contract/engine-resources.ts';
import type { ListingCheckResource } from '@holdfast/core/contract/listing-resources.ts';
import type { SignedPolicy } from '@holdfast/core/policy/policy.ts';
import type { Assertion } from '@holdfast/core/signing/evidence.ts';
import type { SignedHalt, SignedResume } from '@holdfast/core/signing/halt.ts';

/** Filters of the lists; undefined means any. Customers are public ids (`cus_...`), networks CAIP-2, assets our codes. */
export interface CustomerFilter {
  readonly client_reference?: string | undefined;
}
export interface DepositAddressFilter {
  readonly customer?: string | undefined;
  readonly network?: string | undefined;
  readonly address?: string | undefined;
}
export interface DepositFilter {
  readonly customer?: string | undefined;
  readonly network?: string | undefined;
  readonly asset?: string | undefined;
  readonly state?: DepositResource['state'] | undefined;
}
export interface UnconfirmedDepositFilter {
  readonly customer?: string | undefined;
  readonly network?: string | undefined;
  readonly state?: UnconfirmedDepositResource['state'] | undefined;
}
export interface RecoverableFilter {
  readonly customer?: string | undefined;
  readonly network?: string | undefined;
}
export interface WithdrawalFilter {
  readonly customer?: string | undefined;
  readonly network?: string | undefined;
  readonly asset?: string | undefined;
  readonly state?: WithdrawalResource['state'] | undefined;
  readonly client_reference?: string | undefined;
}
export interface CustomerRecordFilter {
  readonly customer?: string | undefined;
  readonly kind?: CustomerRecordResource['kind'] | undefined;
}
export interface TransactionFilter {
  readonly network?: string | undefined;
  readonly kind?: TransactionResource['kind'] | undefined;
  readonly state?: string | undefined;
}
export interface FeeScheduleFilter {
  readonly network?: string | undefined;
  readonly asset?: string | undefined;
}
export interface AlarmFilter {
  /** Default `open`. */
  readonly state?: 'open' | 'closed' | 'all' | undefined;
}

/**
 * Everything the API does, supplied by wiring: http knows no store, chain or signer.
 *
 * Rules that the HTTP layer relies on:
 * - Ids are public ids, `<prefix>_<uuid>`; a malformed or unknown one in a path is Failure not-found.
 * - A Failure with a 4xx row means that nothing was changed: its transaction was rolled back. The idempotency key is
 *   then free again. Any other error leaves the outcome open and the same request may run again.
 * - create* is idempotent for ever: the same client_reference with the same content returns the resource that exists,
 *   with other content Failure client-reference-taken.
 * - Lists are newest first, events oldest first; `query.after` is the `next` of the page before.
 */
export interface Operations {
  listAssets(): Promise<readonly AssetResource[]>;
  listNetworks(): Promise<readonly NetworkResource[]>;

  createCustomer(body: CreateCustomerBody): Promise<CustomerResource>;
  getCustomer(id: string): Promise<CustomerResource>;
  listCustomers(filter: CustomerFilter, query: PageQuery): Promise<Page<CustomerResource>>;
  /** One row an asset, zeros included. */
  listBalances(customer: string): Promise<readonly BalanceResource[]>;

  /** Returns the customer's active address on the network, deriving it (server and signer agreeing) when there is none. */
  issueDepositAddress(body: CreateDepositAddressBody): Promise<DepositAddressResource>;
  getDepositAddress(id: string): Promise<DepositAddressResource>;
  listDepositAddresses(filter: DepositAddressFilter, query: PageQuery): Promise<Page<DepositAddressResource>>;

  getDeposit(id: string): Promise<DepositResource>;
  listUnconfirmedDeposits(
    filter: UnconfirmedDepositFilter,
    query: PageQuery,
  ): Promise<Page<UnconfirmedDepositResource>>;
  listRecoverables(filter: RecoverableFilter, query: PageQuery): Promise<Page<RecoverableResource>>;
  checkRecoverable(body: CheckRecoverableBody): Promise<RecoverableResource>;
  startRescan(body: StartRescanBody): Promise<RescanResource>;
  listRescans(filter: { network?: string | undefined }, query: PageQuery): Promise<Page<RescanResource>>;
  releaseDeposit(id: string, body: ReleaseDepositBody): Promise<DepositResource>;
  listDeposits(filter: DepositFilter, query: PageQuery): Promise<Page<DepositResource>>;

  createWithdrawal(body: CreateWithdrawalBody): Promise<WithdrawalResource>;
  getWithdrawal(id: string): Promise<WithdrawalResource>;
  listWithdrawals(filter: WithdrawalFilter, query: PageQuery): Promise<Page<WithdrawalResource>>;

  cancelWithdrawal(id: string): Promise<WithdrawalResource>;
  approveWithdrawal(id: string, assertion: Assertion): Promise<WithdrawalResource>;

  createCustomerRecord(body: CreateCustomerRecordBody): Promise<CustomerRecordResource>;
  createSettlement(body: CreateSettlementBody): Promise<CustomerRecordResource>;
  createAdjustment(body: CreateAdjustmentBody): Promise<CustomerRecordResource>;
  getCustomerRecord(id: string): Promise<CustomerRecordResource>;
  listCustomerRecords(filter: CustomerRecordFilter, query: PageQuery): Promise<Page<CustomerRecordResource>>;

  /** @param caller key id, kept with the version. */
  createFeeSchedule(body: CreateFeeScheduleBody, caller: string): Promise<FeeScheduleResource>;
  listFeeSchedules(filter: FeeScheduleFilter, query: PageQuery): Promise<Page<FeeScheduleResource>>;
  checkListing(asked: { network: string; asset?: string | undefined }): Promise<readonly ListingCheckResource[]>;
  reportFees(): Promise<FeeReportResource>;
  claimDeposits(body: ClaimDepositsBody, caller: string): Promise<DepositClaimResource>;
  createQuote(body: CreateQuoteBody): Promise<QuoteResource>;

  /** Ascending by seq, as events are. */
  listEngineEntries(query: PageQuery): Promise<Page<EngineEntryResource>>;
  createEngineStatement(body: CreateEngineStatementBody): Promise<EngineReconciliationResource>;
  releaseReservation(body: ReleaseReservationBody): Promise<ReservationResource>;
  reconcileEngine(): Promise<EngineReconciliationResource>;

  listHalts(): Promise<readonly HaltResource[]>;
  halt(signed: SignedHalt): Promise<SignerAnswers>;
  resume(signed: SignedResume): Promise<SignerAnswers>;
  listPolicies(): Promise<readonly PolicyResource[]>;
  proposePolicy(signed: SignedPolicy): Promise<SignerAnswers>;

  getTransaction(id: string): Promise<TransactionResource>;
  listTransactions(filter: TransactionFilter, query: PageQuery): Promise<Page<TransactionResource>>;

  listSigners(): Promise<readonly SignerResource[]>;
  reconcile(): Promise<ReconciliationResource>;
  listAlarms(filter: AlarmFilter, query: PageQuery): Promise<Page<AlarmResource>>;
  closeAlarm(id: string, note: string): Promise<AlarmResource>;

  /** Sequenced events with seq > after, ascending. `next` is the last seq of the page when there are more. */
  listEvents(query: PageQuery): Promise<Page<EventResource>>;
  /** Highest assigned seq, 0 when there is none: where a stream without a cursor begins. */
  latestEventSeq(): Promise<number>;

  /** The only answer that carries the HMAC secret and the server's public key. */
  createWebhookEndpoint(body: CreateWebhookEndpointBody): Promise<CreatedWebhookEndpoint>;
  getWebhookEndpoint(id: string): Promise<WebhookEndpointResource>;
  listWebhookEndpoints(query: PageQuery): Promise<Page<WebhookEndpointResource>>;
  deleteWebhookEndpoint(id: string): Promise<void>;
  listDeliveries(endpoint: string, query: PageQuery): Promise<Page<DeliveryResource>>;
  redeliver(delivery: string): Promise<DeliveryResource>;
}
