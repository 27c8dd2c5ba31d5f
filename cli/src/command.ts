import type { ParseArgsConfig } from 'node:util';
import type { Client } from '@holdfast/client/create-client.ts';

export type OptionValues = Readonly<Record<string, string | boolean | undefined>>;

/** What a subcommand found out: the same facts for people and for programs. */
export interface Result {
  readonly json: unknown;
  readonly text: string;
  /** 0 when not given. */
  readonly exitCode?: number;
}

export interface Command {
  readonly summary: string;
  readonly options: NonNullable<ParseArgsConfig['options']>;
  /** @param values checked against `options`. */
  run(server: { url: string; client: Client }, values: OptionValues): Promise<Result>;
}

/** A subcommand that works on files; the config is read only when it asks for the server. */
export interface FileCommand {
  readonly summary: string;
  /** What may stand after its name, a line each. */
  readonly usage: readonly string[];
  readonly options: NonNullable<ParseArgsConfig['options']>;
  /** @param args what is no option. @param values checked against `options`. */
  run(
    args: readonly string[],
    values: OptionValues,
    openServer: () => { url: string; client: Client },
  ): Promise<Result>;
}

/** An option's text, left out when it was not given. */
export function given<K extends string>(values: OptionValues, ...names: readonly K[]): { [N in K]?: string } {
  const found: { [N in K]?: string } = {};
  for (const name of names) {
    const value = values[name];
    if (typeof value === 'string') found[name] = value;
  }
  return found;
}
