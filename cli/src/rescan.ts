import { Failure } from '@holdfast/core/failure.ts';
import { type Command, given } from './command.ts';
import { formatTable } from './format-table.ts';
import { more, pageOf } from './list-options.ts';

/** `holdfast rescan`: reads blocks once more. */
export const rescan: Command = {
  summary: 'read blocks once more with --network ID --from HEIGHT; without, how far rescans are',
  options: {
    network: { type: 'string' },
    from: { type: 'string' },
    limit: { type: 'string' },
    cursor: { type: 'string' },
  },
  async run({ client }, values) {
    const { network, from } = given(values, 'network', 'from');
    if (from !== undefined) {
      if (network === undefined || !/^[0-9]{1,12}$/.test(from)) {
        throw new Failure('invalid-request', 'usage: holdfast rescan --network ID --from HEIGHT');
      }
      const started = await client.startRescan({ network, from_height: Number(from) });
      return { json: started, text: `${started.id} reads blocks ${started.from_height} to ${started.to_height}` };
    }
    const list = await client.listRescans({ ...given(values, 'network', 'cursor'), ...pageOf(values) });
    const table = formatTable(
      [
        { title: 'ID' },
        { title: 'NETWORK' },
        { title: 'BLOCKS' },
        { title: 'NEXT' },
        { title: 'FOUND' },
        { title: 'DIFFERING' },
      ],
      list.data.map((one) => [
        one.id,
        one.network,
        `${one.from_height} to ${one.to_height}`,
        one.finished_at === null ? String(one.next_height) : 'done',
        String(one.deposits_found),
        String(one.blocks_differing),
      ]),
    );
    return { json: list, text: list.data.length === 0 ? 'no rescans' : table + more(list) };
  },
};
