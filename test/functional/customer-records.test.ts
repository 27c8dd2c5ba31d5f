import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signRecord } from '@holdfast/client/sign-record.ts';
import type { CreateCustomerRecordBody } from '@holdfast/core/contract/bodies.ts';
import type { CustomerRecordResource, EventResource } from '@holdfast/core/contract/resources.ts';
import type { Policy } from '@holdfast/core/policy/policy.ts';
import type { DestinationRecord } from '@holdfast/core/signing/customer-record.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import { evmNetworkId } from '@holdfast/devnet/configure.ts';
import { customersOrigin } from '@holdfast/devnet/policy-parties.ts';
import { type Customer, enrolCustomer, outsideAddress, requestWithdrawal } from '@holdfast/devnet/story/actors.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { fund, mineUntilAll, received, units } from '../support/payouts.ts';
import { awaitRefusal, journalMark } from '../support/signers-direct.ts';
import { relaxPolicy, type System, startSystem } from '../support/system.ts';

/** Of destinations and credentials; long enough that a request comes before it ends. */
const delayS = 3;
/** Of what is looser, and so of a customer's first passkey. */
const loosenS = 5;
const changesMax = 7;

/** An integrator's word is worth a tenth, and every destination must have matured. */
function strict(policy: Policy): void {
  relaxPolicy(policy);
  policy.delays.loosen_s = loosenS;
  policy.destinations.delay_s = delayS;
  policy.credentials = { delay_s: delayS, changes_per_day_max: changesMax };
  for (const network of policy.networks) {
    for (const asset of network.family === 'evm' ? network.assets : [])
      if (asset.code === 'ETH') asset.integrator_limits.per_transaction_max = units('ETH', '1').toString();
  }
}

let system: System;

beforeAll(async () => {
  system = await startSystem({ policy: strict });
});
afterAll(() => system?.stop());

async function newCustomer(name: string, ether: string): Promise<Customer> {
  const customer = await system.newCustomer(name);
  await fund(system, customer, { ETH: ether });
  return customer;
}

const verdicts = async (id: string) => (await system.client.getCustomerRecord({ id })).signers;

/** Waits until every signer has accepted. */
async function accepted({ id }: CustomerRecordResource): Promise<void> {
  await awaitCondition(
    `${id} accepted`,
    async () => {
      const all = await verdicts(id);
      const refused = all.find(({ state }) => state === 'refused');
      if (refused) throw new Error(`${refused.signer}: ${refused.code} ${refused.message}`);
      return all.length === 3 && all.every(({ state }) => state === 'accepted');
    },
    20_000,
    50,
  );
}

function removal(customer: string, address: string): CreateCustomerRecordBody {
  const record: DestinationRecord = {
    ...system.destination(customer, evmNetworkId, address).record,
    action: 'remove',
  };
  const digest = statementDigest('customer-record', record);
  return { record, authorization: system.passkeyOf(customer).sign(digest, { origin: customersOrigin }) };
}

