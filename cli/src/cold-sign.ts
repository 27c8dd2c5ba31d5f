import { existsSync } from 'node:fs';
import { openBeside, registerAbort, registerSigning } from '@holdfast/core/cold/decide-register.ts';
import { inspectColdRequest } from '@holdfast/core/cold/inspect-request.ts';
import { canonicalText } from '@holdfast/core/cold/parse-canonical.ts';
import { type ColdPartial, parseColdRequest, refuseUntimely } from '@holdfast/core/cold/request.ts';
import type { ColdSetup } from '@holdfast/core/cold/setup.ts';
import { refuseInvalid } from '@holdfast/core/cold/verify-partials.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { askPassphrase, confirmDigest } from './cold-ask.ts';
import { readText, writeNew } from './cold-files.ts';
import { openKeys, pinnedSetup, readRegister, writeRegister } from './cold-keys.ts';
import { withLock } from './cold-lock.ts';
import { neededOption, setupOf } from './cold-setup.ts';
import { openText, readingText, spokenDigest } from './cold-text.ts';
import { given, type OptionValues, type Result } from './command.ts';

/** `holdfast cold show REQUEST`: what a request would do, decoded here; signs nothing. */
export function coldShow(file: string, values: OptionValues): Result {
  const request = parseColdRequest(readText(file));
  const reading = inspectColdRequest(request, setupOf(values));
  return {
    json: { digest: reading.digest, request, lines: reading.lines, spends: reading.spends },
    text: readingText(reading, request.expires_at),
  };
}

/**
 * `holdfast cold sign REQUEST --keys FOLDER --out FILE`: shows it, has the custodian say the digest that they compared, and writes
 * their partial signature. The register is on the disk before a signature is made.
 */
export async function coldSign(file: string, values: OptionValues): Promise<Result> {
  const folder = neededOption(values, 'keys');
  const out = neededOption(values, 'out');
  const setup = pinnedSetup(folder);
  const request = parseColdRequest(readText(file));
  const reading = inspectColdRequest(request, setup);
  refuseUntimely(request, Date.now());
  const register = readRegister(folder);
  // Here for an early answer; it is decided again once the custodian has answered.
  registerSigning(register, reading, Date.now());
  if (existsSync(out)) throw new Failure('invalid-request', `${out} is there already`, { fix: 'Name another file.' });
  await confirmDigest({
    digest: reading.digest,
    shown: `${openText(openBeside(register, reading))}${readingText(reading, request.expires_at)}`,
    given: given(values, 'digest').digest,
    asJson: values['json'] === true,
    isWhole: false,
  });
  const passphrase = await askPassphrase(false);
  const keys = await openKeys(folder, passphrase);
  passphrase.fill(0);
  try {
    const custodian = ownEntry(setup, keys.card);
    // Again: the custodian may have thought about it for a long time.
    refuseUntimely(request, Date.now());
    withLock(folder, () => writeRegister(folder, registerSigning(readRegister(folder), reading, Date.now())));
    const signatures = reading.hashes.map((hash) => keys.sign(hash));
    const partial: ColdPartial = { version: 1, request: reading.digest, custodian: custodian.name, signatures };
    // A fault in the making of a signature can give a key away.
    refuseInvalid(partial, custodian, reading, out);
    writeNew(out, canonicalText(partial));
    return {
      json: { file: out, request: reading.digest, custodian: custodian.name, signatures: signatures.length },
      text: `Signed by ${custodian.name}: ${signatures.length} ${signatures.length === 1 ? 'signature' : 'signatures'} in ${out}.`,
    };
  } finally {
    keys.wipe();
  }
}

/** `holdfast cold abort DIGEST --keys FOLDER`: drops a request that was signed here, so that another may use the same coins or nonce. */
export function coldAbort(digest: string, values: OptionValues): Result {
  const folder = neededOption(values, 'keys');
  const whole = digest.replaceAll(' ', '').toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(whole))
    throw new Failure('invalid-request', 'an abort names the whole digest, 64 hex digits');
  withLock(folder, () => writeRegister(folder, registerAbort(readRegister(folder), whole, Date.now())));
  return {
    json: { aborted: whole },
    text: [
      `Aborted here: ${spokenDigest(whole)}`,
      'A signature that has left this machine still counts until the coins or the nonce are used otherwise.',
    ].join('\n'),
  };
}

function ownEntry(
  setup: ColdSetup,
  card: { name: string; bitcoin: string; evm: string },
): ColdSetup['custodians'][number] {
  const entry = setup.custodians.find(({ name }) => name === card.name);
  if (entry?.bitcoin === card.bitcoin && entry.evm === card.evm) return entry;
  throw new Failure('cold-setup-differs', `the pinned setup does not hold the keys of ${card.name}`);
}
