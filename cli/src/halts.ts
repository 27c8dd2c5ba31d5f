import type { Client } from '@holdfast/client/create-client.ts';
import type { SignerAnswers } from '@holdfast/core/contract/bodies.ts';
import { errorRow } from '@holdfast/core/contract/error-codes.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { type HaltScope, SignedHalt, SignedResume } from '@holdfast/core/signing/halt.ts';
import { statementDigestHex } from '@holdfast/core/signing/statement.ts';
import type { Command, FileCommand } from './command.ts';
import { formatTable, printable } from './format-table.ts';
import { readJsonFile } from './read-json-file.ts';

/** `holdfast halts` */
export const halts: Command = {
  summary: 'what is halted, by whom, at which signers',
  options: {},
  async run({ client }) {
    const list = await client.listHalts();
    const table = formatTable(
      [{ title: 'DIGEST' }, { title: 'SCOPE' }, { title: 'BY' }, { title: 'SIGNERS' }, { title: 'REASON' }],
      list.data.map(({ digest, statement, by, signers }) => [
        digest,
        scopeText(statement.scope),
        by,
        signers.map(({ signer }) => signer).join(' '),
        statement.reason,
      ]),
    );
    return { json: list, text: list.data.length === 0 ? 'nothing is halted' : table };
  },
};

/** `holdfast halt FILE...`: hands signed halts, or tokens made in advance, to the signers; one that fails keeps none back. */
export const halt: FileCommand = {
  summary: 'stop signing, with signed halts or tokens from files',
  usage: ['FILE...'],
  options: {},
  async run(files, _values, openServer) {
    if (files.length === 0) throw new Failure('invalid-request', 'usage: holdfast halt FILE...');
    const { client } = openServer();
    const outcomes = await Promise.all(files.map(async (file) => handIn(client, file)));
    const failures = outcomes.flatMap(({ failure }) => failure ?? []);
    const [first] = failures;
    if (first !== undefined && files.length === 1) throw first;
    const lines = outcomes.flatMap(({ file, digest, answers, failure }) =>
      failure === null
        ? [`${file}: halt ${digest}`, ...answerLines(answers)]
        : [`${file}: NOT HANDED IN, ${failure.code}: ${failure.message}`],
    );
    const problemOf = (failure: Failure | null) => failure && { code: failure.code, detail: failure.message };
    return {
      json: { halts: outcomes.map(({ failure, ...one }) => ({ ...one, error: problemOf(failure) })) },
      text: lines.map(printable).join('\n'),
      ...(first !== undefined && { exitCode: errorRow(first.code).exit }),
    };
  },
};

interface Outcome {
  readonly file: string;
  readonly digest: string | null;
  readonly answers: SignerAnswers['answers'];
  readonly failure: Failure | null;
}

async function handIn(client: Client, file: string): Promise<Outcome> {
  try {
    const signed = readJsonFile(file, SignedHalt);
    const { answers } = await client.halt(signed);
    return { file, digest: statementDigestHex('halt', signed.statement), answers, failure: null };
  } catch (error) {
    // Whatever it is: the other files' answers must still be shown.
    const failure = error instanceof Failure ? error : new Failure('internal', String(error), { cause: error });
    return { file, digest: null, answers: [], failure };
  }
}

/** `holdfast resume FILE`: hands a resumption with its approvals to the signers. */
export const resume: FileCommand = {
  summary: 'lift halts, with a resumption that approvers signed, from a file',
  usage: ['FILE'],
  options: {},
  async run([file, ...more], _values, openServer) {
    if (file === undefined || more.length > 0) throw new Failure('invalid-request', 'usage: holdfast resume FILE');
    const signed = readJsonFile(file, SignedResume);
    const { answers } = await openServer().client.resume(signed);
    const lines = [`resume ${signed.statement.halts.join(' ')}`, ...answerLines(answers), staysPaused];
    return { json: { answers }, text: lines.map(printable).join('\n') };
  },
};

/** Approvers lift what signers remember; what a guard on a chain remembers is not theirs. */
const staysPaused = 'A vault that was paused on chain stays paused: only cold governance unpauses it.';

/** What a halt stops, in words. */
export function scopeText({ network, asset }: HaltScope): string {
  return asset ?? network ?? 'everything';
}

function answerLines(answers: SignerAnswers['answers']): string[] {
  return answers.map(({ signer, state, code, message }) =>
    state === 'accepted' ? `${signer} accepted` : `${signer} ${state}: ${code} ${message}`,
  );
}
