import { randomBytes } from 'node:crypto';
import { parseEvmAddress } from '@holdfast/core/chains/evm/address.ts';
import type { EvmNetworkPolicy, Policy } from '@holdfast/core/policy/policy.ts';
import type { DestinationRecord } from '@holdfast/core/signing/customer-record.ts';
import type { Assertion } from '@holdfast/core/signing/evidence.ts';
import { intentDigest } from '@holdfast/core/signing/intent.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import type { AssertionOptions } from '@holdfast/devnet/authenticator.ts';
import { approvalsOrigin, customersOrigin, relyingParties } from '@holdfast/devnet/policy-parties.ts';
import { addDestination, requestWithdrawal, withdrawalIntent } from '@holdfast/devnet/story/actors.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { units } from '../support/payouts.ts';
import type { Adversary, Attack } from './attack.ts';
import {
  demand,
  dropRow,
  mustNotPay,
  mustRefuse,
  mustSettle,
  newNonce,
  payDirectly,
  until,
} from './attack-tools-host.ts';
import type { DrillStage } from './drill-stage.ts';

/**
 * The page serves what it likes: people sign with their real passkeys what they were not shown, and the exchange's back end
 * hands it in. What the page cannot do is make an authenticator lie about origin and relying party, or change what an
 * offline approver's own program computes. Everything is tried with the signers directly too, as if the server let it pass.
 */

/** Long enough that a warned customer can remove an entry, whatever else the machine does. */
const delayS = 6;

function policy(version1: Policy): void {
  version1.destinations.delay_s = delayS;
  const evm = version1.networks.find((network): network is EvmNetworkPolicy => network.family === 'evm')!;
  for (const asset of evm.assets) {
    if (asset.code !== 'ETH') continue;
    asset.approval_tiers = [
      { above: units('ETH', '2').toString(), approvals: 2, offline: 0 },
      { above: units('ETH', '5').toString(), approvals: 3, offline: 1 },
    ];
  }
}

const newReference = (): string => `wd-${randomBytes(8).toString('hex')}`;

/** Bybit: what the approvers see is not what they sign. */
const anotherDigest: Attack = {
  name: 'approvers sign the digest of another withdrawal than the page shows',
  async run(stage) {
    const { system, victim } = stage;
    const mark = stage.mark();
    const thief = parseEvmAddress(await stage.thief('ETH'));
    // The most that the page can have: the customer, fooled too, added the address long ago and overlooked every warning.
    await addDestination(system, victim, 'ETH', thief);
    const shown = withdrawalIntent(system, victim, 'ETH', '6', victim.destinations.ETH);
    const real = system.authorizeWithPasskey(withdrawalIntent(system, victim, 'ETH', '6', thief));
    const [first, second] = system.approve(real.intent, 2);
    const { id, state } = await system.client.createWithdrawal({
      client_reference: newReference(),
      ...real,
      approvals: [first!, second!],
    });
    demand(state === 'awaiting_approval', 'two fooled approvers are not enough: one must use the offline client');
    await mustNotPay(stage, [{ ...real, approvals: [first!, second!] }], 'approval-missing');
    // The offline client recomputes the digest of what it shows: its owner approves that, or nothing.
    const offline = system.approve(shown, 3)[2]!;
    const evidence = [
      await mustRefuse('server', 'approval-invalid', () => system.client.approveWithdrawal({ id, assertion: offline })),
    ];
    await mustNotPay(stage, [{ ...real, approvals: [first!, second!, offline] }], 'approval-invalid');
    // Nor does anybody count twice.
    await system.client.approveWithdrawal({ id, assertion: system.approve(real.intent, 1)[0]! });
    demand((await system.client.getWithdrawal({ id })).state === 'awaiting_approval', 'an approver counts once');
    await mustNotPay(stage, [{ ...real, approvals: [first!, second!, first!] }], 'approval-invalid');
    // What all three approve as shown is paid.
    const honest = system.authorizeWithPasskey(shown);
    const paid = await system.client.createWithdrawal({
      client_reference: newReference(),
      ...honest,
      approvals: system.approve(shown, 3),
    });
    await mustSettle(stage, paid.id);
    await dropRow(stage, id);
    await removeEntry(stage, thief);
    const left = { ETH: await stage.stolen('ETH', thief) };
    return { left, haltedAfterMs: null, evidence: [...evidence, ...stage.evidenceSince(mark)] };
  },
};

