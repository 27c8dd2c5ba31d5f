import type { Client } from '@holdfast/client/create-client.ts';
import type { NetworkResource } from '@holdfast/core/contract/resources.ts';
import { pageLimitMax } from '@holdfast/core/contract/page.ts';
import type { Command } from './command.ts';
import { formatTable, printable } from './format-table.ts';

const openStates = ['queued', 'signing', 'broadcast', 'uncertain', 'included'] as const;

interface Count {
  readonly state: string;
  readonly count: number;
  /** There are more than `count`. */
  readonly more: boolean;
}

/** `holdfast status` */
export const status: Command = {
  summary: 'networks, signers, alarms and the queue of withdrawals',
  options: {},
  async run({ url, client }) {
    const [networks, signers, alarms, queue] = await Promise.all([
      client.listNetworks(),
      client.listSigners(),
      client.listAlarms({ limit: pageLimitMax }),
      Promise.all(openStates.map((state) => countOf(client, state))),
    ]);
    const reachable = signers.data.filter((signer) => signer.reachable).length;
    const away = signers.data.filter((signer) => !signer.reachable).map((signer) => signer.id);
    const table = formatTable(
      [
        { title: 'NETWORK' },
        { title: 'NAME' },
        { title: 'HEIGHT', right: true },
        { title: 'NODES' },
        { title: 'BLOCK' },
      ],
      networks.data.map((network) => [
        network.id,
        network.name,
        String(network.height ?? '-'),
        nodesOf(network),
        network.block_hash ?? '-',
      ]),
    );
    const nodeLines = networks.data.flatMap((network) =>
      network.endpoints
        .filter(({ standing }) => standing !== 'counted')
        .map(({ name, standing, detail }) => printable(`node         ${name} ${standing}: ${detail ?? ''}`)),
    );
    const alarmLines = alarms.data.map((alarm) =>
      printable(`  ${alarm.opened_at}  ${alarm.code}  ${alarm.subject}: ${alarm.message}`),
    );
    const text = [
      `Holdfast at ${url}`,
      '',
      table,
      ...nodeLines,
      '',
      `signers      ${reachable}/${signers.data.length} reachable${away.length === 0 ? '' : `, not ${away.join(', ')}`}`,
      `withdrawals  ${queue.map((row) => `${row.count}${row.more ? '+' : ''} ${row.state}`).join(', ')}`,
      `alarms       ${alarms.data.length === 0 ? 'none open' : `${alarms.data.length}${alarms.has_more ? '+' : ''} open`}`,
      ...alarmLines,
    ].join('\n');
    const json = {
      url,
      networks: networks.data,
      signers: { reachable, total: signers.data.length, unreachable: away },
      withdrawals: queue,
      alarms: alarms.data,
    };
    return { json, text };
  },
};

/** `3/3, 2 needed` */
function nodesOf({ agree, endpoints }: NetworkResource): string {
  const counted = endpoints.filter(({ standing }) => standing === 'counted' || standing === 'ahead').length;
  return `${counted}/${endpoints.length}, ${agree} needed`;
}

async function countOf(client: Client, state: (typeof openStates)[number]): Promise<Count> {
  const page = await client.listWithdrawals({ state, limit: pageLimitMax });
  return { state, count: page.data.length, more: page.has_more };
}
