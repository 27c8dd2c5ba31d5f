import { Failure } from '@holdfast/core/failure.ts';
import type { FileCommand } from './command.ts';
import { printable } from './format-table.ts';

/** `holdfast close-alarm ID NOTE` */
export const closeAlarm: FileCommand = {
  summary: 'close an alarm that waits for a decision, with what was found',
  usage: ['ID NOTE'],
  options: {},
  async run(args, _values, openServer) {
    const [id, ...words] = args;
    const note = words.join(' ');
    if (id === undefined || note === '') throw new Failure('invalid-request', 'usage: holdfast close-alarm ID NOTE');
    const { client } = openServer();
    const alarm = await client.closeAlarm({ id, note });
    return { json: alarm, text: printable(`closed ${alarm.code} ${alarm.subject}: ${alarm.message}`) };
  },
};
