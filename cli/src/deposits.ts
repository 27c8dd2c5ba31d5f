import type { RouteInput } from '@holdfast/core/contract/routes.ts';
import { formatUnits } from '@holdfast/core/money/base-units.ts';
import { type Command, given } from './command.ts';
import { formatTable } from './format-table.ts';
import { listOptions, more, pageOf } from './list-options.ts';

/** `holdfast deposits` */
export const deposits: Command = {
  summary: 'deposits, newest first',
  options: listOptions,
  async run({ client }, values) {
    const filter = given(values, 'customer', 'network', 'asset', 'state', 'cursor');
    // The server checks the state; its problem names the allowed ones.
    const list = await client.listDeposits({ ...filter, ...pageOf(values) } as RouteInput<'listDeposits'>);
    const table = formatTable(
      [
        { title: 'SEEN' },
        { title: 'ID' },
        { title: 'CUSTOMER' },
        { title: 'NETWORK' },
        { title: 'AMOUNT', right: true },
        { title: 'ASSET' },
        { title: 'STATE' },
        { title: 'CONFIRMATIONS', right: true },
        { title: 'TRANSACTION' },
      ],
      list.data.map((deposit) => [
        deposit.seen_at,
        deposit.id,
        deposit.customer,
        deposit.network,
        formatUnits(BigInt(deposit.amount), deposit.decimals),
        deposit.asset,
        deposit.reason === null ? deposit.state : `${deposit.state} (${deposit.reason})`,
        `${deposit.confirmations}/${deposit.confirmations_required}`,
        `${deposit.txid} ${deposit.index}`,
      ]),
    );
    return { json: list, text: list.data.length === 0 ? 'no deposits' : table + more(list) };
  },
};