const swappedDestination: Attack = {
  name: 'customer’s page swaps the destination; the customer signs it',
  async run(stage) {
    const { system, victim } = stage;
    const mark = stage.mark();
    const left: Record<string, bigint> = {};
    for (const [asset, coins] of [
      ['ETH', '1'],
      ['USDC', '1000'],
      ['BTC', '0.5'],
    ] as const) {
      const thief = await stage.thief(asset);
      const from = stage.mark();
      const { id } = await requestWithdrawal(system, victim, asset, coins, thief, system.authorizeWithPasskey);
      await awaitRefusal(stage, from, 'destination-not-approved');
      await dropRow(stage, id);
      left[asset] = await stage.stolen(asset, thief);
    }
    // An address-book entry of one customer is nobody else's.
    const theirs = withdrawalIntent(system, victim, 'ETH', '1', stage.accomplice.destinations.ETH);
    await mustNotPay(stage, [system.authorizeWithPasskey(theirs)], 'destination-not-approved');
    return { left, haltedAfterMs: null, evidence: stage.evidenceSince(mark) };
  },
};

const addedDestination: Attack = {
  name: 'page has the customer add the thief’s address as well; the customer is warned',
  async run(stage) {
    const { system, victim } = stage;
    const mark = stage.mark();
    const thief = parseEvmAddress(await stage.thief('ETH'));
    const seen = await lastEvent(stage);
    const [network] = victim.addresses.keys();
    const startedMs = Date.now();
    const { id: record } = await system.client.createCustomerRecord(system.destination(victim.id, network!, thief));
    await awaitCondition('entry at every signer', async () =>
      (await system.client.getCustomerRecord({ id: record })).signers.every(({ state }) => state === 'accepted'),
    );
    const asked = await requestWithdrawal(system, victim, 'ETH', '1', thief, system.authorizeWithPasskey);
    await awaitRefusal(stage, mark, 'destination-immature');
    await dropRow(stage, asked.id);
    // Out of band: the exchange's mail to the customer is made from the events, which the page does not write.
    const warned = await warningsSince(stage, seen);
    demand(warned.includes(thief), 'the customer is warned of the new entry');
    await removeEntry(stage, thief);
    demand(Date.now() < startedMs + delayS * 1_000, 'the customer had the time to object');
    await until(startedMs + delayS * 1_000 + 1_000);
    const again = await requestWithdrawal(system, victim, 'ETH', '1', thief, system.authorizeWithPasskey);
    await awaitRefusal(stage, mark, 'destination-not-approved');
    await dropRow(stage, again.id);
    const left = { ETH: await stage.stolen('ETH', thief) };
    return { left, haltedAfterMs: null, evidence: stage.evidenceSince(mark) };
  },
};

const lookAlike: Attack = {
  name: 'assertions of a look-alike origin, another relying party, nobody present, nobody verified, a frame',
  async run(stage) {
    const { system, victim } = stage;
    const mark = stage.mark();
    const thief = parseEvmAddress(await stage.thief('USDC'));
    await addDestination(system, victim, 'USDC', thief);
    const passkey = system.passkeyOf(victim.id);
    const intent = withdrawalIntent(system, victim, 'USDC', '100', thief);
    const origin = customersOrigin;
    const forged: AssertionOptions[] = [
      { origin: 'https://exchange.localhost.evil.example' },
      { origin: 'http://exchange.localhost' },
      { origin: 'https://exchange.localhost:8443' },
      { origin: approvalsOrigin },
      { origin, rpId: relyingParties.approvals.rp_id },
      { origin, rpId: 'evil.example' },
      { origin, userVerified: false },
      { origin, userPresent: false },
      { origin, crossOrigin: true },
      { origin, type: 'webauthn.create' },
    ];
    const evidence: string[] = [];
    for (const options of forged) {
      const authorization = passkey.sign(intentDigest(intent), options);
      const body = { client_reference: newReference(), intent, authorization };
      evidence.push(await mustRefuse('server', 'authorization-invalid', () => system.client.createWithdrawal(body)));
      await mustNotPay(stage, [{ intent, authorization, approvals: [] }], 'authorization-invalid');
    }
    await removeEntry(stage, thief);
    // The same passkey at the real origin, to an address of the customer's own.
    const honest = withdrawalIntent(system, victim, 'USDC', '100', victim.destinations.USDC);
    demand((await payDirectly(stage, [system.authorizeWithPasskey(honest)])).paid, 'a real assertion pays');
    const left = { USDC: await stage.stolen('USDC', thief) };
    return { left, haltedAfterMs: null, evidence: [...evidence, ...stage.evidenceSince(mark)] };
  },
};

