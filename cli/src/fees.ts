import { randomUUID } from 'node:crypto';
import type { Client } from '@holdfast/client/create-client.ts';
import type { CreateFeeScheduleBody } from '@holdfast/core/contract/fee-resources.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { formatUnits, parseUnits } from '@holdfast/core/money/base-units.ts';
import { type FileCommand, given, type OptionValues, type Result } from './command.ts';
import { formatTable } from './format-table.ts';

const text = { type: 'string' } as const;

/** `holdfast fees`: what was charged and what the chains took; the versions of the terms, and a new one. */
export const fees: FileCommand = {
  summary: 'fees charged and paid; `fees list` and `fees set` for the terms',
  usage: [
    'fees                                      charged to customers, paid on chain, by network and asset',
    'fees list [--network N] [--asset A]       versions of fees and minimums',
    'fees set --network N --asset A --reason TEXT [--fee-flat COINS] [--fee-per-mille N] [--network-share-per-mille N]',
    '         [--network-fee-rate-max N|none] [--withdrawal-minimum COINS] [--deposit-minimum COINS] [--precision N]',
    '         [--valid-from TIME] [--reference NAME]     what is left out stays as it is',
  ],
  options: {
    network: text,
    asset: text,
    reason: text,
    'fee-flat': text,
    'fee-per-mille': text,
    'network-share-per-mille': text,
    'network-fee-rate-max': text,
    'withdrawal-minimum': text,
    'deposit-minimum': text,
    precision: text,
    'valid-from': text,
    reference: text,
  },
  async run([action, ...more], values, open) {
    if (more.length > 0) throw new Failure('invalid-request', `what is ${more.join(' ')}?`);
    if (action === undefined) return report(open().client);
    if (action === 'list') return list(open().client, values);
    if (action === 'set') return set(open().client, values);
    throw new Failure('invalid-request', `fees ${action} is nothing`, { fix: 'holdfast fees --help' });
  },
};

/** Exits with 1 when a sum differs from the ledger's account. */
async function report(client: Client): Promise<Result> {
  const found = await client.reportFees();
  const rows = found.rows.map((row) => {
    const coins = (amount: string): string => formatUnits(BigInt(amount), row.decimals);
    return [
      row.network,
      row.asset,
      coins(row.charged),
      coins(row.paid),
      coins(row.paid_otherwise),
      coins(row.difference),
    ];
  });
  const titles = ['CHARGED', 'PAID ON CHAIN', 'OF IT WITHOUT EFFECT', 'DIFFERENCE'];
  const table = formatTable(
    [{ title: 'NETWORK' }, { title: 'ASSET' }, ...titles.map((title) => ({ title, right: true }))],
    rows,
  );
  const wrong = found.revenue
    .filter(({ difference }) => difference !== '0')
    .map(({ asset, charged, ledger }) => `${asset}: charged ${charged} base units, the ledger has ${ledger}`);
  const balanced = found.balanced && wrong.length === 0;
  const verdict = balanced ? 'equal to the ledger to the base unit' : ['NOT EQUAL TO THE LEDGER', ...wrong].join('\n');
  return { json: found, text: `${table}\n\n${verdict}`, exitCode: balanced ? 0 : 1 };
}

async function list(client: Client, values: OptionValues): Promise<Result> {
  const found = await client.listFeeSchedules({ ...given(values, 'network', 'asset'), limit: 200 });
  const decimals = await decimalsOf(client);
  const rows = found.data.map((one) => {
    const coins = (amount: string): string => formatUnits(BigInt(amount), decimals.get(one.asset) ?? 0);
    return [
      one.network,
      one.asset,
      String(one.version),
      one.valid_from,
      coins(one.fee_flat),
      String(one.fee_per_mille),
      String(one.network_share_per_mille),
      one.network_fee_rate_max ?? '-',
      coins(one.withdrawal_minimum),
      coins(one.deposit_minimum),
      String(one.precision),
      one.created_by,
      one.reason,
    ];
  });
  const titles = [
    'NETWORK',
    'ASSET',
    'VERSION',
    'VALID FROM',
    'FLAT',
    'PER MILLE',
    'OF NETWORK',
    'RATE MAX',
    'WITHDRAW MIN',
    'DEPOSIT MIN',
    'PLACES',
    'BY',
    'REASON',
  ];
  return {
    json: found,
    text: formatTable(
      titles.map((title) => ({ title })),
      rows,
    ),
  };
}

async function set(client: Client, values: OptionValues): Promise<Result> {
  const { network, asset, reason } = given(values, 'network', 'asset', 'reason');
  if (network === undefined || asset === undefined || reason === undefined) {
    throw new Failure('invalid-request', 'fees set needs --network, --asset and --reason');
  }
  const [newest] = (await client.listFeeSchedules({ network, asset, limit: 1 })).data;
  const decimals = (await decimalsOf(client)).get(asset);
  if (!newest || decimals === undefined) throw new Failure('unknown-asset', `no ${asset} on ${network}`);
  const coins = (name: string, before: string): string => {
    const value = values[name];
    return typeof value === 'string' ? parseUnits(value, decimals).toString() : before;
  };
  const rate = values['network-fee-rate-max'];
  const body: CreateFeeScheduleBody = {
    client_reference: typeof values['reference'] === 'string' ? values['reference'] : `cli-${randomUUID()}`,
    network,
    asset,
    fee_flat: coins('fee-flat', newest.fee_flat),
    fee_per_mille: count(values, 'fee-per-mille', newest.fee_per_mille),
    network_share_per_mille: count(values, 'network-share-per-mille', newest.network_share_per_mille),
    network_fee_rate_max: typeof rate !== 'string' ? newest.network_fee_rate_max : rate === 'none' ? null : rate,
    withdrawal_minimum: coins('withdrawal-minimum', newest.withdrawal_minimum),
    deposit_minimum: coins('deposit-minimum', newest.deposit_minimum),
    precision: count(values, 'precision', newest.precision),
    reason,
    ...(typeof values['valid-from'] === 'string' && { valid_from: values['valid-from'] }),
  };
  const made = await client.createFeeSchedule(body);
  return { json: made, text: `version ${made.version} of ${asset} on ${network} counts from ${made.valid_from} on` };
}

function count(values: OptionValues, name: string, before: number): number {
  const value = values[name];
  if (typeof value !== 'string') return before;
  if (!/^[0-9]{1,5}$/.test(value)) throw new Failure('invalid-request', `--${name} is a whole number`);
  return Number(value);
}

async function decimalsOf(client: Client): Promise<Map<string, number>> {
  return new Map((await client.listAssets()).data.map(({ code, decimals }) => [code, decimals]));
}
