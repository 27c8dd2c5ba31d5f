import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signRecord } from '@holdfast/client/sign-record.ts';
import type { SettlementRecord } from '@holdfast/core/signing/customer-record.ts';
import { type Customer, outsideAddress, requestWithdrawal } from '@holdfast/devnet/story/actors.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import type { CreateSettlementBody } from '@holdfast/core/contract/bodies.ts';
import { changePolicy } from '../support/change-policy.ts';
import { openAlarms } from '../support/chain-steps.ts';
import { fund, mineUntilAll, received, units } from '../support/payouts.ts';
import { type System, startSystem } from '../support/system.ts';

let system: System;
let seller: Customer;
let buyer: Customer;
/** Of the engine's last batch that was posted. */
let sequence = 0;

beforeAll(async () => {
  system = await startSystem();
  [seller, buyer] = [await system.newCustomer('seller'), await system.newCustomer('buyer')];
  await fund(system, seller, { ETH: '10' });
  await fund(system, buyer, { USDC: '30000' });
});
afterAll(() => system?.stop());

/** The buyer gets ether for dollars. */
function trade(ether: string, dollars: string): SettlementRecord['entries'] {
  const [eth, usdc] = [units('ETH', ether), units('USDC', dollars)];
  return [
    { customer: seller.id, asset: 'ETH', amount: `-${eth}` },
    { customer: buyer.id, asset: 'ETH', amount: `${eth}` },
    { customer: buyer.id, asset: 'USDC', amount: `-${usdc}` },
    { customer: seller.id, asset: 'USDC', amount: `${usdc}` },
  ];
}

const batch = (number: number, entries: SettlementRecord['entries']) => system.settlement(number, entries);

async function balances(): Promise<string[]> {
  return Promise.all(
    ([seller, buyer] as const).flatMap((who) =>
      (['ETH', 'USDC'] as const).map(async (asset) => system.available(who, asset)),
    ),
  );
}

const everySignerHas = (id: string) =>
  awaitCondition('the batch at every signer', async () => {
    const { signers } = await system.client.getCustomerRecord({ id });
    return signers.length === 3 && signers.every(({ state }) => state === 'accepted');
  });

