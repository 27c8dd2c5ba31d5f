import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseId } from '@holdfast/core/contract/ids.ts';
import type { Policy } from '@holdfast/core/policy/policy.ts';
import { intentDigest, type WithdrawalIntent } from '@holdfast/core/signing/intent.ts';
import { approvalsOrigin, customersOrigin } from '@holdfast/devnet/policy-parties.ts';
import { awaitWithdrawal, type Customer, outsideAddress, withdrawalIntent } from '@holdfast/devnet/story/actors.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { eventTypesOf } from '../support/chain-steps.ts';
import { type Books, fund, mineUntilAll, openBooks, received, units } from '../support/payouts.ts';
import { awaitRefusal, callSigners, journalMark } from '../support/signers-direct.ts';
import { relaxPolicy, type System, startSystem } from '../support/system.ts';

/** Two approvers above 1 ETH, all three with the offline one above 3. */
function tiered(policy: Policy): void {
  relaxPolicy(policy);
  for (const network of policy.networks) {
    for (const asset of network.family === 'evm' ? network.assets : []) {
      if (asset.code !== 'ETH') continue;
      asset.approval_tiers = [
        { above: units('ETH', '1').toString(), approvals: 2, offline: 0 },
        { above: units('ETH', '3').toString(), approvals: 3, offline: 1 },
      ];
    }
  }
}

let system: System;
let books: Books;
let customer: Customer;

beforeAll(async () => {
  system = await startSystem({ policy: tiered });
  books = openBooks(system);
  customer = await system.newCustomer('approvals');
  await fund(system, customer, { ETH: '40' });
});
afterAll(async () => {
  await books?.close();
  await system?.stop();
});

let asked = 0;

/** Asks for a payment to a new address. */
async function ask(coins: string, approvals: (intent: WithdrawalIntent) => ReturnType<System['approve']> = () => []) {
  const to = await outsideAddress(system, 'ETH');
  const intent = withdrawalIntent(system, customer, 'ETH', coins, to);
  const { id, state } = await system.client.createWithdrawal({
    client_reference: `approvals-${(asked += 1)}`,
    ...system.authorize(intent),
    approvals: approvals(intent),
  });
  return { id, state, to, intent };
}

const approve = (id: string, assertion: ReturnType<System['approve']>[number]) =>
  system.client.approveWithdrawal({ id, assertion });

async function paid({ id, to }: { id: string; to: string }, coins: string): Promise<void> {
  await mineUntilAll(system, [id], 'settled');
  expect(await received(system, 'ETH', to)).toBe(units('ETH', coins));
}

