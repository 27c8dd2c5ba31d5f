import type { SignerResource } from '@holdfast/core/contract/resources.ts';
import type { Command } from './command.ts';
import { formatTable, printable } from './format-table.ts';

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
        shortBuild(signer.build),
        signer.detail ?? '',
      ]),
    );
    const reachable = list.data.filter((signer) => signer.reachable).length;
    const text = [
      table,
      '',
      `${reachable}/${list.data.length} reachable`,
      ...buildLines(list.data),
      ...governanceLines(list.data),
    ].join('\n');
    return { json: list, text };
  },
};

/** Enough of a SHA-256 to see that two differ; they are compared in full below the table. */
function shortBuild(build: string | null): string {
  return build === null ? '-' : build.slice(0, 12);
}

/** What cold governance has scheduled, once each, with the signers that see it. */
function governanceLines(signers: readonly SignerResource[]): string[] {
  const seen = signers.flatMap(({ id, governance = [] }) => governance.map((one) => ({ id, ...one })));
  const groups = [...Map.groupBy(seen, ({ network, operation }) => `${operation} on ${network}`)];
  if (groups.length === 0) return [];
  return [
    '',
    'SCHEDULED BY GOVERNANCE; what nobody expected, any one signer vetoes: signer emergency <dataDir> veto',
    ...groups.flatMap(([name, [first, ...more]]) => [
      printable(`operation ${name}, ready ${first!.ready_at}  ${[first!, ...more].map(({ id }) => id).join(', ')}`),
      ...first!.calls.map((call) => printable(`  ${call}`)),
    ]),
  ];
}

/** Every build in full, with the signers that say that they run it. */
function buildLines(signers: readonly SignerResource[]): string[] {
  const running = Map.groupBy(signers, ({ build }) => build);
  running.delete(null);
  return [...running].map(([build, group]) => printable(`build ${build}  ${group.map(({ id }) => id).join(', ')}`));
}
