import type { FeeReportResource } from '@holdfast/core/contract/fee-resources.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import { accountCodes } from '@holdfast/core/ledger/account-codes.ts';
import { parseNetworkId } from '@holdfast/core/money/network.ts';
import type { Context } from '../context.ts';
import { chargedFees, paidFees } from '../store/fee-sums.ts';
import { balances } from '../store/ledger/balances.ts';

/**
 * What customers were charged and what the chains took, by network and asset, held against the ledger's accounts; one
 * moment of the database.
 */
export async function reportFees(ctx: Context): Promise<FeeReportResource> {
  const coins = new Map(places(ctx).map(({ network, native }) => [network, native]));
  const { charged, paid, ledger } = await ctx.db.transaction(
    async (sql) => {
      const accounts = ctx.config.assets
        .map(({ code }) => accountCodes.feeRevenue(code))
        .concat(places(ctx).map(({ network, asset }) => accountCodes.feesPaid(parseNetworkId(network), asset)));
      return {
        charged: await chargedFees(sql),
        paid: await paidFees(sql, coins),
        ledger: await balances(sql, accounts),
      };
    },
    { snapshot: true },
  );
  const at = (sums: ReadonlyMap<string, bigint>, network: string, asset: string): bigint =>
    sums.get(`${network} ${asset}`) ?? 0n;
  const rows = places(ctx).map(({ network, asset, decimals, native }) => {
    const [income, expense] = [
      at(charged, network, asset),
      ledger.get(accountCodes.feesPaid(parseNetworkId(network), asset)) ?? 0n,
    ];
    const own = asset === native ? at(paid, network, native) : 0n;
    return {
      network,
      asset,
      decimals,
      charged: income.toString(),
      paid: expense.toString(),
      paid_by_transactions: own.toString(),
      paid_otherwise: (expense - own).toString(),
      difference: (income - expense).toString(),
    };
  });
  const revenue = ctx.config.assets.map(({ code }) => {
    const sum = rows.filter(({ asset }) => asset === code).reduce((total, row) => total + BigInt(row.charged), 0n);
    const account = ledger.get(accountCodes.feeRevenue(code)) ?? 0n;
    return { asset: code, charged: sum.toString(), ledger: account.toString(), difference: (sum - account).toString() };
  });
  return {
    object: 'fee_report',
    balanced:
      revenue.every(({ difference }) => difference === '0') && rows.every((row) => !row.paid_otherwise.startsWith('-')),
    rows,
    revenue,
  };
}

function places(ctx: Context): { network: string; asset: string; decimals: number; native: string }[] {
  return ctx.config.networks.flatMap((network) => {
    const native = network.assets.find(({ contract }) => contract === null)?.asset;
    invariant(native !== undefined, `${network.id} has a coin of its own`);
    return network.assets.map(({ asset }) => {
      const decimals = ctx.config.assets.find(({ code }) => code === asset)?.decimals;
      invariant(decimals !== undefined, `the configuration has ${asset}`);
      return { network: network.id, asset, decimals, native };
    });
  });
}