describe('a customer’s passkey', () => {
  it('lifts its customer from the integrator’s class into the customers’ once it has matured at every signer', async () => {
    const customer = await newCustomer('class', '12');
    const to = await outsideAddress(system, 'ETH');
    const { keyId, seed } = system.parties.integrator;
    const { record } = system.destination(customer.id, evmNetworkId, to);
    const [entry, enrolled] = await Promise.all([
      system.client.createCustomerRecord({ record, authorization: signRecord(record, { keyId, privateKey: seed }) }),
      system.client.createCustomerRecord(system.enrolment(customer.id)),
    ]);
    expect(entry).toMatchObject({ kind: 'destination', customer: customer.id });
    await Promise.all([accepted(entry), accepted(enrolled)]);
    const times = (await verdicts(enrolled.id)).map(
      ({ effective_at: at }) => Date.parse(at!) - Date.parse(enrolled.created_at),
    );
    for (const ms of times) expect(ms).toBeGreaterThanOrEqual(loosenS * 1_000 - 50);

    // Not yet matured: neither the passkey nor the destination counts; asked again later by the server, they do.
    const mark = journalMark(system);
    const early = await requestWithdrawal(system, customer, 'ETH', '2', to, system.authorizeWithPasskey);
    expect(early.authorized_by).toBe('customer');
    await awaitRefusal(system, 'credential-unknown', mark);
    await mineUntilAll(system, [early.id], 'settled');
    expect(await received(system, 'ETH', to)).toBe(units('ETH', '2'));

    const small = await requestWithdrawal(system, customer, 'ETH', '1', to);
    expect(small.authorized_by).toBe('integrator');
    await mineUntilAll(system, [small.id], 'settled');
    const again = journalMark(system);
    const large = await requestWithdrawal(system, customer, 'ETH', '1.1', to);
    expect(await awaitRefusal(system, 'limit-exceeded', again)).toEqual(new Set(['limit-exceeded']));
    expect((await system.client.getWithdrawal({ id: large.id })).txid).toBeNull();
    const own = await requestWithdrawal(system, customer, 'ETH', '5', to, system.authorizeWithPasskey);
    await mineUntilAll(system, [own.id], 'settled');
    expect(await received(system, 'ETH', to)).toBe(units('ETH', '8'));
  });

  it('is one record however often it comes, and nobody else’s', async () => {
    const [customer, other] = [await system.newCustomer('same'), await system.newCustomer('other')];
    const body = system.enrolment(customer.id);
    const all = await Promise.all([0, 1, 2].map(() => system.client.createCustomerRecord(body)));
    expect(new Set(all.map(({ id }) => id)).size).toBe(1);
    await accepted(all[0]!);
    // The same key for another customer: signers know whose it is.
    const { record } = body;
    const stolen = { ...record, customer: other.id };
    const { keyId, seed } = system.parties.integrator;
    const taken = await system.client.createCustomerRecord({
      record: stolen,
      authorization: signRecord(stolen, { keyId, privateKey: seed }),
    });
    await awaitCondition('refusal', async () => (await verdicts(taken.id)).every(({ state }) => state === 'refused'));
    expect((await verdicts(taken.id)).map(({ code }) => code)).toEqual(Array(3).fill('credential-conflict'));
    const self = system.passkeyOf(other.id);
    const own = { ...stolen, credential_id: self.credentialId, public_key: self.publicKey };
    const digest = statementDigest('customer-record', own);
    const wrong = {
      itself: self.sign(digest, { origin: customersOrigin }),
      'another customer': system.passkeyOf(customer.id).sign(digest, { origin: customersOrigin }),
      'another key': { key_id: keyId, signature: 'ab'.repeat(64) },
    };
    for (const [what, authorization] of Object.entries(wrong)) {
      await expect(system.client.createCustomerRecord({ record: own, authorization }), what).rejects.toMatchObject({
        code: expect.stringMatching(/^(credential-unknown|authorization-invalid)$/),
      });
    }
  });
});

describe('a destination', () => {
  it('is required, counts after its delay and no more once removed', async () => {
    const customer = await newCustomer('book', '9');
    await enrolCustomer(system, customer);
    const to = await outsideAddress(system, 'ETH');
    const ask = (coins: string) => requestWithdrawal(system, customer, 'ETH', coins, to, system.authorizeWithPasskey);

    let mark = journalMark(system);
    const unknown = await ask('1');
    expect(await awaitRefusal(system, 'destination-not-approved', mark)).toEqual(new Set(['destination-not-approved']));
    mark = journalMark(system);
    const body = system.destination(customer.id, evmNetworkId, to);
    const entry = await system.client.createCustomerRecord(body);
    await awaitRefusal(system, 'destination-immature', mark);
    await mineUntilAll(system, [unknown.id], 'settled');
    await accepted(entry);

    await accepted(await system.client.createCustomerRecord(removal(customer.id, body.record.address)));
    mark = journalMark(system);
    const late = await ask('1');
    expect(await awaitRefusal(system, 'destination-not-approved', mark)).toEqual(new Set(['destination-not-approved']));
    expect((await system.client.getWithdrawal({ id: late.id })).txid).toBeNull();
    expect(await received(system, 'ETH', to)).toBe(units('ETH', '1'));
    const lower = { ...body.record, address: body.record.address.toLowerCase() };
    const authorization = system
      .passkeyOf(customer.id)
      .sign(statementDigest('customer-record', lower), { origin: customersOrigin });
    await expect(system.client.createCustomerRecord({ record: lower, authorization })).rejects.toMatchObject({
      code: 'invalid-address',
    });
  });
});

