import type { RouteInput } from '@holdfast/core/contract/routes.ts';
import { formatUnits } from '@holdfast/core/money/base-units.ts';
import { type Command, given } from './command.ts';
import { formatTable } from './format-table.ts';
import { listOptions, more, pageOf } from './list-options.ts';

/** `holdfast withdrawals` */
export const withdrawals: Command = {
  summary: 'withdrawals, newest first',
  options: listOptions,
  async run({ client }, values) {
    const filter = given(values, 'customer', 'network', 'asset', 'state', 'cursor');
    // The server checks the state; its problem names the allowed ones.
    const list = await client.listWithdrawals({ ...filter, ...pageOf(values) } as RouteInput<'listWithdrawals'>);
    const table = formatTable(
      [
        { title: 'CREATED' },
        { title: 'ID' },
        { title: 'CUSTOMER' },
        { title: 'NETWORK' },
        { title: 'AMOUNT', right: true },
        { title: 'FEE', right: true },
        { title: 'ASSET' },
        { title: 'STATE' },
        { title: 'DESTINATION' },
        { title: 'TRANSACTION' },
      ],
      list.data.map((withdrawal) => [
        withdrawal.created_at,
        withdrawal.id,
        withdrawal.customer,
        withdrawal.network,
        formatUnits(BigInt(withdrawal.amount), withdrawal.decimals),
        formatUnits(BigInt(withdrawal.fee), withdrawal.decimals),
        withdrawal.asset,
        withdrawal.reason === null ? withdrawal.state : `${withdrawal.state} (${withdrawal.reason})`,
        withdrawal.destination,
        withdrawal.txid ?? '-',
      ]),
    );
    return { json: list, text: list.data.length === 0 ? 'no withdrawals' : table + more(list) };
  },
};
