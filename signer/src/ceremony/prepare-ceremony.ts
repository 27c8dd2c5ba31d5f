import { Failure } from '@holdfast/core/failure.ts';
import { ceremonyDigest, type CeremonyTranscript } from '@holdfast/core/policy/ceremony.ts';
import { decidePolicy } from '@holdfast/core/policy/decide-policy.ts';
import { policyDigest } from '@holdfast/core/policy/policy.ts';
import type { Verifiers } from '@holdfast/core/signing/verifiers.ts';
import type { SignerConfig } from '../config.ts';
import type { SignerCardKeys } from '../init.ts';
import { readPolicyFile } from '../policy/policy-files.ts';
import { buildTranscript } from './build-transcript.ts';

export interface PreparedCeremony {
  readonly transcript: CeremonyTranscript;
  /** 64 hex digits: what the administrators read to each other. */
  readonly digest: string;
}

/**
 * What the ceremony would fix with the config, the keys and `policies/1.json` as they are now. Changes nothing.
 * @throws Failure policy-missing; policy-invalid when version 1 has mistakes or too few signatures of its own
 * administrators, or does not list this signer's emergency key; config-invalid.
 */
export function prepareCeremony(
  dataDir: string,
  config: SignerConfig,
  card: SignerCardKeys,
  verifiers: Verifiers,
): PreparedCeremony {
  const signed = readPolicyFile(dataDir, 1);
  decidePolicy({ inForce: null, pending: [], signed, ed25519: verifiers.ed25519, nowMs: 0 });
  for (const network of signed.policy.networks) {
    if (network.family !== 'evm' || network.emergency === undefined) continue;
    // Only its holder knows that a key which is missing there was meant to be there.
    const keys = network.emergency.keys.map((key) => key.toLowerCase());
    if (!keys.includes(card.emergency_address.toLowerCase()))
      throw new Failure(
        'policy-invalid',
        `${network.network} lists ${card.emergency_address} among no emergency keys`,
        {
          fix: 'Deploy the desk with the key of every signer’s card, and name them in the policy.',
        },
      );
  }
  const transcript = buildTranscript(config, card, policyDigest(signed.policy));
  return { transcript, digest: ceremonyDigest(transcript) };
}
