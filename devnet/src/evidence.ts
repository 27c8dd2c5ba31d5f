import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { addr } from 'micro-eth-signer';
import type { DepositResource } from '@holdfast/core/contract/resources.ts';
import { authorizeIntent } from '@holdfast/client/authorize-intent.ts';
import { type RecordSigner, signHalt, signRecord } from '@holdfast/client/sign-record.ts';
import type {
  AdjustmentRecord,
  CredentialRecord,
  DestinationRecord,
  ReleaseRecord,
  SettlementRecord,
} from '@holdfast/core/signing/customer-record.ts';
import type { Assertion, KeySignature } from '@holdfast/core/signing/evidence.ts';
import type { HaltScope, SignedHalt, SignedResume } from '@holdfast/core/signing/halt.ts';
import { type AuthorizedIntent, intentDigest, type WithdrawalIntent } from '@holdfast/core/signing/intent.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import { keepCredential, type SoftwarePasskey } from './authenticator.ts';
import {
  approvalsOrigin,
  customersOrigin,
  type NamedKey,
  type PolicyParties,
  relyingParties,
} from './policy-parties.ts';

/** What the people of a devnet sign, with the keys that lie in its folder. Nothing here talks to anybody. */
export interface Evidence {
  /** By the integrator's key: the tighter class. */
  authorize(intent: WithdrawalIntent): AuthorizedIntent;
  /** By the customer's own passkey. */
  authorizeWithPasskey(intent: WithdrawalIntent): AuthorizedIntent;
  /** By the first `count` approvers; two when left out. */
  approve(intent: WithdrawalIntent, count?: number): Assertion[];
  /** A customer's passkey, made on first use. */
  passkeyOf(customer: string): SoftwarePasskey;
  /** The customer's first passkey, vouched for by the integrator. */
  enrolment(customer: string): { record: CredentialRecord; authorization: KeySignature };
  /** An address-book entry, signed by the customer's passkey. */
  destination(
    customer: string,
    network: string,
    address: string,
  ): { record: DestinationRecord; authorization: Assertion };
  /** Trades, signed by the engine. */
  settlement(
    sequence: number,
    entries: SettlementRecord['entries'],
  ): { record: SettlementRecord; authorization: KeySignature };
  /** A correction of a customer's position, by the first two approvers. */
  adjustment(
    customer: string,
    asset: string,
    amount: bigint,
    reason: string,
  ): { record: AdjustmentRecord; approvals: Assertion[] };
  /** What becomes of a deposit in quarantine, by the first two approvers. */
  release(
    deposit: DepositResource,
    decision: ReleaseRecord['decision'],
    reason: string,
  ): { record: ReleaseRecord; approvals: Assertion[] };
  /** By the key that signs halt tokens in advance. */
  /** @param pause the vaults on chain too. */
  haltToken(scope: HaltScope, reason: string, pause?: true): SignedHalt;
  /** By an operator's passkey. */
  operatorHalt(scope: HaltScope, reason: string): SignedHalt;
  /** By the first `count` approvers; two when left out. */
  resumption(halts: readonly string[], reason: string, count?: number): SignedResume;
}

export function createEvidence(folder: string, parties: PolicyParties): Evidence {
  const passkeyOf = (customer: string): SoftwarePasskey =>
    keepCredential(join(folder, 'devnet', 'passkeys', `${customer}.json`), relyingParties.customers.rp_id);
  const byCustomer = (customer: string, digest: Uint8Array): Assertion =>
    passkeyOf(customer).sign(digest, { origin: customersOrigin });
  const byApprovers = (digest: Uint8Array, count: number): Assertion[] =>
    parties.approvers.slice(0, count).map(({ passkey }) => passkey.sign(digest, { origin: approvalsOrigin }));
  const { integrator, engine, operators, haltKeys } = parties;
  return {
    authorize: (intent) => ({
      intent,
      authorization: authorizeIntent(intent, { keyId: integrator.keyId, privateKey: integrator.seed }),
      approvals: [],
    }),
    authorizeWithPasskey: (intent) => ({
      intent,
      authorization: byCustomer(intent.customer, intentDigest(intent)),
      approvals: [],
    }),
    approve: (intent, count = 2) => byApprovers(intentDigest(intent), count),
    passkeyOf,
    enrolment: (customer) => {
      const { credentialId, publicKey } = passkeyOf(customer);
      const record: CredentialRecord = {
        version: 1,
        kind: 'credential',
        action: 'add',
        customer,
        credential_id: credentialId,
        public_key: publicKey,
        nonce: newNonce(),
      };
      return { record, authorization: signRecord(record, signerOf(integrator)) };
    },
    destination: (customer, network, address) => {
      const record: DestinationRecord = {
        version: 1,
        kind: 'destination',
        action: 'add',
        customer,
        network,
        address: canonicalAddress(address),
        nonce: newNonce(),
      };
      return { record, authorization: byCustomer(customer, statementDigest('customer-record', record)) };
    },
    settlement: (sequence, entries) => {
      const record: SettlementRecord = { version: 1, kind: 'settlement', engine: engine.keyId, sequence, entries };
      return { record, authorization: signRecord(record, signerOf(engine)) };
    },
    adjustment: (customer, asset, amount, reason) => {
      const record: AdjustmentRecord = {
        version: 1,
        kind: 'adjustment',
        customer,
        asset,
        amount: amount.toString(),
        reason,
        nonce: newNonce(),
      };
      return { record, approvals: byApprovers(statementDigest('adjustment', record), 2) };
    },
    release: (deposit, decision, reason) => {
      const { customer, network, asset, amount, address, txid, index, block_hash } = deposit;
      const about = { customer, network, asset, amount, address, txid, index, block_hash };
      const record: ReleaseRecord = { version: 1, kind: 'release', decision, ...about, reason, nonce: newNonce() };
      return { record, approvals: byApprovers(statementDigest('release', record), 2) };
    },
    haltToken: (scope, reason, pause) => {
      const statement = {
        version: 1,
        kind: 'halt',
        scope,
        reason,
        nonce: newNonce(),
        ...(pause && { pause }),
      } as const;
      return signHalt(statement, signerOf(haltKeys.at(-1)!));
    },
    operatorHalt: (scope, reason) => {
      const statement = { version: 1, kind: 'halt', scope, reason, nonce: newNonce() } as const;
      const evidence = operators[0]!.passkey.sign(statementDigest('halt', statement), { origin: approvalsOrigin });
      return { statement, evidence };
    },
    resumption: (halts, reason, count = 2) => {
      const expiresAt = new Date(Date.now() + 600_000).toISOString();
      const statement: SignedResume['statement'] = {
        version: 1,
        kind: 'resume',
        halts: [...halts],
        reason,
        expires_at: expiresAt,
        nonce: newNonce(),
      };
      return { statement, approvals: byApprovers(statementDigest('resume', statement), count) };
    },
  };
}

const newNonce = (): string => randomBytes(12).toString('hex');

const signerOf = ({ keyId, seed }: NamedKey): RecordSigner => ({ keyId, privateKey: seed });

/** Signers compare the network's own spelling. */
function canonicalAddress(address: string): string {
  return address.startsWith('0x') ? addr.addChecksum(address) : address.toLowerCase();
}
