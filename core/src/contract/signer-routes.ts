import Type from 'typebox';
import { SignedPolicy } from '../policy/policy.ts';
import { SignedHalt, SignedResume } from '../signing/halt.ts';
import {
  CreateAdjustmentBody,
  CreateCustomerRecordBody,
  CreateSettlementBody,
  Customer,
  SignerAnswers,
} from './bodies.ts';
import { ListOf } from './page.ts';
import { CustomerRecordResource, HaltResource, PolicyResource } from './resources.ts';
import { Id, query, type Route } from './route.ts';

/** Routes of what goes on to the signers: evidence about customers, halts, the policy. */
export const signerRoutes = {
  createCustomerRecord: {
    method: 'POST',
    path: '/v1/customer_records',
    scope: 'customers',
    summary: 'A customer’s passkey or address-book entry, signed; signers let it count after the policy’s delay',
    body: CreateCustomerRecordBody,
    status: 202,
    response: CustomerRecordResource,
  },
  createSettlement: {
    method: 'POST',
    path: '/v1/settlements',
    scope: 'settlements',
    summary: 'Trades between customers, signed by the engine: posted to the ledger and told to the signers',
    body: CreateSettlementBody,
    status: 202,
    response: CustomerRecordResource,
  },
  createAdjustment: {
    method: 'POST',
    path: '/v1/adjustments',
    scope: 'approvals',
    summary: 'A correction of a customer’s proven position at the signers, with approvals; the ledger stays',
    body: CreateAdjustmentBody,
    status: 202,
    response: CustomerRecordResource,
  },
  getCustomerRecord: {
    method: 'GET',
    path: '/v1/customer_records/{id}',
    scope: 'read',
    summary: 'One record, with what each signer made of it',
    params: Id,
    status: 200,
    response: CustomerRecordResource,
  },
  listCustomerRecords: {
    method: 'GET',
    path: '/v1/customer_records',
    scope: 'read',
    summary: 'Records, newest first',
    query: query({ customer: Type.Optional(Customer), kind: Type.Optional(CustomerRecordResource.properties.kind) }),
    status: 200,
    response: ListOf(CustomerRecordResource),
  },

  listHalts: {
    method: 'GET',
    path: '/v1/halts',
    scope: 'read',
    summary: 'Halts that are not lifted, as the signers hold them',
    status: 200,
    response: ListOf(HaltResource),
  },
  halt: {
    method: 'POST',
    path: '/v1/halts',
    scope: 'halts',
    summary: 'Stop signing: an operator’s passkey, a watcher’s signature or a token made in advance',
    body: SignedHalt,
    status: 202,
    response: SignerAnswers,
  },
  resume: {
    method: 'POST',
    path: '/v1/resumes',
    scope: 'halts',
    summary: 'Lift halts with the policy’s quorum of approvers',
    body: SignedResume,
    status: 202,
    response: SignerAnswers,
  },
  listPolicies: {
    method: 'GET',
    path: '/v1/policies',
    scope: 'read',
    summary: 'The policy in force and the one that waits, by signer',
    status: 200,
    response: ListOf(PolicyResource),
  },
  proposePolicy: {
    method: 'POST',
    path: '/v1/policies',
    scope: 'policies',
    summary: 'Hand a new version, signed by a quorum of administrators, to every signer',
    body: SignedPolicy,
    status: 202,
    response: SignerAnswers,
  },
} as const satisfies Record<string, Route>;
