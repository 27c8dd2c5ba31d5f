import { Failure } from '@holdfast/core/failure.ts';
import type { FileCommand } from './command.ts';
import { formatTable } from './format-table.ts';

/** `holdfast listing check`: exits with 1 when a check failed. */
export const listing: FileCommand = {
  summary: 'the checklist of a listed network or asset, by nodes, policy and terms',
  usage: ['listing check NETWORK [ASSET]'],
  options: {},
  async run([action, network, asset, ...more], _values, open) {
    if (action !== 'check' || network === undefined || more.length > 0) {
      throw new Failure('invalid-request', 'listing check takes a network, and an asset', {
        fix: 'holdfast listing check NETWORK [ASSET]',
      });
    }
    const found = await open().client.checkListing({ network, ...(asset !== undefined && { asset }) });
    const rows = found.data.map((one) => [one.result, one.asset ?? '-', one.check, one.detail, one.fix]);
    const titles = ['RESULT', 'ASSET', 'CHECK', 'FOUND', 'WHAT TO DO'];
    const failed = found.data.filter(({ result }) => result === 'failed').length;
    const verdict = failed === 0 ? 'nothing failed; read the notes' : `${failed} failed`;
    const table = formatTable(
      titles.map((title) => ({ title })),
      rows,
    );
    return { json: found, text: `${table}\n\n${verdict}`, exitCode: failed === 0 ? 0 : 1 };
  },
};
