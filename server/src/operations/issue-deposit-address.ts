import { setTimeout as sleep } from 'node:timers/promises';
import { formatId, parseId } from '@holdfast/core/contract/ids.ts';
import type { DepositAddressResource } from '@holdfast/core/contract/resources.ts';
import type { CreateDepositAddressBody } from '@holdfast/core/contract/bodies.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { firstEpoch } from '@holdfast/core/signing/key-messages.ts';
import type { Context } from '../context.ts';
import type { Network } from '../networks/network.ts';
import type { SignerPanel } from '../signers/panel.ts';
import { raiseAlarm } from '../store/alarms.ts';
import { lockCustomer } from '../store/lock-customer.ts';
import {
  activateAddress,
  addStatement,
  type DepositAddressRow,
  currentAddress,
  insertAddress,
  nextDerivationIndex,
} from '../store/deposit-addresses.ts';
import { getCustomer } from '../store/customers.ts';
import { insertEvents } from '../store/events.ts';
import { getDepositAddress } from '../store/deposit-address-resources.ts';

/** So long a repeated request waits for the signers that have not vouched for its address yet. */
const statementsWaitMs = 2_000;

/** As the signers take it: the first epoch is left out. */
export function ofEpoch(epoch: number): { epoch?: number } {
  return epoch > firstEpoch ? { epoch } : {};
}

/**
 * The customer's address on a network. A new one is derived here and by the signers, each from its own configuration, and
 * is returned only when all agree and a quorum of signers vouches for it; until then its row is `pending`, watched and told
 * to nobody.
 */
export async function issueDepositAddress(
  ctx: Context,
  networks: ReadonlyMap<string, Network>,
  panel: SignerPanel,
  body: CreateDepositAddressBody,
): Promise<DepositAddressResource> {
  const network = networks.get(body.network);
  if (!network) throw new Failure('unknown-network', `no network ${body.network}`, { pointer: '/network' });
  const customerUuid = parseId('cus', body.customer, '/customer');
  const nowMs = ctx.now();
  // The wallet key may have to be fetched from the signers; not inside the transaction.
  const { epoch: newest } = await network.depositAddress(body.customer, 0);
  ctx.step('address-before-insert');
  const row = await ctx.db.transaction(async (sql) => {
    if (!(await lockCustomer(sql, customerUuid)))
      throw new Failure('not-found', `no customer ${body.customer}`, { pointer: '/customer' });
    const existing = await currentAddress(sql, customerUuid, network.id, newest);
    if (existing) return existing;
    const index = await nextDerivationIndex(sql, network.id);
    // Under the lock: from here to the commit no newer keys are taken over.
    const { address, epoch } = await network.depositAddress(body.customer, index);
    await insertAddress(sql, {
      id: ctx.newId(),
      customer_id: customerUuid,
      network: network.id,
      index,
      address,
      watch_key: network.watchKey(address),
      state: 'pending',
      epoch,
      nowMs,
    });
    return (await currentAddress(sql, customerUuid, network.id, epoch))!;
  });
  if (row.state === 'pending') {
    const index = Number(row.derivation_index);
    const { client_reference: customerReference } = await getCustomer(ctx.db, body.customer);
    const named = { customer: body.customer, customer_reference: customerReference };
    const theirs = await panel.attestAddress({ network: network.id, ...named, index, ...ofEpoch(row.epoch) });
    if (theirs.address !== row.address) {
      throw new Failure(
        'derivation-mismatch',
        `server derives ${row.address}, the signers ${theirs.address}, for ${body.customer} index ${index} on ${network.id}`,
      );
    }
    ctx.step('address-before-activate');
    await ctx.db.transaction(async (sql) => {
      await activateAddress(sql, row.id, theirs.epoch, theirs.statements);
      await insertEvents(
        sql,
        [{ id: ctx.newId(), type: 'deposit_address.issued', resource: 'deposit_address', resourceId: row.id }],
        ctx.now(),
      );
    });
  }
  if (row.state === 'active' && row.statements.length < ctx.config.signers.length)
    await completeStatements(ctx, panel, row);
  const issued = await getDepositAddress(ctx.db, formatId('addr', row.id));
  // Newer keys came while the signers were asked: nobody is told an address of the old ones.
  return issued.state === 'superseded' ? issueDepositAddress(ctx, networks, panel, body) : issued;
}

/**
 * Asks again for the statements of signers that were away, or not asked at all, when the address was issued. Those that take
 * long are not waited for: their statements are kept when they come.
 * @throws Failure derivation-mismatch when a signer derives another address and no quorum vouches for this one.
 */
async function completeStatements(ctx: Context, panel: SignerPanel, row: DepositAddressRow): Promise<void> {
  const known = new Set(row.statements.map(({ signer }) => signer));
  const missing = ctx.config.signers.filter(({ id }) => !known.has(id));
  let vouching = ctx.config.signers.length - missing.length;
  const differing: Failure[] = [];
  const asked = missing.map(async ({ id }) => {
    const problem = await completeBy(ctx, panel, row, id);
    if (problem === null) vouching += 1;
    else if (problem.code === 'derivation-mismatch') differing.push(problem);
  });
  await Promise.race([Promise.all(asked), sleep(statementsWaitMs, undefined, { ref: false })]);
  const [mismatch] = differing;
  if (mismatch && vouching < ctx.config.quorum) throw mismatch;
}

/** Keeps one signer's statement. @returns what kept it from vouching, null when it did. */
async function completeBy(
  ctx: Context,
  panel: SignerPanel,
  row: DepositAddressRow,
  signer: string,
): Promise<Failure | null> {
  const index = Number(row.derivation_index);
  const customer = formatId('cus', row.customer_id);
  try {
    const attested = await panel.attestAddressBy(signer, {
      network: row.network,
      customer,
      index,
      ...ofEpoch(row.epoch),
    });
    const { address, statements } = attested;
    if (address !== row.address) {
      const problem = `${signer} derives ${address}, not ${row.address}, for ${customer} index ${index} on ${row.network}`;
      throw new Failure('derivation-mismatch', problem);
    }
    for (const statement of statements) await addStatement(ctx.db, row.network, index, attested, statement);
    return null;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    ctx.log('statement-missing', { signer, address: row.address, code: error.code, problem: error.message });
    if (error.code === 'derivation-mismatch') {
      const subject = `${row.network} addresses of ${signer}`;
      await raiseAlarm(ctx.db, { id: ctx.newId(), code: error.code, subject, message: error.message }, ctx.now());
    }
    return error;
  }
}
