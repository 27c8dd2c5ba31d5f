import { setTimeout as sleep } from 'node:timers/promises';
import type { HaltResource } from '@holdfast/core/contract/resources.ts';
import { assetRules } from '../asset-rules.ts';
import type { Devnet } from '../devnet.ts';
import { awaitWithdrawal, type Customer, requestWithdrawal, withdrawalIntent } from './actors.ts';
import { awaitCondition } from './await-condition.ts';

/** Whole ETH of a deposit from which `payWithApprovals` can pay. */
export const largeDeposit = `${Number(assetRules.ETH.approvalsAbove[0]) + 1}`;

/** A payment above the first tier waits for two approvers, who sign the same digest as the customer. */
export async function payWithApprovals(devnet: Devnet, customer: Customer, destination: string) {
  const coins = `${assetRules.ETH.approvalsAbove[0]}.5`;
  const intent = withdrawalIntent(devnet, customer, 'ETH', coins, destination);
  const { id } = await requestWithdrawal(devnet, customer, 'ETH', coins, destination, () =>
    devnet.authorizeWithPasskey(intent),
  );
  const seen: string[] = [];
  for (const assertion of devnet.approve(intent)) {
    await sleep(500);
    const { state, approvals } = await devnet.client.getWithdrawal({ id });
    if (state !== 'awaiting_approval') throw new Error(`with ${approvals.given} approvals the withdrawal is ${state}`);
    seen.push(`${approvals.given} of ${approvals.needed}`);
    await devnet.client.approveWithdrawal({ id, assertion });
  }
  const { approvals } = await awaitWithdrawal(devnet, id, 'settled');
  return {
    detail: `${coins} ETH waited with ${seen.join(' and ')} approvals, settled with ${approvals.given}`,
    value: undefined,
  };
}

/** One token halts every signer; only approvers start them again. */
export async function haltAndResume(devnet: Devnet, customer: Customer, destination: string) {
  await devnet.client.halt(devnet.haltToken({ network: null, asset: null }, 'the story: something looks wrong'));
  const halts = await awaitCondition('halt at every signer', () => haltsOfAll(devnet));
  const waiting = await requestWithdrawal(devnet, customer, 'ETH', '0.05', destination, devnet.authorizeWithPasskey);
  await sleep(2_000);
  const { state } = await devnet.client.getWithdrawal({ id: waiting.id });
  if (state !== 'queued' && state !== 'signing') throw new Error(`while halted the withdrawal is ${state}`);
  await devnet.client.resume(
    devnet.resumption(
      halts.map((halt) => halt.digest),
      'the story: looked at, nothing was wrong',
    ),
  );
  await awaitWithdrawal(devnet, waiting.id, 'settled');
  return {
    detail: `a token halted 3 signers, "${state}" meanwhile, settled after two approvers resumed`,
    value: undefined,
  };
}

async function haltsOfAll(devnet: Devnet): Promise<HaltResource[] | null> {
  const { data } = await devnet.client.listHalts();
  return data.length > 0 && data.every((halt) => halt.signers.length === 3) ? data : null;
}
