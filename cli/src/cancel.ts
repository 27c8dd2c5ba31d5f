import { Failure } from '@holdfast/core/failure.ts';
import type { FileCommand } from './command.ts';
import { printable } from './format-table.ts';

/** `holdfast cancel ID`: what nothing was signed for goes back to the customer. */
export const cancel: FileCommand = {
  summary: 'give a withdrawal back that nothing was signed for',
  usage: ['ID'],
  options: {},
  async run([id, ...more], _values, openServer) {
    if (id === undefined || more.length > 0) throw new Failure('invalid-request', 'usage: holdfast cancel ID');
    const withdrawal = await openServer().client.cancelWithdrawal({ id });
    return { json: withdrawal, text: printable(`${withdrawal.id} ${withdrawal.state}: ${withdrawal.reason ?? ''}`) };
  },
};
