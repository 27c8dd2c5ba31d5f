import { formatId, parseId } from '@holdfast/core/contract/ids.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { firstEpoch } from '@holdfast/core/signing/key-messages.ts';
import type { CustomerRecord } from '@holdfast/core/signing/customer-record.ts';
import type { Context } from '../context.ts';
import type { Network } from '../networks/network.ts';
import { ofEpoch } from '../operations/issue-deposit-address.ts';
import type { SignerPanel } from '../signers/panel.ts';
import { activateAddress, insertAddress, lockAddresses } from '../store/deposit-addresses.ts';
import { freeAddressPlace, pendingAddresses, restoreCustomer } from '../store/rebuild.ts';
import type { Lost, LostAddress } from './find-lost.ts';
import type { RebuildReport } from './report.ts';

/** Puts back every customer that something lost names, each under the name that signers were told. */
export async function restoreCustomers(ctx: Context, lost: Lost, report: RebuildReport): Promise<void> {
  const named = new Map<string, { reference: string | null; atMs: number }>();
  const name = (customer: string, atMs: number, reference: string | null): void => {
    const known = named.get(customer);
    named.set(customer, { reference: known?.reference ?? reference, atMs: Math.min(atMs, known?.atMs ?? atMs) });
  };
  for (const { customer, atMs, customer_reference: reference } of lost.addresses)
    name(customer, atMs, reference ?? null);
  for (const { signed, atMs } of lost.records) for (const customer of customersOf(signed)) name(customer, atMs, null);
  for (const { request, atMs } of lost.transactions)
    for (const { intent } of request.body.intents) name(intent.customer, atMs, null);
  for (const [customer, { reference, atMs }] of named) {
    const id = parseId('cus', customer);
    const done = await ctx.db.transaction(async (sql) => restoreCustomer(sql, { id, reference }, atMs));
    if (done !== 'known') report.restored.customers += 1;
    if (done === 'nameless')
      report.notes.push(
        `${customer} is called lost:${customer}: ${reference === null ? 'no signer knows its client_reference' : `another customer is called ${reference} by now`}`,
      );
  }
}

function customersOf({ record }: CustomerRecord): string[] {
  if (record.kind === 'settlement') return record.entries.map(({ customer }) => customer);
  return [record.customer];
}

/** Puts back addresses that customers were told, at the places that the signers have bound them to. They are watched at once. */
export async function restoreAddresses(
  ctx: Context,
  networks: ReadonlyMap<string, Network>,
  lost: Pick<Lost, 'addresses'>,
  report: RebuildReport,
): Promise<void> {
  for (const bound of lost.addresses) {
    const network = networks.get(bound.network);
    if (!network) continue;
    try {
      await restoreAddress(ctx, network, bound);
      report.restored.deposit_addresses += 1;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      report.notes.push(`address ${bound.address} of ${bound.customer}: ${error.code}: ${error.message}`);
    }
  }
}

async function restoreAddress(ctx: Context, network: Network, bound: LostAddress): Promise<void> {
  const { index, customer, address, epoch = firstEpoch } = bound;
  const derived = await network.depositAddress(customer, index);
  if (derived.epoch === epoch && derived.address !== address) {
    const problem = `server derives ${derived.address} for ${customer} index ${index} on ${network.id}`;
    throw new Failure('derivation-mismatch', problem);
  }
  await ctx.db.transaction(async (sql) => {
    await lockAddresses(sql, network.id);
    await freeAddressPlace(sql, network.id, index);
    await insertAddress(sql, {
      id: ctx.newId(),
      customer_id: parseId('cus', customer),
      network: network.id,
      index,
      address,
      watch_key: network.watchKey(address),
      state: 'pending',
      epoch,
      nowMs: bound.atMs,
    });
  });
}

/** Makes addresses current that were put back, once a quorum of signers vouches for them as it did before. */
export async function vouchForPending(
  ctx: Context,
  panel: Pick<SignerPanel, 'attestAddress'>,
  sinceMs: number,
  report: RebuildReport,
): Promise<void> {
  for (const { id, network, derivation_index: index, customer_id: owner, address, epoch } of await pendingAddresses(
    ctx.db,
    sinceMs,
  )) {
    const customer = formatId('cus', owner);
    try {
      const theirs = await panel.attestAddress({ network, customer, index: Number(index), ...ofEpoch(epoch) });
      if (theirs.address !== address)
        throw new Failure('derivation-mismatch', `the signers derive ${theirs.address} now, not ${address}`);
      await activateAddress(ctx.db, id, theirs.epoch, theirs.statements);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      report.notes.push(`address ${address} of ${customer} waits for signers: ${error.code}: ${error.message}`);
    }
  }
}
