import { Failure } from '@holdfast/core/failure.ts';
import { coldCombine } from './cold-combine.ts';
import { coldKeygen } from './cold-keygen.ts';
import { coldRequest } from './cold-request.ts';
import { coldAccept, coldSetup } from './cold-setup.ts';
import { coldAbort, coldShow, coldSign } from './cold-sign.ts';
import { coldReceive, coldSend } from './cold-transport.ts';
import type { FileCommand, OptionValues, Result } from './command.ts';

interface Action {
  /** Names of its arguments; after the last one more may follow when it ends with dots. */
  readonly arguments: readonly string[];
  readonly options: readonly string[];
  readonly usage: string;
  run(args: readonly string[], values: OptionValues): Result | Promise<Result>;
}

const actions: Readonly<Record<string, Action>> = {
  keygen: {
    arguments: ['FOLDER'],
    options: ['name', 'out', 'kdf-memory-kib', 'kdf-passes', 'weak-for-tests'],
    usage: '--name NAME [--out CARD]: keys of a custodian, made and sealed here; prints their card',
    run: ([folder = ''], values) => coldKeygen(folder, values),
  },
  setup: {
    arguments: ['DRAFT', 'CARD...'],
    options: ['out'],
    usage: '--out SETUP: the setup of five custodians, and its digest',
    run: coldSetup,
  },
  accept: {
    arguments: ['SETUP'],
    options: ['keys', 'digest'],
    usage: '--keys FOLDER [--digest HEX]: pins the setup whose digest all custodians have compared',
    run: ([file = ''], values) => coldAccept(file, values),
  },
  request: {
    arguments: ['KIND', 'DRAFT'],
    options: ['setup', 'keys', 'out', 'hours'],
    usage: '--setup SETUP --out REQUEST [--hours N]: a refill, recovery or governance change to be signed',
    run: coldRequest,
  },
  show: {
    arguments: ['REQUEST'],
    options: ['setup', 'keys'],
    usage: '--keys FOLDER or --setup SETUP: what it would do, decoded here',
    run: ([file = ''], values) => coldShow(file, values),
  },
  sign: {
    arguments: ['REQUEST'],
    options: ['keys', 'out', 'digest'],
    usage: '--keys FOLDER --out PARTIAL [--digest HEX]: shows it, asks for its digest, signs',
    run: ([file = ''], values) => coldSign(file, values),
  },
  abort: {
    arguments: ['DIGEST'],
    options: ['keys'],
    usage: '--keys FOLDER: drops a request that was signed, so that another may take its place',
    run: ([digest = ''], values) => coldAbort(digest, values),
  },
  combine: {
    arguments: ['REQUEST', 'PARTIAL...'],
    options: ['setup', 'keys', 'out'],
    usage: '--setup SETUP --out FILE: the transaction, once three custodians have signed',
    run: coldCombine,
  },
  send: {
    arguments: ['FILE'],
    options: ['text', 'rounds'],
    usage: '[--rounds N] [--text]: shows a file as an animated QR code, or its frames as text',
    run: ([file = ''], values) => coldSend(file, values),
  },
  receive: {
    arguments: ['FRAMES...'],
    options: ['out'],
    usage: '--out FILE: puts a file together from scanned frames, text files or folders of them',
    run: coldReceive,
  },
};

/** `holdfast cold`: keys, requests and signatures of custodians, on machines without a network. */
export const cold: FileCommand = {
  summary: 'keys and signatures of custodians, on a machine without a network',
  usage: Object.entries(actions).map(
    ([name, action]) => `${`${name} ${action.arguments.join(' ')}`.padEnd(28)} ${action.usage}`,
  ),
  options: {
    keys: { type: 'string' },
    setup: { type: 'string' },
    out: { type: 'string' },
    name: { type: 'string' },
    digest: { type: 'string' },
    hours: { type: 'string' },
    rounds: { type: 'string' },
    text: { type: 'boolean' },
    'kdf-memory-kib': { type: 'string' },
    'kdf-passes': { type: 'string' },
    'weak-for-tests': { type: 'boolean' },
  },
  async run([name, ...args], values) {
    const fix = 'holdfast cold --help lists what it can do.';
    const action = name !== undefined && Object.hasOwn(actions, name) ? actions[name] : undefined;
    if (action === undefined) {
      const said = name === undefined ? 'holdfast cold what?' : `no such cold subcommand: ${name}`;
      throw new Failure('invalid-request', said, { fix });
    }
    const wanted = action.arguments;
    const isOpen = wanted.at(-1)?.endsWith('...') === true;
    if (args.length < wanted.length || (args.length > wanted.length && !isOpen))
      throw new Failure('invalid-request', `holdfast cold ${name} takes ${wanted.join(' ')}`, { fix });
    const alien = Object.keys(cold.options).find(
      (option) => values[option] !== undefined && !action.options.includes(option),
    );
    if (alien !== undefined) throw new Failure('invalid-request', `holdfast cold ${name} has no --${alien}`, { fix });
    return action.run(args, values);
  },
};