const replayedApproval: Attack = {
  name: 'approvals replayed for another digest, or made where approvers sign in',
  async run(stage) {
    const { system, victim } = stage;
    const mark = stage.mark();
    const thief = parseEvmAddress(await stage.thief('ETH'));
    await addDestination(system, victim, 'ETH', thief);
    const shown = withdrawalIntent(system, victim, 'ETH', '3', victim.destinations.ETH);
    const genuine = system.approve(shown, 2);
    const real = system.authorizeWithPasskey({ ...shown, destination: thief });
    const digest = intentDigest(real.intent);
    const approvers = system.parties.approvers.slice(0, 2).map(({ passkey }) => passkey);
    const signed = (options: AssertionOptions, over = digest): Assertion[] =>
      approvers.map((passkey) => passkey.sign(over, options));
    const origin = approvalsOrigin;
    const forged: [what: string, approvals: Assertion[]][] = [
      ['for another digest', genuine],
      ['at the customers’ page', signed({ origin: customersOrigin, rpId: relyingParties.customers.rp_id })],
      ['at a look-alike', signed({ origin: 'https://approvals.localhost.evil.example' })],
      ['without verification', signed({ origin, userVerified: false })],
      ['over the digest as another statement', signed({ origin }, statementDigest('resume', real.intent))],
      ['by one approver and the customer', [signed({ origin })[0]!, real.authorization as Assertion]],
    ];
    const evidence: string[] = [];
    for (const [what, approvals] of forged) {
      const body = { client_reference: newReference(), ...real, approvals };
      evidence.push(
        await mustRefuse(`server: ${what}:`, 'approval-invalid', () => system.client.createWithdrawal(body)),
      );
      await mustNotPay(stage, [{ ...real, approvals }], 'approval-invalid');
    }
    await removeEntry(stage, thief);
    const honest = { ...system.authorizeWithPasskey(shown), approvals: genuine };
    demand((await payDirectly(stage, [honest])).paid, 'the same approvals pay what they were made for');
    const left = { ETH: await stage.stolen('ETH', thief) };
    return { left, haltedAfterMs: null, evidence: [...evidence, ...stage.evidenceSince(mark)] };
  },
};

/** Row 4 of the threat model: Bybit, WazirX, Radiant. */
export const operatorsPage: Adversary = {
  number: 4,
  has: 'the web page of operators and customers, which serves what it likes',
  policy,
  attacks: [anotherDigest, swappedDestination, addedDestination, lookAlike, replayedApproval],
};

async function awaitRefusal(stage: DrillStage, mark: ReadonlyMap<string, number>, code: string): Promise<void> {
  await awaitCondition(
    `signers refuse with ${code}`,
    async () => stage.evidenceSince(mark).includes(`refused ${code}`),
    15_000,
    20,
  );
}

/** The warned customer takes an entry out of their address book; it counts at once. */
async function removeEntry({ system, victim }: DrillStage, address: string): Promise<void> {
  const [network] = victim.addresses.keys();
  const record: DestinationRecord = {
    version: 1,
    kind: 'destination',
    action: 'remove',
    customer: victim.id,
    network: network!,
    address,
    nonce: newNonce(),
  };
  const authorization = system
    .passkeyOf(victim.id)
    .sign(statementDigest('customer-record', record), { origin: customersOrigin });
  const { id } = await system.client.createCustomerRecord({ record, authorization });
  await awaitCondition(
    'entry removed at every signer',
    async () => (await system.client.getCustomerRecord({ id })).signers.every(({ state }) => state === 'accepted'),
    15_000,
    20,
  );
}

async function lastEvent({ system }: DrillStage): Promise<string> {
  let last = '0';
  for await (const { seq } of system.client.each('listEvents', { limit: 200 })) last = String(seq);
  return last;
}

/** Addresses that were added since, as the customer's mail names them. */
async function warningsSince({ system, victim }: DrillStage, after: string): Promise<string[]> {
  return awaitCondition('a warning', async () => {
    const { data } = await system.client.listEvents({ after, limit: 200 });
    const added = data.filter(({ type }) => type === 'destination.added');
    const records = await Promise.all(added.map((event) => system.client.getCustomerRecord({ id: event.resource_id })));
    const addresses = records
      .filter(({ customer }) => customer === victim.id)
      .map(({ record }) => (record as DestinationRecord).address);
    return addresses.length > 0 && addresses;
  });
}
