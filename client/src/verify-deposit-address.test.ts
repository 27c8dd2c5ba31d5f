import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { DepositAddressResource } from '@holdfast/core/contract/resources.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import { expect, test } from 'vitest';
import { verifyDepositAddress } from './verify-deposit-address.ts';

const network = 'eip155:31337';
const customer = 'cus_01890000-0000-7000-8000-000000000001';
const address = `0x${'ab'.repeat(20)}`;
const pairs = ['signer-1', 'signer-2', 'signer-3'].map((signer) => ({ signer, ...generateKeyPairSync('ed25519') }));
const keys = Object.fromEntries(pairs.map(({ signer, publicKey }) => [signer, rawKey(publicKey)]));

function rawKey(key: KeyObject): string {
  return key.export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex');
}

function vouchedBy(count: number): DepositAddressResource {
  const digest = statementDigest('address', { version: 1, network, customer, address, epoch: 1 });
  const statements = pairs.slice(0, count).map(({ signer, privateKey }) => {
    return { signer, signature: sign(null, digest, privateKey).toString('hex') };
  });
  const id = 'addr_01890000-0000-7000-8000-000000000002';
  return { id, network, customer, address, attestation: { epoch: 1, statements } } as unknown as DepositAddressResource;
}

const refusal = expect.objectContaining({ code: 'attestation-invalid' });

test('takes an address that a quorum vouches for, and none with a statement less', () => {
  expect(() => verifyDepositAddress(vouchedBy(2), { quorum: 2, keys })).not.toThrow();
  expect(() => verifyDepositAddress(vouchedBy(1), { quorum: 2, keys })).toThrow(refusal);
});

test.each([Number.NaN, undefined, 0, 1.5, -1, Infinity, '1'])('takes nothing with the quorum %s', (quorum) => {
  for (const count of [0, 1, 3]) {
    expect(() => verifyDepositAddress(vouchedBy(count), { quorum: quorum as number, keys })).toThrow(refusal);
  }
});
