import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '@holdfast/core/failure.ts';
import { ceremonyDigest, CeremonyTranscript } from '@holdfast/core/policy/ceremony.ts';
import { canonicalJson } from '@holdfast/core/signing/intent.ts';
import type { SignerConfig } from '../config.ts';
import type { SignerCardKeys } from '../init.ts';
import type { Journal } from '../journal/journal.ts';
import { parseValue } from '../parse.ts';
import { buildTranscript } from './build-transcript.ts';

/** Below the data folder: the transcript that was accepted. */
export const ceremonyName = 'ceremony.json';

/**
 * The ceremony that this signer accepted, which its config and its keys must still say: a certificate or an address that
 * somebody exchanged in config.json afterwards is found here.
 * @throws Failure config-invalid before the ceremony, or when its file is gone; ceremony-differs.
 */
export function openCeremony(
  dataDir: string,
  config: SignerConfig,
  journal: Pick<Journal, 'state'>,
  card: SignerCardKeys,
): { readonly transcript: CeremonyTranscript; readonly digest: string } {
  const { ceremony: digest } = journal.state;
  if (digest === null) {
    throw new Failure('config-invalid', 'this signer has accepted no key ceremony', {
      fix: 'Run the ceremony command and compare its digest with all signers: docs/how-to/run-a-key-ceremony.md.',
    });
  }
  const transcript = readTranscript(join(dataDir, ceremonyName));
  if (ceremonyDigest(transcript) !== digest)
    throw new Failure('ceremony-differs', `${ceremonyName} is not the transcript that was accepted`, acceptAgain);
  const now = buildTranscript(config, card, transcript.policy);
  if (ceremonyDigest(now) !== digest)
    throw new Failure('ceremony-differs', `config.json differs from the ceremony in ${differenceOf(transcript, now)}`, {
      fix: 'Put back what the ceremony fixed. Other signers, keys or certificates need a new ceremony.',
    });
  return { transcript, digest };
}

const acceptAgain = { fix: 'Run ceremony --accept again with the same digest; it writes the file anew.' };

function readTranscript(path: string): CeremonyTranscript {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new Failure('config-invalid', `${path} cannot be read as JSON`, { ...acceptAgain, cause });
  }
  return parseValue(CeremonyTranscript, value, 'config-invalid', path);
}

/** Which part an administrator has to look at. */
function differenceOf(accepted: CeremonyTranscript, now: CeremonyTranscript): string {
  if (accepted.quorum !== now.quorum) return `the quorum (${accepted.quorum} accepted, ${now.quorum} now)`;
  if (accepted.server_fingerprint !== now.server_fingerprint) return "the server's fingerprint";
  const texts = new Set(accepted.signers.map((signer) => canonicalJson(signer)));
  const other = now.signers.find((signer) => !texts.has(canonicalJson(signer)));
  return other ? `what it says of ${other.signer}` : 'the number of signers';
}
