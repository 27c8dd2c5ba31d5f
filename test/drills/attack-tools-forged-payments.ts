import { randomBytes } from 'node:crypto';
import { parseEvmAddress } from '@holdfast/core/chains/evm/address.ts';
import { parseId } from '@holdfast/core/contract/ids.ts';
import type { Assertion } from '@holdfast/core/signing/evidence.ts';
import { intentDigest, intentDigestHex, type WithdrawalIntent } from '@holdfast/core/signing/intent.ts';
import { createCredential } from '@holdfast/devnet/authenticator.ts';
import { approvalsOrigin, relyingParties } from '@holdfast/devnet/policy-parties.ts';
import { payDeposit, requestWithdrawal, withdrawalIntent } from '@holdfast/devnet/story/actors.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { uuidV7 } from '@holdfast/server/new-id.ts';
import { received, units } from '../support/payouts.ts';
import type { Attack, Outcome } from './attack.ts';
import { addByStolenKey, demand, dropRow, mustNotPay, mustSettle, offerRow, payDirectly } from './attack-tools-host.ts';
import { accompliceBrings, type DrillStage } from './drill-stage.ts';

/** Payments that root on the API host and the database forges. */

/** Above the first tier of this drill's policy, which is 5 ETH. */
const aboveTier = '6';
/** Of payments without the customer's passkey, in any 60 minutes. */
export const stolenKeyHourMax = '500';

const newReference = (): string => `wd-${randomBytes(8).toString('hex')}`;

export const forgedApprovals: Attack = {
  name: 'approval rows forged, replayed and left out; the row set to queued',
  async run(stage) {
    const { system, victim } = stage;
    const mark = stage.mark();
    // Two approvers let an honest payment through: what is refused below is refused for its approvals.
    const honest = system.authorizeWithPasskey(
      withdrawalIntent(system, victim, 'ETH', aboveTier, victim.destinations.ETH),
    );
    const genuine = system.approve(honest.intent);
    const { id: honestId } = await system.client.createWithdrawal({
      client_reference: newReference(),
      ...honest,
      approvals: genuine,
    });
    await mustSettle(stage, honestId);

    const thief = await stage.thief('ETH');
    await addByStolenKey(stage, [[victim.id, parseEvmAddress(thief)]]);
    const stolen = withdrawalIntent(system, victim, 'ETH', aboveTier, parseEvmAddress(thief));
    const { id, state } = await system.client.createWithdrawal({
      client_reference: newReference(),
      ...system.authorize(stolen),
    });
    demand(state === 'awaiting_approval', `${aboveTier} ETH wait for approvals`);
    const sets: [code: string, approvals: Assertion[], throughServer?: string][] = [
      ['approval-missing', []],
      // The server itself leaves out who is no approver.
      ['approval-invalid', selfMade(stolen), 'approval-missing'],
      ['approval-invalid', underApproversNames(stage, stolen)],
      ['approval-invalid', genuine],
    ];
    for (const [code, approvals, throughServer] of sets) {
      await offerRow(stage, id, throughServer ?? code, () => writeApprovals(stage, id, approvals));
      await mustNotPay(stage, [{ ...system.authorize(stolen), approvals }], code);
    }
    await dropRow(stage, id);
    return refusedOnly(stage, thief, mark);
  },
};

