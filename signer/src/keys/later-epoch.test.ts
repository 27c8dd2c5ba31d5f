import type { KeyRecord } from '@holdfast/core/signing/key-messages.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { describe, expect, test } from 'vitest';
import { keyStatement, type FrostKey } from './frost-key.ts';
import type { KeyPeer } from './key-generation.ts';
import { all, id, network, otherId, threeParties, type Party } from './key-generation.test-support.ts';

const failure = expect.objectContaining({ code: 'key-generation-failed' });

describe('keys of a later epoch', () => {
  const order = '0a'.repeat(32);

  test('each signer records that all hold the key, over one transcript', async () => {
    const { parties, run } = threeParties([order, order, order]);
    await run(all);
    for (const { generation } of parties) await generation.step(id, 'confirm');
    const [record, ...others] = parties.map(({ generation }) => generation.record());
    expect(others).toEqual([record, record]);
    expect(record?.signatures.map(({ signer }) => signer)).toEqual(['signer-1', 'signer-2', 'signer-3']);
    expect(record?.statement).toEqual(keyStatement(parties[1]?.generation.confirmed() as FrostKey));
  });

  test('nobody makes one that no policy orders, whoever paces', async () => {
    const { parties, peersOf } = threeParties([order, null, order]);
    await expect((parties[1] as Party).generation.step(id, 'start')).rejects.toMatchObject({ code: 'key-not-ordered' });
    const [peer] = peersOf(0) as [KeyPeer];
    const step = peer.call('/v1/mesh/dkg/step', { network, session: id, step: 'start', epoch: 2 });
    await expect(step).rejects.toMatchObject({ code: 'key-not-ordered' });
  });

  test('signers that were given different orders make none together', async () => {
    const { parties, run } = threeParties([order, order, '0b'.repeat(32)]);
    await run(['start', 'collect']);
    for (const { generation } of parties) await expect(generation.step(id, 'verify')).rejects.toEqual(failure);
  });

  test.each(all.slice(1))('an order that is taken back before %s ends the session', async (step) => {
    const orders: (string | null)[] = [order, order, order];
    const { parties, run } = threeParties(orders);
    await run(all.slice(0, all.indexOf(step)));
    orders[1] = null;
    await expect((parties[1] as Party).generation.step(id, step)).rejects.toMatchObject({ code: 'key-not-ordered' });
    orders[1] = '0c'.repeat(32);
    await expect((parties[1] as Party).generation.step(id, step)).rejects.toEqual(failure);
  });

  test('a key that is held is not confirmed when its order was taken back', async () => {
    const orders: (string | null)[] = [order, order, order];
    const { parties, run } = threeParties(orders);
    await run(all);
    orders[1] = null;
    await expect((parties[1] as Party).generation.step(id, 'confirm')).rejects.toMatchObject({
      code: 'key-not-ordered',
    });
    expect((parties[1] as Party).generation.confirmed()).toBeNull();
  });

  test('a peer that does not sign that it holds the key keeps it from counting', async () => {
    const { parties, run } = threeParties([order, order, order]);
    await run(all);
    (parties[2] as Party).answer = (path, _body, _from, honest) =>
      path === '/v1/mesh/dkg/key' ? { ...(honest() as object), signature: '00'.repeat(64) } : honest();
    await expect((parties[0] as Party).generation.step(id, 'confirm')).rejects.toEqual(failure);
  });

  test('with the word of all, a signer follows although the third has died', async () => {
    const { parties, run } = threeParties([order, order, order]);
    await run(all);
    const [first, second, third] = parties as [Party, Party, Party];
    await first.generation.step(id, 'confirm');
    const record = first.generation.record() as KeyRecord;
    third.answer = () => {
      throw new Failure('signers-unavailable', 'dead');
    };
    // Not with less than that, nor with the word about another key.
    const fewer = { ...record, signatures: record.signatures.slice(0, 2) };
    const other = { ...record, statement: { ...record.statement, key_hash: '11'.repeat(32) } };
    for (const wrong of [undefined, fewer, other])
      await expect(second.generation.step(id, 'confirm', wrong)).rejects.toMatchObject({ code: 'signers-unavailable' });
    await second.generation.step(id, 'confirm', record);
    expect(second.generation.record()).toEqual(record);
  });

  test.each([0, 1, 2])('signer %i dies at each step: nothing is confirmed, and the next session works', async (at) => {
    for (const steps of [1, 2, 3, 4].map((count) => all.slice(0, count))) {
      const { parties, run, reboot } = threeParties([order, order, order]);
      await run(steps);
      reboot(at);
      expect(parties.map(({ generation }) => generation.confirmed())).toEqual([null, null, null]);
      await run(all, otherId);
      for (const { generation } of parties) await generation.step(otherId, 'confirm');
      expect(new Set(parties.map(({ generation }) => generation.record()?.statement.key_hash)).size).toBe(1);
    }
  });
});
