import type { AlarmResource } from '@holdfast/core/contract/resources.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { Context } from '@holdfast/server/context.ts';
import type { Network } from '@holdfast/server/networks/network.ts';
import { uuidV7 } from '@holdfast/server/new-id.ts';
import { issueDepositAddress } from '@holdfast/server/operations/issue-deposit-address.ts';
import type { AttestedAddress, SignerPanel } from '@holdfast/server/signers/panel.ts';
import { createCustomer } from '@holdfast/server/store/customers.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestDatabase, testDatabase } from '../support/database.ts';

/* A repeated request for an address while a signer's statement is missing: a real database, signers that a test makes up. */

const networkId = 'eip155:31337';
const signerNames = ['signer-1', 'signer-2', 'signer-3'];
let database: TestDatabase;
let made = 0;
const newId = (): string => uuidV7(1_800_000_000_000 + made++);

beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database?.close());

const addressOf = (customer: string): string => `0x${customer.replaceAll(/[^0-9a-f]/g, '').slice(-32)}abcdef01`;

function contextOf(): Context {
  const config = { signers: signerNames.map((id) => ({ id })), quorum: 2 };
  const ctx = { db: database.db, config, now: Date.now, newId, step: () => undefined, log: () => undefined };
  return ctx as unknown as Context;
}

const network = {
  id: networkId,
  depositAddress: async (customer: string) => ({ address: addressOf(customer), epoch: 1 }),
  watchKey: (address: string) => address,
} as unknown as Network;

const attested = (address: string, ...signers: readonly string[]): AttestedAddress => ({
  address,
  epoch: 1,
  statements: signers.map((signer) => ({ signer, signature: 'ab'.repeat(64) })),
});

/** An address that `vouching` signers vouch for, asked for again with `again` for each signer that is asked. */
async function issueTwice(name: string, vouching: readonly string[], again: SignerPanel['attestAddressBy']) {
  const { id: customer } = await createCustomer(database.db, { client_reference: name }, newId, 0);
  const panel = {
    attestAddress: async () => attested(addressOf(customer), ...vouching),
    attestAddressBy: again,
  } as unknown as SignerPanel;
  const ask = () =>
    issueDepositAddress(contextOf(), new Map([[networkId, network]]), panel, { customer, network: networkId });
  await ask();
  return { ask, customer };
}

const alarms = async () =>
  database.db.query<Pick<AlarmResource, 'code' | 'subject'>>('select code, subject from alarm order by id');

test('is answered while a signer hangs, and keeps its statement when it comes', async () => {
  let answer: (value: AttestedAddress) => void = () => undefined;
  const hanging = new Promise<AttestedAddress>((resolve) => (answer = resolve));
  const { ask, customer } = await issueTwice('hangs', ['signer-1', 'signer-2'], () => hanging);
  const again = await Promise.race([ask(), deadline(5_000)]);
  expect(again).toMatchObject({ address: addressOf(customer), state: 'active' });
  expect(again.attestation.statements).toHaveLength(2);
  answer(attested(addressOf(customer), 'signer-3'));
  await awaitCondition('the late statement', async () => (await ask()).attestation.statements.length === 3, 5_000, 20);
});

const deadline = async (ms: number): Promise<never> =>
  new Promise((_resolve, reject) => setTimeout(() => reject(new Error(`not within ${ms} ms`)), ms).unref());

test('is answered with an alarm when one signer derives another address than a quorum', async () => {
  const { ask, customer } = await issueTwice('differs', ['signer-1', 'signer-2'], async (signer) =>
    attested('0xother', signer),
  );
  const again = await ask();
  expect(again.address).toBe(addressOf(customer));
  expect(again.attestation.statements).toHaveLength(2);
  expect(await alarms()).toEqual([{ code: 'derivation-mismatch', subject: `${networkId} addresses of signer-3` }]);
});

test('is refused when a signer derives another address and no quorum vouches for this one', async () => {
  const { ask } = await issueTwice('no quorum', ['signer-1'], async (signer) => {
    if (signer === 'signer-2') throw new Failure('signers-unavailable', 'signer-2 cannot be reached');
    return attested('0xother', signer);
  });
  await expect(ask()).rejects.toMatchObject({ code: 'derivation-mismatch' });
});
