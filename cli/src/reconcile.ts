import { formatUnits } from '@holdfast/core/money/base-units.ts';
import type { Command } from './command.ts';
import { formatTable } from './format-table.ts';

/** `holdfast reconcile`: exits with 0 only when every difference is 0. */
export const reconcile: Command = {
  summary: 'ledger against chain, per network and asset',
  options: {},
  async run({ client }) {
    const report = await client.reconcile();
    const rows = report.rows.map((row) => [
      row.network,
      row.asset,
      String(row.height),
      formatUnits(BigInt(row.ledger), row.decimals),
      formatUnits(BigInt(row.chain), row.decimals),
      formatUnits(BigInt(row.difference), row.decimals),
    ]);
    const table = formatTable(
      [
        { title: 'NETWORK' },
        { title: 'ASSET' },
        { title: 'HEIGHT', right: true },
        { title: 'LEDGER', right: true },
        { title: 'CHAIN', right: true },
        { title: 'DIFFERENCE', right: true },
      ],
      rows,
    );
    const unbalanced = report.trial_balance.filter((row) => row.difference !== '0');
    const trial =
      unbalanced.length === 0
        ? 'debits equal credits in every asset'
        : unbalanced
            .map((row) => `debits and credits of ${row.asset} differ by ${row.difference} base units`)
            .join('\n');
    const unread = report.unread.map(({ network, asset }) => `${asset} on ${network} answers no balance`);
    const verdict = report.balanced ? 'balanced: every difference is 0' : 'NOT BALANCED';
    // The server's word and the rows must agree: a row with a difference is never called balanced.
    const balanced = report.balanced && unbalanced.length === 0 && report.rows.every((row) => row.difference === '0');
    return { json: report, text: [`${table}\n`, trial, ...unread, verdict].join('\n'), exitCode: balanced ? 0 : 1 };
  },
};