export const swappedDestination: Attack = {
  name: 'destination swapped after approval: column, intent, digest, evidence',
  async run(stage) {
    const { system, victim, books } = stage;
    const mark = stage.mark();
    const thief = parseEvmAddress(await stage.thief('ETH'));
    // Only the evidence is left to stop it.
    await addByStolenKey(stage, [[victim.id, thief]]);
    const honest = system.authorizeWithPasskey(
      withdrawalIntent(system, victim, 'ETH', aboveTier, victim.destinations.ETH),
    );
    const { intent } = honest;
    const { id } = await system.client.createWithdrawal({ client_reference: newReference(), ...honest });
    await writeApprovals(stage, id, system.approve(intent));
    const swapped: WithdrawalIntent = { ...intent, destination: thief };
    const write = (row: WithdrawalIntent, digest: string, authorization: object) =>
      books.db.query(
        `update withdrawal set destination = $2, intent = $3::jsonb, digest = $4, "authorization" = $5::jsonb where id = $1`,
        [parseId('wd', id), row.destination, JSON.stringify(row), digest, JSON.stringify(authorization)],
      );
    const [digest, other] = [intentDigestHex(intent), intentDigestHex(swapped)];
    await offerRow(stage, id, 'payment-mismatch', () =>
      books.db.query('update withdrawal set destination = $2 where id = $1', [parseId('wd', id), thief]),
    );
    await offerRow(stage, id, 'authorization-invalid', () => write(swapped, digest, honest.authorization));
    await offerRow(stage, id, 'authorization-invalid', () => write(swapped, other, honest.authorization));
    await offerRow(stage, id, 'approval-invalid', () => write(swapped, other, system.authorize(swapped).authorization));
    // As it was, the very same row is paid, where its customer wanted it.
    await write({ ...intent }, digest, honest.authorization);
    const before = await received(system, 'ETH', victim.destinations.ETH);
    await books.db.query(`update withdrawal set state = 'queued', not_before_ms = 0 where id = $1`, [
      parseId('wd', id),
    ]);
    await mustSettle(stage, id);
    const paid = (await received(system, 'ETH', victim.destinations.ETH)) - before;
    demand(paid === units('ETH', aboveTier), 'the honest payment arrives whole');
    return refusedOnly(stage, thief, mark);
  },
};

export const replayedIntent: Attack = {
  name: 'paid intent replayed under a new id, reference and digest',
  async run(stage) {
    const { system, accomplice, books } = stage;
    const destination = accomplice.destinations.ETH;
    const paid = await requestWithdrawal(system, accomplice, 'ETH', '0.2', destination, system.authorizeWithPasskey);
    await mustSettle(stage, paid.id);
    const before = await stage.stolen('ETH', destination);
    demand(before === units('ETH', '0.2'), 'paid once');
    const mark = stage.mark();
    const copy = uuidV7(Date.now());
    await books.db.query(
      `insert into withdrawal (id, customer_id, client_reference, network, asset, amount, fee, destination, memo, intent, digest,
                               "authorization", approvals_needed, expires_at_ms, state, not_before_ms, created_at_ms, updated_at_ms)
       select $2, customer_id, $3, network, asset, amount, fee, destination, memo, intent, $4, "authorization", approvals_needed,
              expires_at_ms, 'awaiting_approval', 0, created_at_ms, updated_at_ms from withdrawal where id = $1`,
      [parseId('wd', paid.id), copy, newReference(), randomBytes(32).toString('hex')],
    );
    await offerRow(stage, `wd_${copy}`, 'already-paid-by', async () => undefined);
    const [row] = await books.db.query<{ intent: WithdrawalIntent; authorization: Assertion }>(
      'select intent, "authorization" from withdrawal where id = $1',
      [copy],
    );
    const replayed = { ...row!, approvals: [] };
    await mustNotPay(stage, [replayed], 'already-paid-by');
    const renamed = { ...replayed, intent: { ...replayed.intent, nonce: randomBytes(12).toString('hex') } };
    await mustNotPay(stage, [renamed], 'authorization-invalid');
    const left = { ETH: (await stage.stolen('ETH', destination)) - before };
    return { left, haltedAfterMs: null, evidence: stage.evidenceSince(mark) };
  },
};

