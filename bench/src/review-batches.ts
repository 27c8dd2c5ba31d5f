import { randomUUID } from 'node:crypto';
import { ed25519 } from '@noble/curves/ed25519.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { encodeSegwit } from '@holdfast/core/chains/bitcoin/address.ts';
import { assertionBy } from '@holdfast/core/signing/evidence.test-support.ts';
import type { CredentialRecord, CustomerRecord } from '@holdfast/core/signing/customer-record.ts';
import { intentDigest, type AuthorizedIntent } from '@holdfast/core/signing/intent.ts';
import type { Policy } from '@holdfast/core/policy/policy.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import { createCredential, type SoftwarePasskey } from '@holdfast/devnet/authenticator.ts';
import {
  bitcoinNetwork,
  btcAsset,
  ethAsset,
  evmNetwork,
  integratorSecret,
  params,
  usdcAsset,
  withdrawal,
} from '../../test/support/signer-stage.ts';

export type Family = 'EVM' | 'Bitcoin';

/** What one batch pays: every intent by a customer of its own, whose passkey no signer has seen before. */
export interface Batch {
  readonly intents: AuthorizedIntent[];
  /** Enrols the customers; signed by the integrator. */
  readonly enrolments: CustomerRecord[];
}

const origin = 'https://exchange.example';

/** Approvers' credentials are the sample policy's. */
export function makeBatch(policy: Policy, family: Family, payouts: number, approvals: number): Batch {
  const customers = Array.from({ length: payouts }, () => ({
    customer: `cus_${randomUUID()}`,
    passkey: createCredential(policy.webauthn.customers.rp_id),
  }));
  return {
    intents: customers.map(({ customer, passkey }, at) => {
      const { intent } = withdrawal({ customer, ...payout(family, at) });
      const digest = intentDigest(intent);
      const approvers = ['approver-1', 'approver-2'].slice(0, approvals);
      return {
        intent,
        authorization: passkey.sign(digest, { origin }),
        approvals: approvers.map((name) => assertionBy(name, digest, policy.webauthn.approvals)),
      };
    }),
    enrolments: customers.map(({ customer, passkey }) => enrolment(customer, passkey)),
  };
}

/** EVM: ether and a token by turns. Bitcoin: to pay-to-witness-key-hash addresses, each another. */
function payout(family: Family, at: number): Partial<AuthorizedIntent['intent']> {
  const account = bytesToHex(ed25519.utils.randomSecretKey()).slice(0, 40);
  const amount = String(1_000 + at);
  if (family === 'EVM')
    return { network: evmNetwork, asset: at % 2 === 0 ? ethAsset : usdcAsset, amount, destination: `0x${account}` };
  const destination = encodeSegwit({ prefix: params.bech32, version: 0, program: hexToBytes(account) });
  return { network: bitcoinNetwork, asset: btcAsset, amount, destination };
}

function enrolment(customer: string, { credentialId, publicKey }: SoftwarePasskey): CustomerRecord {
  const record: CredentialRecord = {
    version: 1,
    kind: 'credential',
    action: 'add',
    customer,
    credential_id: credentialId,
    public_key: publicKey,
    nonce: randomUUID(),
  };
  const signature = bytesToHex(ed25519.sign(statementDigest('customer-record', record), integratorSecret));
  return { record, authorization: { key_id: 'exchange', signature } };
}
