import { canonicalText } from '@holdfast/core/cold/parse-canonical.ts';
import { ColdCard } from '@holdfast/core/cold/setup.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { kdfDefaults } from '@holdfast/core/sealing/seal.ts';
import { statementDigestHex } from '@holdfast/core/signing/statement.ts';
import { askPassphrase } from './cold-ask.ts';
import { haveKeys, makeKeys, openKeys, Strength } from './cold-keys.ts';
import { writeNew } from './cold-files.ts';
import { linesText, spokenDigest } from './cold-text.ts';
import { given, type OptionValues, type Result } from './command.ts';
import { fitJson } from './read-json-file.ts';

/**
 * `holdfast cold keygen FOLDER --name NAME`: a custodian's keys are born here and sealed; what is printed is public. Run again it
 * prints the same card.
 */
export async function coldKeygen(folder: string, values: OptionValues): Promise<Result> {
  const { name, out } = given(values, 'name', 'out');
  const isNew = !haveKeys(folder);
  if (isNew) fitJson(name, ColdCard.properties.name, '--name');
  const passphrase = await askPassphrase(isNew);
  const card = isNew
    ? await makeKeys(folder, String(name), passphrase, strengthOf(values))
    : await cardIn(folder, passphrase);
  passphrase.fill(0);
  if (name !== undefined && card.name !== name)
    throw new Failure('invalid-request', `${folder} holds the keys of ${card.name}, not of ${name}`, {
      fix: 'Name another folder.',
    });
  if (out !== undefined) writeNew(out, canonicalText(card));
  const digest = statementDigestHex('cold-card', card);
  return {
    json: { card, digest },
    text: [
      linesText([
        ['custodian', card.name],
        ['bitcoin', card.bitcoin],
        ['evm', card.evm],
        ...(out === undefined ? [] : [['card in', out] as const]),
      ]),
      '',
      `digest       ${spokenDigest(digest)}`,
      'Read the digest to the other custodians when they make the setup.',
    ].join('\n'),
  };
}

async function cardIn(folder: string, passphrase: Uint8Array): Promise<ColdCard> {
  const keys = await openKeys(folder, passphrase);
  keys.wipe();
  return keys.card;
}

function strengthOf(values: OptionValues): Strength | undefined {
  const { 'kdf-memory-kib': memory, 'kdf-passes': passes } = given(values, 'kdf-memory-kib', 'kdf-passes');
  if (memory === undefined && passes === undefined) return undefined;
  if (!/^[0-9]{1,7}$/.test(memory ?? '') || !/^[0-9]{1,2}$/.test(passes ?? ''))
    throw new Failure('invalid-request', 'give both --kdf-memory-kib and --kdf-passes, or neither');
  const asked = { memory_kib: Number(memory), passes: Number(passes) };
  const strength = fitJson(asked, Strength, '--kdf-memory-kib and --kdf-passes');
  const isWeak = strength.memory_kib < kdfDefaults.memory_kib || strength.passes < kdfDefaults.passes;
  if (isWeak && values['weak-for-tests'] !== true) {
    throw new Failure(
      'invalid-request',
      `${memory} KiB and ${passes} passes are weaker than ${kdfDefaults.memory_kib} KiB and ${kdfDefaults.passes} passes`,
      { fix: 'Leave both options away. Only keys of tests are sealed more weakly, with --weak-for-tests.' },
    );
  }
  return strength;
}