describe('records on their way', () => {
  it('reach a signer that was away in their order, and a webhook as the customer’s notice', async () => {
    const told: EventResource[] = [];
    const receiver = createServer((request, response) => {
      void text(request).then((body) => {
        told.push(JSON.parse(body) as EventResource);
        response.writeHead(204).end();
      });
    });
    await new Promise<void>((done) => receiver.listen(0, '127.0.0.1', done));
    await system.client.createWebhookEndpoint({
      client_reference: 'notices',
      url: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`,
      event_types: ['credential.*', 'destination.*'],
    });
    await system.signer('signer-3').stop();
    const customer = await newCustomer('away', '3');
    const enrolled = await system.client.createCustomerRecord(system.enrolment(customer.id));
    const { signers } = await awaitCondition('two signers', async () => {
      const record = await system.client.getCustomerRecord({ id: enrolled.id });
      return record.signers.filter(({ state }) => state === 'accepted').length === 2 && record;
    });
    expect(signers.map(({ state }) => state)).toEqual(['accepted', 'accepted', 'pending']);
    const ready = Math.max(...signers.map(({ effective_at: at }) => (at === null ? 0 : Date.parse(at))));
    await new Promise((done) => setTimeout(done, ready - Date.now() + 50));
    const to = await outsideAddress(system, 'ETH');
    const entry = await system.client.createCustomerRecord(system.destination(customer.id, evmNetworkId, to));
    await awaitCondition(
      'entry at two signers',
      async () => (await verdicts(entry.id)).filter(({ state }) => state === 'accepted').length === 2,
    );

    await system.startSigner('signer-3');
    // There the passkey's delay begins with the return, and the entry that it signed has to wait for that.
    await accepted(enrolled);
    await accepted(entry);
    const [third] = (await verdicts(entry.id)).filter(({ signer }) => signer === 'signer-3');
    await new Promise((done) => setTimeout(done, Date.parse(third!.effective_at!) - Date.now() + 50));
    // With that signer and one other.
    await system.signer('signer-1').stop();
    const { id } = await requestWithdrawal(system, customer, 'ETH', '1', to, system.authorizeWithPasskey);
    await mineUntilAll(system, [id], 'settled');
    await system.startSigner('signer-1');

    await awaitCondition('two notices', async () => told.length >= 2, 10_000, 50);
    receiver.closeAllConnections();
    receiver.close();
    expect(told.map(({ type, resource_id }) => [type, resource_id])).toEqual([
      ['credential.added', enrolled.id],
      ['destination.added', entry.id],
    ]);
  });

  it('are capped: more changes of passkeys than the policy allows in a day wait', async () => {
    const customers = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((name) => system.newCustomer(`cap-${name}`)));
    const records: CustomerRecordResource[] = [];
    for (const { id } of customers) records.push(await system.client.createCustomerRecord(system.enrolment(id)));
    const last = records.at(-1)!;
    const all = await awaitCondition('the last is put off', async () => {
      const found = await verdicts(last.id);
      return found.every(({ code }) => code === 'limit-exceeded') && found;
    });
    expect(all.map(({ state }) => state)).toEqual(['pending', 'pending', 'pending']);
  });
});
