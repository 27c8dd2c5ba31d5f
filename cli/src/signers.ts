import type { Command } from './command.ts';
import { formatTable } from './format-table.ts';

/** `holdfast signers` */
export const signers: Command = {
  summary: 'each signer and whether it answers',
  options: {},
  async run({ client }) {
    const list = await client.listSigners();
    const table = formatTable(
      [
        { title: 'SIGNER' },
        { title: 'REACHABLE' },
        { title: 'OWNER ADDRESS' },
        { title: 'JOURNAL', right: true },
        { title: 'BUILD' },
        { title: 'DETAIL' },
      ],
      list.data.map((signer) => [
        signer.id,
        signer.reachable ? 'yes' : 'NO',
        signer.owner_address ?? '-',
        signer.journal_seq === null ? '-' : String(signer.journal_seq),
        signer.build ?? '-',
        signer.detail ?? '',
      ]),
    );
    const reachable = list.data.filter((signer) => signer.reachable).length;
    return { json: list, text: `${table}\n\n${reachable}/${list.data.length} reachable` };
  },
};
