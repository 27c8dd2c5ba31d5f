import Type, { type Static } from 'typebox';
import {
  AdjustmentRecord,
  CredentialRecord,
  DestinationRecord,
  ReleaseRecord,
  SettlementRecord,
} from '../signing/customer-record.ts';
import { Assertion, Authorization, KeySignature } from '../signing/evidence.ts';
import { SignedReservation } from '../signing/engine.ts';
import { WithdrawalIntent } from '../signing/intent.ts';
import { WebhookEndpointResource } from './resources.ts';

/** Bodies of the API's requests; routes.ts says which route takes which. */
const strict = { additionalProperties: false } as const;
/** Chosen by the caller, unique for ever within the kind of resource; printable ASCII without spaces. */
export const ClientReference = Type.String({
  pattern: '^[!-~]{1,128}$',
  description: 'Your own permanent name for the resource: the same reference with the same content returns it again',
});
export const Customer = Type.String({ maxLength: 80, description: 'Customer id, `cus_...`' });
export const Network = Type.String({ maxLength: 64, description: 'CAIP-2' });
export const Asset = Type.String({ maxLength: 16, description: 'Asset code' });
const EventType = Type.String({
  pattern: '^(\\*|[a-z_]+(\\.[a-z_]+)*(\\.\\*)?)$',
  maxLength: 64,
  description: '`*`, `deposit.*` or `deposit.credited`',
});

export const CreateCustomerBody = Type.Object({ client_reference: ClientReference }, strict);
export type CreateCustomerBody = Static<typeof CreateCustomerBody>;

export const CreateDepositAddressBody = Type.Object(
  { customer: Customer, network: Network, client_reference: Type.Optional(ClientReference) },
  strict,
);
export type CreateDepositAddressBody = Static<typeof CreateDepositAddressBody>;

export const CreateWithdrawalBody = Type.Object(
  {
    client_reference: ClientReference,
    intent: WithdrawalIntent,
    /** The customer's passkey, or an integrator's key (tighter limits). */
    authorization: Authorization,
    approvals: Type.Optional(Type.Array(Assertion, { maxItems: 16 })),
    /** Where the engine owns the balances: what it has set aside. */
    reservation: Type.Optional(SignedReservation),
    /** Id of a quote, `quo_...`, that has not expired: its terms count, whatever is in force by now. */
    quote: Type.Optional(Type.String({ maxLength: 80 })),
  },
  strict,
);
export type CreateWithdrawalBody = Static<typeof CreateWithdrawalBody>;

export const CreateCustomerRecordBody = Type.Object(
  { record: Type.Union([CredentialRecord, DestinationRecord]), authorization: Authorization },
  strict,
);
export type CreateCustomerRecordBody = Static<typeof CreateCustomerRecordBody>;

export const CreateSettlementBody = Type.Object({ record: SettlementRecord, authorization: KeySignature }, strict);
export type CreateSettlementBody = Static<typeof CreateSettlementBody>;

export const CreateAdjustmentBody = Type.Object(
  { record: AdjustmentRecord, approvals: Type.Array(Assertion, { minItems: 1, maxItems: 16 }) },
  strict,
);
export type CreateAdjustmentBody = Static<typeof CreateAdjustmentBody>;

export const ReleaseDepositBody = Type.Object(
  { record: ReleaseRecord, approvals: Type.Array(Assertion, { minItems: 1, maxItems: 16 }) },
  strict,
);
export type ReleaseDepositBody = Static<typeof ReleaseDepositBody>;

const EvmAddressText = Type.String({ minLength: 1, maxLength: 128 });
export const CheckRecoverableBody = Type.Object(
  { network: Network, address: EvmAddressText, contract: EvmAddressText },
  strict,
);
export type CheckRecoverableBody = Static<typeof CheckRecoverableBody>;

export const StartRescanBody = Type.Object(
  { network: Network, from_height: Type.Integer({ minimum: 0, maximum: 0xffffffff }) },
  strict,
);
export type StartRescanBody = Static<typeof StartRescanBody>;

export const AddApprovalBody = Type.Object({ assertion: Assertion }, strict);

/** What each signer answered; `refused` and `unreachable` say why. */
export const SignerAnswers = Type.Object(
  {
    answers: Type.Array(
      Type.Object({
        signer: Type.String(),
        state: Type.Union([Type.Literal('accepted'), Type.Literal('refused'), Type.Literal('unreachable')]),
        code: Type.Union([Type.String(), Type.Null()]),
        message: Type.Union([Type.String(), Type.Null()]),
      }),
    ),
  },
  { title: 'SignerAnswers' },
);
export type SignerAnswers = Static<typeof SignerAnswers>;

export const CreateWebhookEndpointBody = Type.Object(
  {
    client_reference: ClientReference,
    url: Type.String({ maxLength: 2048, description: 'http or https, no credentials' }),
    event_types: Type.Optional(Type.Array(EventType, { minItems: 1, maxItems: 64 })),
  },
  strict,
);
export type CreateWebhookEndpointBody = Static<typeof CreateWebhookEndpointBody>;

export const CreatedWebhookEndpoint = Type.Object(
  {
    ...WebhookEndpointResource.properties,
    hmac_secret: Type.String({ description: '`whsec_` and base64: verifies the v1 signatures' }),
    public_key: Type.String({ description: '`whpk_` and base64, Ed25519: verifies the v1a signatures' }),
  },
  { title: 'CreatedWebhookEndpoint' },
);
export type CreatedWebhookEndpoint = Static<typeof CreatedWebhookEndpoint>;

/** POST /v1/alarms/{id}/close */
export const CloseAlarmBody = Type.Object(
  { note: Type.String({ minLength: 1, maxLength: 500, description: 'What was found; kept with the alarm' }) },
  strict,
);