export const smallWithdrawals: Attack = {
  name: '300 small withdrawals of customers without passkeys, by the stolen integrator key',
  bound: { USDC: units('USDC', stolenKeyHourMax) },
  async run(stage) {
    const { system } = stage;
    const customers = await Promise.all([1, 2, 3].map((n) => system.newCustomer(`plain-${n}`)));
    for (const customer of customers) await payDeposit(system, customer, 'USDC', '600');
    const mark = stage.mark();
    await system.mineUntil('deposits proven', async () => {
      const proven = await stage.books.db.query(
        `select from signer_delivery d join customer_record r on r.id = d.record_id
          where r.kind = 'deposit' and d.state = 'accepted' and r.customer_id = any ($1)`,
        [customers.map(({ id }) => parseId('cus', id))],
      );
      return proven.length === customers.length * 3;
    });
    const thief = parseEvmAddress(await stage.thief('USDC'));
    const invented = `cus_${uuidV7(Date.now())}`;
    await addByStolenKey(stage, [...customers.map(({ id }) => [id, thief] as [string, string]), [invented, thief]]);
    const small = (id: string) =>
      system.authorize(withdrawalIntent(system, { name: 'x', id, addresses: new Map() }, 'USDC', '5', thief));
    await mustNotPay(stage, [small(invented)], 'position-exceeded');
    // 300 times 5 USDC, of 1,800 that the three are proven to have; in batches, and what is refused again one by one.
    const batches = Array.from({ length: 6 }, (_, n) =>
      Array.from({ length: 50 }, () => small(customers[n % customers.length]!.id)),
    );
    let passed = 0;
    const refusals = new Set<string>();
    for (const batch of batches) {
      const { paid, codes } = await payDirectly(stage, batch);
      if (paid) passed += 1;
      for (const code of codes) refusals.add(code);
    }
    for (const { id } of customers) await mustNotPay(stage, [small(id)], 'limit-exceeded');
    demand(passed === 2, `${passed} batches of 250 USDC were paid; the limit of an hour lets two pass`);
    demand([...refusals].join() === 'limit-exceeded', `refused with ${[...refusals].join(', ')}`);
    return refusedOnly(stage, thief, mark, 'USDC');
  },
};

export const mintedBalance: Attack = {
  name: 'minted ledger balance of an accomplice with a real passkey',
  bound: { USDT: units('USDT', accompliceBrings.USDT) },
  async run(stage) {
    const { system, accomplice, books } = stage;
    const mark = stage.mark();
    const account = `customer:${accomplice.id}:USDT`;
    await books.db.query('update account set balance = balance + $2 where code = $1', [
      account,
      units('USDT', '45000'),
    ]);
    const ask = (coins: string) =>
      requestWithdrawal(system, accomplice, 'USDT', coins, accomplice.destinations.USDT, system.authorizeWithPasskey);
    const refused = async (coins: string): Promise<void> => {
      const from = stage.mark();
      const { id } = await ask(coins);
      await awaitCondition(
        `${coins} USDT refused`,
        async () => stage.evidenceSince(from).includes('refused position-exceeded'),
        15_000,
        30,
      );
      await dropRow(stage, id);
    };
    await refused('20000');
    // What the signers have proven leaves, to the last unit; and not a unit more.
    await mustSettle(stage, (await ask(accompliceBrings.USDT)).id);
    await refused('5');
    return refusedOnly(stage, accomplice.destinations.USDT, mark, 'USDT');
  },
};

async function refusedOnly(
  stage: DrillStage,
  thief: string,
  mark: ReadonlyMap<string, number>,
  asset: 'ETH' | 'USDT' | 'USDC' = 'ETH',
): Promise<Outcome> {
  const left = { [asset]: await stage.stolen(asset, thief) };
  return { left, haltedAfterMs: null, evidence: stage.evidenceSince(mark) };
}

async function writeApprovals(stage: DrillStage, id: string, approvals: readonly Assertion[]): Promise<void> {
  const row = parseId('wd', id);
  await stage.books.db.transaction(async (sql) => {
    await sql.query('delete from withdrawal_approval where withdrawal_id = $1', [row]);
    for (const one of approvals) {
      await sql.query(
        'insert into withdrawal_approval (withdrawal_id, credential_id, assertion, created_at_ms) values ($1, $2, $3::jsonb, 0)',
        [row, one.credential_id, JSON.stringify(one)],
      );
    }
  });
}

const forge = (intent: WithdrawalIntent): Assertion =>
  createCredential(relyingParties.approvals.rp_id).sign(intentDigest(intent), { origin: approvalsOrigin });

const selfMade = (intent: WithdrawalIntent): Assertion[] => [forge(intent), forge(intent)];

function underApproversNames(stage: DrillStage, intent: WithdrawalIntent): Assertion[] {
  const names = stage.system.parties.approvers.slice(0, 2).map(({ passkey }) => passkey.credentialId);
  return names.map((credential_id) => ({ ...forge(intent), credential_id }));
}