describe('a batch of trades', () => {
  it('moves balances, and the signers’ positions, so that the buyer can withdraw what was bought', async () => {
    const to = await outsideAddress(system, 'ETH');
    await expect(requestWithdrawal(system, buyer, 'ETH', '1', to)).rejects.toMatchObject({
      code: 'insufficient-funds',
    });
    const signed = batch(1, trade('4', '8000'));
    const posted = await system.client.createSettlement(signed);
    sequence = 1;
    expect(posted).toMatchObject({ kind: 'settlement', customer: null, record: signed.record });
    expect(await balances()).toEqual(['6', '8000', '4', '22000']);
    // Told to the signers before they are asked to sign: nobody has to wait.
    const { id } = await requestWithdrawal(system, buyer, 'ETH', '3.9', to);
    await mineUntilAll(system, [id], 'settled');
    expect(await received(system, 'ETH', to)).toBe(units('ETH', '3.9'));
    await everySignerHas(posted.id);
    const dollars = await outsideAddress(system, 'USDC');
    const sold = await requestWithdrawal(system, seller, 'USDC', '7000', dollars);
    await mineUntilAll(system, [sold.id], 'settled');
    await system.followed();
    await system.mustBalance();
  });

  it('is one batch when it comes again, also after a later one', async () => {
    const first = batch(2, trade('0.5', '1000'));
    const before = await balances();
    const posted = await system.client.createSettlement(first);
    const after = await balances();
    expect(after).not.toEqual(before);
    const again = await Promise.all([0, 1, 2].map(() => system.client.createSettlement(first)));
    expect(again.map(({ id }) => id)).toEqual([posted.id, posted.id, posted.id]);
    await system.client.createSettlement(batch(3, trade('0.1', '200')));
    expect((await system.client.createSettlement(first)).id).toBe(posted.id);
    sequence = 3;
    const [ether] = await balances();
    expect(ether).toBe('5.4');
  });

  it('is refused with a gap, another batch’s number, a sum that is not zero, a key that is no engine’s, too little, or an unknown party', async () => {
    const before = await balances();
    const next = sequence + 1;
    const good = batch(next, trade('0.1', '200'));
    const oneMore = trade('0.1', '200').map((entry, at) =>
      at === 1 ? { ...entry, amount: (BigInt(entry.amount) + 1n).toString() } : entry,
    );
    const nobody = trade('0.1', '200').map((entry) =>
      entry.customer === buyer.id ? { ...entry, customer: 'cus_00000000-0000-7000-8000-000000000000' } : entry,
    );
    const unlisted = trade('0.1', '200').map((entry) => ({ ...entry, asset: entry.asset === 'ETH' ? 'DOGE' : 'USDC' }));
    const refusals: [what: string, code: string, body: CreateSettlementBody][] = [
      ['gap', 'settlement-invalid', batch(next + 1, trade('0.1', '200'))],
      ['taken', 'settlement-invalid', batch(sequence, trade('0.2', '200'))],
      ['sum', 'settlement-invalid', batch(next, oneMore)],
      ['overdraft', 'insufficient-funds', batch(next, trade('100', '200'))],
      ['nobody', 'not-found', batch(next, nobody)],
      ['unlisted', 'unknown-asset', batch(next, unlisted)],
      ['key', 'settlement-invalid', { ...good, authorization: { ...good.authorization, key_id: 'integrator' } }],
      ['engine', 'settlement-invalid', { ...good, record: { ...good.record, engine: 'engine-2' } }],
      ['signature', 'settlement-invalid', { ...good, record: { ...good.record, sequence: next + 1 } }],
    ];
    for (const [what, code, body] of refusals)
      await expect(system.client.createSettlement(body), what).rejects.toMatchObject({ code });
    expect(await balances()).toEqual(before);
    // None of them has used up the number.
    await system.client.createSettlement(good);
    sequence = next;
  });

  it('wins alone where two with one number come at once, and the loser’s trades move nothing', async () => {
    const [ether] = await balances();
    const next = sequence + 1;
    const both = [batch(next, trade('0.3', '500')), batch(next, trade('0.4', '500'))];
    const outcomes = await Promise.allSettled(both.map((body) => system.client.createSettlement(body)));
    const won = outcomes.findIndex(({ status }) => status === 'fulfilled');
    expect(outcomes[1 - won]).toMatchObject({ status: 'rejected', reason: { code: 'settlement-invalid' } });
    sequence = next;
    expect(Number((await balances())[0])).toBeCloseTo(Number(ether) - [0.3, 0.4][won]!, 9);
    // Neighbours that come at once are posted in their order, or the later one is refused; never both orders.
    const pair = [batch(next + 1, trade('0.1', '100')), batch(next + 2, trade('0.1', '100'))];
    const [first, second] = await Promise.allSettled(pair.map((body) => system.client.createSettlement(body)));
    expect(first?.status).toBe('fulfilled');
    sequence = second?.status === 'fulfilled' ? next + 2 : next + 1;
  });

  it('reaches a signer that was away in the order of the engine', async () => {
    await system.signer('signer-2').stop();
    const ids: string[] = [];
    for (let count = 0; count < 3; count++)
      ids.push((await system.client.createSettlement(batch((sequence += 1), trade('0.1', '100')))).id);
    // The others go on meanwhile.
    const to = await outsideAddress(system, 'ETH');
    const { id } = await requestWithdrawal(system, buyer, 'ETH', '0.3', to);
    await mineUntilAll(system, [id], 'settled');
    await system.startSigner('signer-2');
    for (const one of ids) await everySignerHas(one);
    expect(await openAlarms(system, 'record-refused')).toEqual([]);
  });

  it('waits while the signers have another policy in force than the server, and goes on with the server’s copy', async () => {
    const changed = await changePolicy(system, (policy) => {
      policy.engine_keys = policy.engine_keys.map((key) => ({ ...key, key_id: 'engine-2' }));
    });
    const before = await balances();
    // More than there is, so that nothing moves before the server has heard of it.
    const tooMuch = batch(sequence + 1, trade('1000', '100'));
    await awaitCondition('refusal', async () => {
      const problem: unknown = await system.client.createSettlement(tooMuch).catch((error: unknown) => error);
      return (problem as { code?: string }).code === 'policy-differs';
    });
    const stale = batch(sequence + 1, trade('0.1', '100'));
    await expect(system.client.createSettlement(stale)).rejects.toMatchObject({ code: 'policy-differs' });
    const correction = system.adjustment(buyer.id, 'ETH', 1n, 'too late');
    await expect(system.client.createAdjustment(correction)).rejects.toMatchObject({ code: 'policy-differs' });

    const copy = { policy: changed, signatures: system.first.signatures };
    writeFileSync(join(system.folder, 'server', 'policy.json'), JSON.stringify(copy));
    await system.server().stop();
    await system.startServer();
    await expect(system.client.createSettlement(stale)).rejects.toMatchObject({ code: 'settlement-invalid' });
    expect(await balances()).toEqual(before);
    const record = { ...stale.record, engine: 'engine-2', sequence: 1 };
    const { keyId, seed } = { ...system.parties.engine, keyId: 'engine-2' };
    const authorization = signRecord(record, { keyId, privateKey: seed });
    const posted = await system.client.createSettlement({ record, authorization });
    await everySignerHas(posted.id);
  });
});
