import { describe, expect, it } from 'vitest';
import { type Candidate, choosePayouts } from './choose-payouts.ts';

const nowMs = 1_000_000;
const rule = { nowMs, waitMs: 500, sizeMax: 4, endsWithFirst: false };

function candidate(id: string, changes: Partial<Candidate> = {}): Candidate {
  return {
    id,
    createdAtMs: nowMs - 1_000,
    expiresAtMs: nowMs + 60_000,
    attempted: false,
    mayBeSigned: false,
    companyMax: null,
    ...changes,
  };
}

describe('choosePayouts', () => {
  it('waits for company until the oldest has waited, then takes all in queue order', () => {
    const young = { createdAtMs: nowMs - 499 };
    expect(choosePayouts([candidate('a', young), candidate('b', young)], rule)).toEqual({ expired: [], groups: [] });
    const ripe = { createdAtMs: nowMs - 500 };
    expect(choosePayouts([candidate('b', ripe), candidate('a', young)], rule).groups).toEqual([['b', 'a']]);
  });

  it('does not wait when the batch is full, and takes no more than fit', () => {
    const young = { createdAtMs: nowMs };
    const queue = ['a', 'b', 'c', 'd', 'e'].map((id) => candidate(id, young));
    expect(choosePayouts(queue, rule).groups).toEqual([['a', 'b', 'c', 'd']]);
  });

  it('offers those of a refused transaction first, in their company and without waiting, and the fresh ones after them', () => {
    const refused = { attempted: true, companyMax: 2, createdAtMs: nowMs };
    const queue = [
      candidate('fresh'),
      candidate('r1', refused),
      candidate('r2', refused),
      candidate('r3', { ...refused, companyMax: 1 }),
    ];
    expect(choosePayouts(queue, rule).groups).toEqual([['r1', 'r2'], ['fresh']]);
  });

  it('lets the first refused one decide the company, alone where it was found alone', () => {
    const queue = [candidate('r1', { attempted: true, companyMax: 1 }), candidate('r2', { attempted: true })];
    expect(choosePayouts(queue, rule).groups).toEqual([['r1']]);
  });

  it('never begins what expires before it could be signed, and releases it', () => {
    const soon = { expiresAtMs: nowMs + 10_000 };
    expect(choosePayouts([candidate('a', soon), candidate('b')], rule)).toEqual({ expired: ['a'], groups: [['b']] });
    expect(choosePayouts([candidate('a', { expiresAtMs: nowMs + 10_001 })], rule)).toEqual({
      expired: [],
      groups: [['a']],
    });
  });

  it('releases one of a refused transaction only when it has expired by every clock', () => {
    const attempted = (expiresAtMs: number): Candidate => candidate('a', { attempted: true, expiresAtMs });
    expect(choosePayouts([attempted(nowMs + 5_000)], rule)).toEqual({ expired: [], groups: [] });
    expect(choosePayouts([attempted(nowMs - 9_999)], rule)).toEqual({ expired: [], groups: [] });
    expect(choosePayouts([attempted(nowMs - 10_000)], rule)).toEqual({ expired: ['a'], groups: [] });
  });

  it('neither retries nor releases an expired one that a quorum may have signed', () => {
    const signed = candidate('a', { attempted: true, mayBeSigned: true, expiresAtMs: nowMs - 86_400_000 });
    expect(choosePayouts([signed], rule)).toEqual({ expired: [], groups: [] });
  });

  it('keeps those that end soon apart where they would end the others, the group of the first in the queue first', () => {
    const lives = (id: string, lifeMs: number, changes: Partial<Candidate> = {}): Candidate =>
      candidate(id, { expiresAtMs: nowMs + lifeMs, ...changes });
    const queue = [
      lives('a', 600_000),
      lives('b', 119_999),
      lives('c', 3_600_000),
      lives('d', 120_000),
      lives('e', 31_000),
    ];
    expect(choosePayouts(queue, rule).groups).toEqual([['a', 'b', 'c', 'd']]);
    const apart = { ...rule, endsWithFirst: true };
    expect(choosePayouts(queue, apart).groups).toEqual([['a', 'c'], ['b', 'e'], ['d']]);
    expect(choosePayouts(queue.toReversed(), apart).groups).toEqual([['e', 'b'], ['d'], ['c', 'a']]);
    const tried = { attempted: true, companyMax: 1 };
    const retried = [
      lives('r', 31_000, tried),
      lives('s', 3_600_000, { attempted: true }),
      lives('t', 3_600_000, tried),
    ];
    expect(choosePayouts([...queue, ...retried], apart).groups).toEqual([
      ['r'],
      ['s', 't'],
      ['a', 'c'],
      ['b', 'e'],
      ['d'],
    ]);
  });

  it('does not wait for company that it may not have', () => {
    const young = { createdAtMs: nowMs - 499 };
    const queue = [candidate('a', { ...young, expiresAtMs: nowMs + 3_600_000 }), candidate('b')];
    expect(choosePayouts(queue, { ...rule, endsWithFirst: true }).groups).toEqual([['b']]);
  });
});
