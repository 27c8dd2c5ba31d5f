import { canonicalText, parseCanonical } from '@holdfast/core/cold/parse-canonical.ts';
import { makeSetup, parseSetup } from '@holdfast/core/cold/parse-setup.ts';
import { ColdCard, type ColdSetup, ColdSetupDraft, setupDigest } from '@holdfast/core/cold/setup.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { statementDigestHex } from '@holdfast/core/signing/statement.ts';
import { askPassphrase, confirmDigest } from './cold-ask.ts';
import { readText, writeNew } from './cold-files.ts';
import { openKeys, pinnedSetup, pinSetup } from './cold-keys.ts';
import { linesText, spokenDigest } from './cold-text.ts';
import { given, type OptionValues, type Result } from './command.ts';
import { readJsonFile } from './read-json-file.ts';

/** `holdfast cold setup DRAFT CARD...`: the setup of five custodians, to be pinned by each. */
export function coldSetup([draftFile = '', ...cardFiles]: readonly string[], values: OptionValues): Result {
  const out = neededOption(values, 'out');
  const draft = readJsonFile(draftFile, ColdSetupDraft);
  const cards = cardFiles.map((file) => parseCanonical(readText(file), ColdCard, file, 'cold-setup-invalid'));
  const setup = makeSetup(draft, cards);
  writeNew(out, canonicalText(setup));
  return resultOf(setup, [
    `Written to ${out}. Every custodian compares the digest and pins it with holdfast cold accept.`,
  ]);
}

/** `holdfast cold accept SETUP --keys FOLDER`: pins a setup whose digest the custodians have compared, for good. */
export async function coldAccept(file: string, values: OptionValues): Promise<Result> {
  const folder = neededOption(values, 'keys');
  const setup = parseSetup(readText(file));
  const passphrase = await askPassphrase(false);
  const { card, wipe } = await openKeys(folder, passphrase);
  wipe();
  passphrase.fill(0);
  const own = setup.custodians.find(({ name }) => name === card.name);
  if (own?.bitcoin !== card.bitcoin || own.evm !== card.evm) {
    throw new Failure(
      'cold-setup-differs',
      `the setup does not hold the keys of ${card.name}, which are in ${folder}`,
      {
        fix: 'Pin nothing. Have the setup made again, with the card that holdfast cold keygen prints.',
      },
    );
  }
  await confirmDigest({
    digest: setupDigest(setup),
    shown: resultOf(setup, []).text,
    given: given(values, 'digest').digest,
    asJson: values['json'] === true,
    isWhole: true,
  });
  pinSetup(folder, setup);
  return resultOf(setup, [`Pinned in ${folder}.`]);
}

/** The setup that a key folder pins, or that a file holds, for machines without keys. */
export function setupOf(values: OptionValues): ColdSetup {
  const { keys, setup } = given(values, 'keys', 'setup');
  if ((keys === undefined) === (setup === undefined))
    throw new Failure('invalid-request', 'name either the key folder with --keys or the setup with --setup');
  return keys === undefined ? parseSetup(readText(String(setup))) : pinnedSetup(keys);
}

/** @throws Failure invalid-request */
export function neededOption(values: OptionValues, name: string): string {
  const value = values[name];
  if (typeof value === 'string' && value !== '') return value;
  throw new Failure('invalid-request', `--${name} is missing`, { fix: 'holdfast cold --help lists the options.' });
}

function resultOf(setup: ColdSetup, notes: readonly string[]): Result {
  const digest = setupDigest(setup);
  const { bitcoin, custodians, evm } = setup;
  const lines: (readonly [string, string])[] = [
    ...custodians.flatMap((one): (readonly [string, string])[] => [
      ['custodian', `${one.name}, card ${spokenDigest(statementDigestHex('cold-card', { version: 1, ...one }))}`],
      ['  bitcoin', one.bitcoin],
      ['  evm', one.evm],
    ]),
    ...(bitcoin
      ? ([
          ['network', bitcoin.network],
          ['  cold', `${bitcoin.cold_address}, 3 of 5`],
          ...hotLines(bitcoin),
          ['  fee', `at most ${bitcoin.fee_max_sats} sats, and ${bitcoin.fee_rate_max_sat_vb} sat/vB`],
        ] as const)
      : []),
    ...evm.flatMap((one): (readonly [string, string])[] => [
      ['network', `${one.network}, ${one.coin}`],
      ['  cold Safe', one.cold_safe],
      ['  hot Safe', one.hot_safe],
      ...one.tokens.map(
        (token) => ['  token', `${token.code}, ${token.contract}, ${token.decimals} decimals`] as const,
      ),
      ...one.contracts.map(({ kind, address }) => ['  contract', `${kind}, ${address}`] as const),
    ]),
  ];
  return {
    json: { digest, setup },
    text: [linesText(lines), '', `digest       ${spokenDigest(digest)}`, ...notes].join('\n'),
  };
}

/** What somebody compares with the signers' ceremony. */
function hotLines({ hot }: NonNullable<ColdSetup['bitcoin']>): (readonly [string, string])[] {
  if (!('kind' in hot))
    return [
      ['  hot key', hot.group_key],
      ['  chain code', hot.chain_code],
    ];
  const keys = hot.keys.toSorted().map((key) => ['  hot key', key] as const);
  return [
    ['  hot', `${hot.threshold} of ${hot.keys.length} keys of the signers; custodians cannot recover it`],
    ...keys,
  ];
}