describe('a withdrawal above a tier', () => {
  it('waits with its amount held, is queued by the second approver and paid', async () => {
    const small = await ask('1');
    expect(small.state).toBe('queued');
    await paid(small, '1');

    const large = await ask('1.5');
    expect(large.state).toBe('awaiting_approval');
    expect(await system.balance(customer, 'ETH')).toMatchObject({ held: units('ETH', '1.5004').toString() });
    const [first, second] = system.approve(large.intent);
    expect(await approve(large.id, first!)).toMatchObject({
      state: 'awaiting_approval',
      approvals: { needed: 2, given: 1 },
    });
    // The same approver again, be it with another signature, is still one.
    await approve(large.id, first!);
    expect(await approve(large.id, system.approve(large.intent, 1)[0]!)).toMatchObject({
      state: 'awaiting_approval',
      approvals: { needed: 2, given: 1 },
    });
    expect(await approve(large.id, second!)).toMatchObject({ state: 'queued', approvals: { needed: 2, given: 2 } });
    await paid(large, '1.5');
    expect((await eventTypesOf(system, large.id)).filter((type) => /approv|queued/.test(type))).toEqual([
      'withdrawal.awaiting_approval',
      'withdrawal.approved',
      'withdrawal.approved',
      'withdrawal.queued',
    ]);
    // Handed in again by somebody who missed the answer: it did count.
    expect(await approve(large.id, first!)).toMatchObject({ state: 'settled', approvals: { needed: 2, given: 2 } });
    await expect(approve(large.id, system.approve(large.intent, 3)[2]!)).rejects.toMatchObject({
      code: 'approval-invalid',
    });
  });

  it('is queued by two approvals that come at once', async () => {
    for (let round = 0; round < 3; round++) {
      const { id, intent } = await ask('1.1');
      await Promise.all(system.approve(intent).map((assertion) => approve(id, assertion)));
      const { state, approvals } = await system.client.getWithdrawal({ id });
      expect({ waits: state === 'awaiting_approval', approvals }).toEqual({
        waits: false,
        approvals: { needed: 2, given: 2 },
      });
    }
  });

  it('is queued at once with approvals in the request, and waits with too few or without the offline one', async () => {
    const whole = await ask('1.2', system.approve);
    expect(whole.state).toBe('queued');
    const one = await ask('1.2', (intent) => system.approve(intent, 1));
    expect(one.state).toBe('awaiting_approval');
    const large = await ask('3.5', system.approve);
    expect(large.state).toBe('awaiting_approval');
    expect(await approve(large.id, system.approve(large.intent, 3)[2]!)).toMatchObject({ state: 'queued' });
    await expect(ask('1.2', (intent) => [0, 0].map((at) => system.approve(intent)[at]!))).rejects.toMatchObject({
      code: 'approval-invalid',
    });
    await paid(whole, '1.2');
    await paid(large, '3.5');
    await system.followed();
    await system.mustBalance();
  });

  it('takes no approval of another digest, page or person', async () => {
    const { id, intent } = await ask('1.3');
    const digest = intentDigest(intent);
    const approver = system.parties.approvers[0]!.passkey;
    const others = {
      'another digest': system.approve({ ...intent, amount: units('ETH', '1.4').toString() })[0]!,
      'the page of the customers': approver.sign(digest, { origin: customersOrigin }),
      'another relying party': approver.sign(digest, { origin: approvalsOrigin, rpId: 'exchange.localhost' }),
      'no user verified': approver.sign(digest, { origin: approvalsOrigin, userVerified: false }),
      'a customer': system.passkeyOf(customer.id).sign(digest, { origin: approvalsOrigin }),
      'an operator': system.parties.operators[0]!.passkey.sign(digest, { origin: approvalsOrigin }),
    };
    for (const [what, assertion] of Object.entries(others)) {
      await expect(approve(id, assertion), what).rejects.toMatchObject({ code: 'approval-invalid' });
      await expect(
        ask('1.3', () => [assertion]),
        what,
      ).rejects.toMatchObject({ code: 'approval-invalid' });
    }
    expect(await system.client.getWithdrawal({ id })).toMatchObject({
      state: 'awaiting_approval',
      approvals: { needed: 2, given: 0 },
    });
    await expect(
      approve(`wd_${'0'.repeat(8)}-0000-7000-8000-${'0'.repeat(12)}`, others['a customer']),
    ).rejects.toMatchObject({ code: 'not-found' });
  });

  it('is released with its hold when it expires unapproved', async () => {
    const before = (await system.balance(customer, 'ETH')).held;
    const { id, intent, to } = await ask('2');
    await approve(id, system.approve(intent)[0]!);
    await books.db.query('update withdrawal set expires_at_ms = $2 where id = $1', [parseId('wd', id), Date.now()]);
    expect(await awaitWithdrawal(system, id, 'released', 10_000)).toMatchObject({
      state: 'released',
      reason: 'intent-expired',
    });
    expect((await system.balance(customer, 'ETH')).held).toBe(before);
    await expect(approve(id, system.approve(intent)[1]!)).rejects.toMatchObject({ code: 'approval-invalid' });
    expect(await received(system, 'ETH', to)).toBe(0n);
  });

  it('is refused by the signers when its row says that it is queued, and paid once it is approved', async () => {
    const mark = journalMark(system);
    const forged = await ask('1.7');
    await books.db.query(`update withdrawal set state = 'queued', not_before_ms = 0 where id = $1`, [
      parseId('wd', forged.id),
    ]);
    expect(await awaitRefusal(system, 'approval-missing', mark)).toEqual(new Set(['approval-missing']));
    // Nor do they take an approval of theirs for another payment, asked without the server.
    const { signers, close } = callSigners(system);
    const approvals = system.approve({ ...forged.intent, nonce: 'another-nonce' });
    for (const signer of signers) {
      await expect(
        signer.call('/v1/sign/evm', {
          network: forged.intent.network,
          safe_transaction: { to: forged.to, value: forged.intent.amount, data: '0x', operation: 0, nonce: '0' },
          intents: [{ ...system.authorize(forged.intent), approvals }],
        }),
      ).rejects.toMatchObject({ code: 'approval-invalid' });
    }
    close();
    // While it is on offer to the signers it takes no approvals; it comes back from there.
    for (const assertion of system.approve(forged.intent))
      await awaitCondition('approval', () => approve(forged.id, assertion), 10_000, 20);
    await paid(forged, '1.7');
  });
});
