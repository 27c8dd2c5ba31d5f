import { parseArgs } from 'node:util';
import { ApiFailure } from '@holdfast/client/api-failure.ts';
import { errorRow } from '@holdfast/core/contract/error-codes.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { FileCommand, OptionValues } from './command.ts';
import { printable } from './format-table.ts';

export const defaultConfigFile = '.holdfast/cli/config.json';
/** What a subcommand gets of the server, when it asks. */
type Opened = ReturnType<Parameters<FileCommand['run']>[2]>;
const commonOptions = {
  json: { type: 'boolean' },
  config: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

export interface Output {
  out(text: string): void;
  err(text: string): void;
}

export type Run = (argv: readonly string[], output: Output) => Promise<number>;

/**
 * Makes `holdfast` of a table of subcommands. It runs with its arguments, asks nothing and needs no terminal unless a
 * subcommand does, and returns the exit code: 0, or the one that the error table gives the failure.
 * @param openServer of a config file.
 */
export function createRun(
  commands: Readonly<Record<string, FileCommand>>,
  openServer: (configFile: string) => Opened,
): Run {
  return async (argv, output) => {
    const asJson = argv.includes('--json');
    try {
      const [name, ...rest] = argv;
      const command = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined;
      if (command === undefined) {
        if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
          output.out(usage(commands));
          return name === undefined ? 2 : 0;
        }
        throw new Failure('invalid-request', `no such subcommand: ${name}`, {
          fix: `One of ${Object.keys(commands).join(', ')}.`,
        });
      }
      const { values, positionals } = optionsOf(command, rest);
      if (values['help'] === true) {
        output.out(usage(commands, name));
        return 0;
      }
      const open = () => openServer(typeof values['config'] === 'string' ? values['config'] : defaultConfigFile);
      const result = await command.run(positionals, values, open);
      output.out(values['json'] === true ? JSON.stringify(result.json, null, 2) : result.text);
      return result.exitCode ?? 0;
    } catch (error) {
      return report(error, asJson, output);
    }
  };
}

function optionsOf(
  command: FileCommand,
  args: readonly string[],
): { values: OptionValues; positionals: readonly string[] } {
  try {
    return parseArgs({
      args: [...args],
      options: { ...command.options, ...commonOptions },
      strict: true,
      allowPositionals: command.usage.length > 0,
    });
  } catch (cause) {
    const message = cause instanceof Error ? (cause.message.split('. ')[0] ?? '') : String(cause);
    throw new Failure('invalid-request', message, { cause, fix: 'holdfast <subcommand> --help lists the options.' });
  }
}

function usage(commands: Readonly<Record<string, FileCommand>>, name?: string): string {
  const lines = Object.entries(commands)
    .filter(([command]) => name === undefined || command === name)
    .flatMap(([command, entry]) => {
      const own = Object.keys(entry.options)
        .map((option) => `[--${option} ...]`)
        .join(' ');
      const details = entry.usage.length > 0 ? entry.usage : own === '' ? [] : [own];
      return [
        `  ${command.padEnd(12)} ${entry.summary}`,
        ...(name === undefined ? [] : details.map((line) => `               ${line}`)),
      ];
    });
  return [
    'holdfast <subcommand> [--json] [--config FILE]',
    '',
    ...lines,
    '',
    `The server and the key are read from ${defaultConfigFile}.`,
    'Exit codes: 0 well, 1 internal, not balanced or another digest, 2 bad input, 3 refused, 4 not found, 5 unavailable.',
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
