import { expect, it } from 'vitest';
import type { Adversary, Attack, Outcome } from './attack.ts';
import { amountText, judge } from './judge.ts';

const adversary: Adversary = { number: 1, has: 'nothing', attacks: [] };
const attack: Attack = { name: 'a', bound: { ETH: 5n }, run: async () => outcome };
const outcome: Outcome = { left: { ETH: 5n }, haltedAfterMs: null, evidence: ['refused limit-exceeded'] };

it('holds when no more than the bound left', () => {
  expect(judge(adversary, attack, { ETH: 10n }, outcome)).toMatchObject({ broken: null, shareOfHot: 0.5 });
});

it('breaks by one base unit over the bound', () => {
  expect(judge(adversary, attack, { ETH: 10n }, { ...outcome, left: { ETH: 6n } }).broken).toContain('left, over');
});

it('breaks by an asset that the bound does not name', () => {
  expect(judge(adversary, attack, {}, { ...outcome, left: { BTC: 1n } }).broken).not.toBeNull();
});

it('breaks when the signers recorded nothing', () => {
  expect(judge(adversary, attack, {}, { ...outcome, evidence: [] }).broken).toContain('recorded nothing');
});

it('breaks when nobody halted in time', () => {
  const strict = { ...attack, haltWithinMs: 1_000 };
  expect(judge(adversary, strict, {}, outcome).broken).toContain('never');
  expect(judge(adversary, strict, {}, { ...outcome, haltedAfterMs: 1_001 }).broken).toContain('1001');
  expect(judge(adversary, strict, {}, { ...outcome, haltedAfterMs: 1_000 }).broken).toBeNull();
});

it('breaks when something else that is bounded in time came late or never', () => {
  const strict = { ...attack, withinMs: { paused: 1_000 } };
  expect(judge(adversary, strict, {}, outcome).broken).toContain('paused after never');
  expect(judge(adversary, strict, {}, { ...outcome, afterMs: { paused: 1_001 } }).broken).toContain('1001');
  expect(judge(adversary, strict, {}, { ...outcome, afterMs: { paused: 1_000 } }).broken).toBeNull();
});

it('writes amounts in whole coins', () => {
  expect(amountText({ ETH: 10n ** 18n, USDC: 0n })).toBe('1 ETH');
  expect(amountText({})).toBe('0');
});
