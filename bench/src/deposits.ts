import { encodeMultiSend } from '@holdfast/core/chains/evm/build.ts';
import { baseUnits } from '@holdfast/core/money/base-units.ts';
import { evmNetworkId } from '@holdfast/devnet/configure.ts';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import { onStage, report, type Stage } from './load.ts';
import { type BenchResult, tableOf } from './result.ts';

const payees = 100;
/** Offered, so that the target is reached where nothing falls behind. */
const perSecond = 330;
const perSecondMin = 300;
/** Wei: too little to be worth a sweep. */
const amount = baseUnits(1_000n);
const gas = '0x1000000';

/**
 * ETH to customers' forwarders on anvil, a block a second, until each deposit is credited. The payments come as an exchange pays
 * them out, 33 in a transaction: anvil stands still over blocks of hundreds of transactions that somebody traces.
 */
export const run = (): Promise<BenchResult[]> => onStage(measure);

async function measure({ system, db, minedAtMs, newCustomers, countOf, offer }: Stage): Promise<BenchResult[]> {
  const addresses = (await newCustomers(payees, 'payee')).map((customer) => customer.addresses.get(evmNetworkId)!);
  const { url } = system.chains.anvil;
  const from = (await rpcCall<string[]>(url, 'eth_accounts'))[9]!;
  const startMs = Date.now();
  let n = 0;
  // One at a time: the sender's nonces have an order.
  let sending: Promise<unknown> = Promise.resolve();
  const offered = await offer(perSecond, async (count) => {
    const legs = Array.from(
      { length: count },
      () => ({ kind: 'native', to: addresses[n++ % payees]!, amount }) as const,
    );
    const value = `0x${(BigInt(amount) * BigInt(count)).toString(16)}`;
    const call = { from, to: system.evm.multiSend, data: encodeMultiSend(legs, null), value, gas };
    sending = sending.then(() => rpcCall(url, 'eth_sendTransaction', [call]));
    await sending;
  });
  const credited = (): Promise<number> =>
    countOf(`select count(*)::int as count from deposit where state = 'credited'`);
  await awaitCondition(`${n} deposits credited`, async () => (await credited()) === n, 180_000, 500);
  const rows = await db.query<{ height: bigint; required: number; credited: bigint }>(
    'select height, confirmations_required as required, credited_at_ms as credited from deposit',
  );
  const waitsMs = rows.map((row) => Number(row.credited) - minedAtMs.get(Number(row.height) + row.required - 1)!);
  const totalMs = Math.max(...rows.map((row) => Number(row.credited))) - startMs;
  const results = await report('block of the last confirmation to credited', {
    perSecondMin,
    waitsMs,
    totalMs,
    offered,
  });
  const waiting = await countOf(`select count(*)::int as count from signer_delivery where state = 'pending'`);
  const trial = (await system.client.reconcile()).trial_balance;
  invariant(
    trial.every(({ difference }) => difference === '0'),
    'the ledger balances after the run',
  );
  return [
    ...results,
    { name: '  claims that signers have not judged yet', value: waiting, unit: '', note: `of ${3 * n}` },
  ];
}

if (import.meta.main) process.stdout.write(`${tableOf(await run())}\n`);
