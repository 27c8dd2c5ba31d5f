import { Failure } from '@holdfast/core/failure.ts';
import { formatUnits } from '@holdfast/core/money/base-units.ts';
import { intentDigest, WithdrawalIntent } from '@holdfast/core/signing/intent.ts';
import { type FileCommand, given, type OptionValues, type Result } from './command.ts';
import { printable } from './format-table.ts';
import { readJson } from './policy-file.ts';
import { fitJson } from './read-json-file.ts';

/** What an asset's amounts are shown in. */
interface Unit {
  /** Null where only the number of decimals is known. */
  readonly code: string | null;
  readonly decimals: number;
}

const minuteMs = 60_000;

/** `holdfast intent FILE`: what an approver is about to approve, by a machine that needs no server and no network. */
export const intent: FileCommand = {
  summary: 'what an intent pays, its digest and the challenge to approve it with; offline',
  usage: [
    'FILE [--digest HEX] [--decimals N]',
    '--digest HEX   ends with 1 unless the digest is this one',
    '--decimals N   of a token, as you know them: amounts are shown in units too',
  ],
  options: { digest: { type: 'string' }, decimals: { type: 'string' } },
  async run([file, ...more], values) {
    if (file === undefined || more.length > 0) throw new Failure('invalid-request', 'usage: holdfast intent FILE');
    const expected = expectedDigest(values);
    const read = readIntent(file);
    return resultOf(read, unitOf(read, values), expected);
  },
};

function resultOf(read: WithdrawalIntent, unit: Unit | null, expected: string | null): Result {
  const bytes = Buffer.from(intentDigest(read));
  const digest = bytes.toString('hex');
  const challenge = bytes.toString('base64url');
  const matches = expected === null ? null : expected === digest;
  const verdict =
    matches === null ? [] : [matches ? 'the same digest' : `ANOTHER DIGEST than ${expected}: do not approve`];
  return {
    json: { digest, challenge, digest_matches: matches, intent: read, unit },
    text: [
      ...fieldsOf(read, unit).map(([name, text]) => `${name.padEnd(12)} ${printable(text)}`),
      '',
      `digest       ${digest}`,
      `challenge    ${challenge}`,
      ...verdict,
    ].join('\n'),
    ...(matches === false && { exitCode: 1 }),
  };
}

/** Every field, none shortened: what is not shown is approved all the same. */
function fieldsOf(read: WithdrawalIntent, unit: Unit | null): (readonly [string, string])[] {
  return [
    ['kind', `${read.kind}, version ${read.version}`],
    ['network', read.network],
    ['asset', read.asset],
    ['amount', amountText(read.amount, unit)],
    ['destination', read.destination],
    // In quotes: a memo may be written to look like a missing one, or like another field.
    ['memo', read.memo === null ? 'none' : JSON.stringify(read.memo)],
    ['fee at most', amountText(read.fee_max, unit)],
    ['customer', read.customer],
    ['expires', expiryText(read)],
    ['nonce', read.nonce],
  ];
}

function amountText(amount: string, unit: Unit | null): string {
  const base = `${amount} base units`;
  if (unit === null) return base;
  const units = formatUnits(BigInt(amount), unit.decimals);
  return unit.code === null ? `${units} at ${unit.decimals} decimals (${base})` : `${units} ${unit.code} (${base})`;
}

function expiryText({ expires_at: text }: WithdrawalIntent): string {
  const leftMs = Date.parse(text) - Date.now();
  if (leftMs <= 0) return `${text}, PAST by the clock of this machine`;
  return `${text}, in ${Math.floor(leftMs / minuteMs)} minutes by the clock of this machine`;
}

/** An intent, or whatever carries one under `intent`: a request, or an intent with its evidence. @throws Failure invalid-request */
function readIntent(file: string): WithdrawalIntent {
  const value = readJson(file);
  const carried = typeof value === 'object' && value !== null && 'intent' in value ? value.intent : value;
  if (typeof carried === 'object' && carried !== null && 'object' in carried) {
    throw new Failure('invalid-request', `${file} is what the API shows of a withdrawal: no digest follows from it`, {
      fix: 'Ask the integrator for the intent itself, with its fee_max and nonce.',
    });
  }
  const read = fitJson(carried, WithdrawalIntent, file);
  // The schema lets a 40th of month 13 pass, and a 31st of February, which machines read as a day of March.
  const ms = Date.parse(read.expires_at);
  if (Number.isNaN(ms) || new Date(ms).toISOString() !== read.expires_at) {
    throw new Failure('invalid-request', `${file}: /expires_at is no day and time`);
  }
  return read;
}

/** Known for the chains' own coins; the decimals of a token are in its contract, and no contract is asked here. */
function unitOf({ network, asset }: WithdrawalIntent, values: OptionValues): Unit | null {
  const { decimals } = given(values, 'decimals');
  if (decimals !== undefined) {
    if (!/^([0-9]|[1-6][0-9]|7[0-7])$/.test(decimals)) throw new Failure('invalid-request', '--decimals takes 0 to 77');
    return { code: null, decimals: Number(decimals) };
  }
  // CAIP-19 with the coin types of SLIP-44.
  if (network.startsWith('eip155:') && asset === `${network}/slip44:60`) return { code: 'ETH', decimals: 18 };
  if (network.startsWith('bip122:') && asset === `${network}/slip44:0`) return { code: 'BTC', decimals: 8 };
  return null;
}

function expectedDigest(values: OptionValues): string | null {
  const { digest } = given(values, 'digest');
  if (digest === undefined) return null;
  if (/^[0-9a-fA-F]{64}$/.test(digest)) return digest.toLowerCase();
  throw new Failure('invalid-request', '--digest takes 64 hex digits');
}
