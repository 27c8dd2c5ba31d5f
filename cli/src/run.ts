import { parseArgs } from 'node:util';
import { ApiFailure } from '@holdfast/client/api-failure.ts';
import { errorRow } from '@holdfast/core/contract/error-codes.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { Command, OptionValues } from './command.ts';
import { defaultConfigFile, openServer } from './config.ts';
import { deposits } from './deposits.ts';
import { printable } from './format-table.ts';
import { reconcile } from './reconcile.ts';
import { signers } from './signers.ts';
import { status } from './status.ts';
import { withdrawals } from './withdrawals.ts';

const commands: Readonly<Record<string, Command>> = { status, reconcile, deposits, withdrawals, signers };
const commonOptions = {
  json: { type: 'boolean' },
  config: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

export interface Output {
  out(text: string): void;
  err(text: string): void;
}

/**
 * Runs `holdfast` with its arguments; asks nothing and needs no terminal.
 * @returns the exit code: 0, or the one that the error table gives the failure.
 */
export async function run(argv: readonly string[], output: Output): Promise<number> {
  const asJson = argv.includes('--json');
  try {
    const [name, ...rest] = argv;
    const command = name === undefined || !Object.hasOwn(commands, name) ? undefined : commands[name];
    if (command === undefined) {
      if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
        output.out(usage());
        return name === undefined ? 2 : 0;
      }
      throw new Failure('invalid-request', `no such subcommand: ${name}`, {
        fix: `One of ${Object.keys(commands).join(', ')}.`,
      });
    }
    const values = optionsOf(command, rest);
    if (values['help'] === true) {
      output.out(usage(name));
      return 0;
    }
    const server = openServer(typeof values['config'] === 'string' ? values['config'] : defaultConfigFile);
    const result = await command.run(server, values);
    output.out(values['json'] === true ? JSON.stringify(result.json, null, 2) : result.text);
    return result.exitCode ?? 0;
  } catch (error) {
    return report(error, asJson, output);
  }
}

function optionsOf(command: Command, args: readonly string[]): OptionValues {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { ...command.options, ...commonOptions },
      strict: true,
      allowPositionals: false,
    });
    return values;
  } catch (cause) {
    const message = cause instanceof Error ? (cause.message.split('. ')[0] ?? '') : String(cause);
    throw new Failure('invalid-request', message, { cause, fix: 'holdfast <subcommand> --help lists the options.' });
  }
}

function usage(name?: string): string {
  const lines = Object.entries(commands)
    .filter(([command]) => name === undefined || command === name)
    .map(([command, { summary, options }]) => {
      const own = Object.keys(options)
        .map((option) => `[--${option} ...]`)
        .join(' ');
      return `  ${command.padEnd(12)} ${summary}${name === undefined || own === '' ? '' : `\n               ${own}`}`;
    });
  return [
    'holdfast <subcommand> [--json] [--config FILE]',
    '',
    ...lines,
    '',
    `The server and the key are read from ${defaultConfigFile}.`,
    'Exit codes: 0 well, 1 internal or not balanced, 2 bad input, 3 refused, 4 not found, 5 unavailable.',
  ].join('\n');
}

function report(error: unknown, asJson: boolean, output: Output): number {
  if (!(error instanceof Failure)) {
    output.err(`holdfast: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    return errorRow('internal').exit;
  }
  const row = errorRow(error.code);
  const fix = error.fix ?? row.fix;
  const problem = error instanceof ApiFailure ? error.problem : undefined;
  if (asJson) {
    output.err(
      JSON.stringify({
        error: { code: error.code, detail: error.message, fix, request_id: problem?.request_id ?? null },
      }),
    );
    return row.exit;
  }
  const wrong = (problem?.errors ?? []).map(({ pointer, detail }) => `  ${pointer} ${detail}`);
  const lines = [`holdfast: ${error.message}`, ...wrong, `  ${fix}`];
  if (problem !== undefined) lines.push(`  (${problem.code}, request ${problem.request_id})`);
  output.err(lines.map(printable).join('\n'));
  return row.exit;
}
