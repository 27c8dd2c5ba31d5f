import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { Failure } from '@holdfast/core/failure.ts';
import { readText } from './cold-files.ts';

/** Where a custodian types. */
export interface Terminal {
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly output: NodeJS.WritableStream;
}

const ownTerminal: Terminal = { input: process.stdin, output: process.stdout };

/**
 * Asks for a line. @param hidden nothing of what is typed is shown.
 * @throws Failure invalid-request when nobody sits there, or types Ctrl-C.
 */
export async function askLine(question: string, hidden: boolean, terminal: Terminal = ownTerminal): Promise<string> {
  if (terminal.input.isTTY !== true)
    throw new Failure('invalid-request', `there is no terminal to ask for: ${question}`, {
      fix: 'Run it at a terminal; or give --digest, and the passphrase by HOLDFAST_PASSPHRASE_FILE.',
    });
  if (hidden) terminal.output.write(question);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: terminal.input, output: hidden ? nowhere : terminal.output, terminal: true });
  try {
    return await lines.question(hidden ? '' : question);
  } catch (cause) {
    // Ctrl-C, Ctrl-D.
    throw new Failure('invalid-request', 'nothing was typed', { cause, fix: 'Nothing was done. Run it again.' });
  } finally {
    lines.close();
    if (hidden) terminal.output.write('\n');
  }
}

/**
 * The passphrase, from the file that HOLDFAST_PASSPHRASE_FILE names (a final newline is not part of it) or typed.
 * @param isNew asks twice.
 */
export async function askPassphrase(isNew: boolean): Promise<Uint8Array> {
  const file = process.env['HOLDFAST_PASSPHRASE_FILE'];
  const typed = file === undefined ? await askLine('Passphrase: ', true) : readText(file).replace(/\r?\n$/, '');
  if (typed === '') throw new Failure('wrong-passphrase', 'the passphrase is empty', { fix: 'Choose one.' });
  if (isNew && file === undefined && (await askLine('Again: ', true)) !== typed)
    throw new Failure('wrong-passphrase', 'the two passphrases differ', { fix: 'Type it anew. Nothing was written.' });
  return Buffer.from(typed, 'utf8');
}

const digestDigits = 64;
/** Half the digest: who chooses bytes of a card or a request can find two that begin alike in fewer. */
const typedDigitsMin = 32;

interface Confirmation {
  readonly digest: string;
  /** What it stands for, in words; always printed before. */
  readonly shown: string;
  /** Of --digest, all 64 digits; undefined asks at the terminal. */
  readonly given: string | undefined;
  /** That `shown` goes to stderr: stdout is for a program. */
  readonly asJson: boolean;
  /** That all digits are to be typed; else half of them are enough. */
  readonly isWhole: boolean;
}

/**
 * Has the custodian say which digest they have compared: by --digest, or by typing it after reading `shown`.
 * @throws Failure cold-digest-differs
 */
export async function confirmDigest(
  { digest, shown, given, asJson, isWhole }: Confirmation,
  terminal: Terminal = ownTerminal,
): Promise<void> {
  const at = asJson ? { ...terminal, output: process.stderr } : terminal;
  at.output.write(`${shown}\n\n`);
  const digitsMin = isWhole || given !== undefined ? digestDigits : typedDigitsMin;
  const wanted = digitsMin === digestDigits ? `All ${digestDigits}` : `The first ${digitsMin}`;
  const question = `${wanted} digits of the digest that you have compared: `;
  const typed = (given ?? (await askLine(question, false, at))).replaceAll(' ', '').toLowerCase();
  if (typed.length >= digitsMin && digest.startsWith(typed)) return;
  const said =
    typed.length < digitsMin
      ? `only ${typed.length} digits were given, of ${digitsMin}`
      : `not ${typed.slice(0, digestDigits)}`;
  throw new Failure('cold-digest-differs', `the digest is ${digest}: ${said}`);
}
