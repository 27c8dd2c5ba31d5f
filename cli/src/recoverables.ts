import { Failure } from '@holdfast/core/failure.ts';
import { type FileCommand, given } from './command.ts';
import { formatTable, printable } from './format-table.ts';
import { more, pageOf } from './list-options.ts';

/** `holdfast recoverables`: tokens that are not listed and reached deposit addresses. */
export const recoverables: FileCommand = {
  summary: 'unlisted tokens that reached deposit addresses',
  usage: [
    '[--customer ID] [--network ID]                           lists them',
    'check --network ID --address ADDRESS --contract ADDRESS  asks the nodes what is there',
  ],
  options: {
    customer: { type: 'string' },
    network: { type: 'string' },
    address: { type: 'string' },
    contract: { type: 'string' },
    limit: { type: 'string' },
    cursor: { type: 'string' },
  },
  async run([action, ...rest], values, openServer) {
    if ((action !== undefined && action !== 'check') || rest.length > 0) {
      throw new Failure('invalid-request', 'usage: holdfast recoverables [check]');
    }
    const { client } = openServer();
    if (action === 'check') {
      const { network, address, contract } = given(values, 'network', 'address', 'contract');
      if (network === undefined || address === undefined || contract === undefined) {
        throw new Failure('invalid-request', 'check takes --network, --address and --contract');
      }
      const found = await client.checkRecoverable({ network, address, contract });
      return { json: found, text: printable(`${found.id}: ${found.address} holds ${found.held} of ${found.contract}`) };
    }
    const list = await client.listRecoverables({
      ...given(values, 'customer', 'network', 'cursor'),
      ...pageOf(values),
    });
    const table = formatTable(
      [
        { title: 'ID' },
        { title: 'CUSTOMER' },
        { title: 'NETWORK' },
        { title: 'ADDRESS' },
        { title: 'TOKEN' },
        { title: 'CLAIMED', right: true },
        { title: 'HELD', right: true },
        { title: 'TRANSACTION' },
      ],
      list.data.map((one) => [
        one.id,
        one.customer,
        one.network,
        one.address,
        one.contract,
        one.claimed ?? '',
        one.held ?? 'not asked',
        one.txid ?? '',
      ]),
    );
    return { json: list, text: list.data.length === 0 ? 'nothing is recoverable' : table + more(list) };
  },
};
