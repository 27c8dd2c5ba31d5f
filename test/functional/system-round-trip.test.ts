import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type AssetName,
  awaitDeposit,
  outsideAddress,
  payDeposit,
  requestWithdrawal,
} from '@holdfast/devnet/story/actors.ts';
import { type System, startSystem } from '../support/system.ts';

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system?.stop());

const coins: Readonly<Record<AssetName, string>> = { BTC: '0.3', ETH: '2', USDT: '900', USDC: '800' };
const out: Readonly<Record<AssetName, string>> = { BTC: '0.1', ETH: '1', USDT: '300', USDC: '250' };
const left: Readonly<Record<AssetName, string>> = { BTC: '0.19998', ETH: '0.9996', USDT: '599', USDC: '549' };

describe('each asset in and out', () => {
  it.each(['BTC', 'ETH', 'USDT', 'USDC'] as const)(
    '%s is credited once, paid out once, and the books balance',
    async (asset) => {
      const customer = await system.newCustomer(`trip-${asset.toLowerCase()}`);
      const txid = await payDeposit(system, customer, asset, coins[asset]);
      await system.mineUntil(
        `${asset} credited`,
        async () => (await system.available(customer, asset)) === coins[asset],
      );
      const deposit = await awaitDeposit(system, customer, txid, 'credited');
      expect(deposit.confirmations).toBeGreaterThanOrEqual(deposit.confirmations_required);
      const requested = await requestWithdrawal(
        system,
        customer,
        asset,
        out[asset],
        await outsideAddress(system, asset),
      );
      expect(requested.state).toBe('queued');
      const settled = await system.mineUntil(`${asset} settled`, async () => {
        const withdrawal = await system.client.getWithdrawal({ id: requested.id });
        return withdrawal.state === 'settled' && withdrawal;
      });
      expect(settled.txid).toMatch(/^(0x)?[0-9a-f]{64}$/);
      expect(await system.balance(customer, asset)).toMatchObject({ held: '0', receivable: '0' });
      expect(await system.available(customer, asset)).toBe(left[asset]);
      await system.followed();
      await system.mustBalance();
    },
  );
});
