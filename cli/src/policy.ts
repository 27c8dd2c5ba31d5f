import { Failure } from '@holdfast/core/failure.ts';
import type { FileCommand, OptionValues, Result } from './command.ts';
import { policyDiff } from './policy-diff.ts';
import { policyLint } from './policy-lint.ts';
import { policyPropose } from './policy-propose.ts';
import { policyShow } from './policy-show.ts';
import { policySign } from './policy-sign.ts';
import { policySimulate } from './policy-simulate.ts';

interface Action {
  readonly arguments: readonly string[];
  /** Those that it takes; `usage` says which may be left out. */
  readonly options: readonly string[];
  readonly usage: string;
  run(files: readonly string[], values: OptionValues, ...rest: Rest): Result | Promise<Result>;
}
type Rest = [openServer: Parameters<FileCommand['run']>[2]];

const actions: Readonly<Record<string, Action>> = {
  lint: {
    arguments: ['FILE'],
    options: [],
    usage: 'mistakes and weak settings',
    run: ([file = '']) => policyLint(file),
  },
  diff: {
    arguments: ['OLD', 'NEW'],
    options: [],
    usage: 'each change, tighter or looser, and the delay that follows',
    run: ([old = '', next = '']) => policyDiff(old, next),
  },
  simulate: {
    arguments: ['FILE'],
    options: ['withdrawals', 'since'],
    usage: '--withdrawals FILE|- or --since TIME: what it would have let through',
    run: ([file = ''], values, openServer) => policySimulate(file, values, openServer),
  },
  propose: {
    arguments: ['CURRENT', 'DRAFT'],
    options: ['out'],
    usage: '[--out FILE]: the draft as the next version, to be signed',
    run: ([current = '', draft = ''], values) => policyPropose(current, draft, values),
  },
  sign: {
    arguments: ['FILE'],
    options: ['key', 'key-id', 'digest', 'current'],
    usage: '--key FILE --key-id ID --digest HEX [--current FILE]: adds an administrator’s signature',
    run: ([file = ''], values) => policySign(file, values),
  },
  show: {
    arguments: ['FILE'],
    options: ['current'],
    usage: '[--current FILE]: digest, and the signatures that hold',
    run: ([file = ''], values) => policyShow(file, values),
  },
};

/** `holdfast policy` */
export const policy: FileCommand = {
  summary: 'lint, diff, simulate, propose, sign or show a version of the signers’ policy',
  usage: Object.entries(actions).map(
    ([name, action]) => `${`${name} ${action.arguments.join(' ')}`.padEnd(24)} ${action.usage}`,
  ),
  options: {
    withdrawals: { type: 'string' },
    since: { type: 'string' },
    out: { type: 'string' },
    key: { type: 'string' },
    'key-id': { type: 'string' },
    digest: { type: 'string' },
    current: { type: 'string' },
  },
  async run([name, ...files], values, openServer) {
    const fix = 'holdfast policy --help lists what it can do.';
    const action = name !== undefined && Object.hasOwn(actions, name) ? actions[name] : undefined;
    if (action === undefined) {
      const said = name === undefined ? 'holdfast policy what?' : `no such policy subcommand: ${name}`;
      throw new Failure('invalid-request', said, { fix });
    }
    if (files.length !== action.arguments.length) {
      throw new Failure('invalid-request', `holdfast policy ${name} takes ${action.arguments.join(' ')}`, { fix });
    }
    const alien = Object.keys(policy.options).find(
      (option) => values[option] !== undefined && !action.options.includes(option),
    );
    if (alien !== undefined) throw new Failure('invalid-request', `holdfast policy ${name} has no --${alien}`, { fix });
    return action.run(files, values, openServer);
  },
};
