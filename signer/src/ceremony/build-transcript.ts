import { parseEvmAddress } from '@holdfast/core/chains/evm/address.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { CeremonyTranscript } from '@holdfast/core/policy/ceremony.ts';
import { quorumDefault, type SignerConfig } from '../config.ts';
import type { SignerCardKeys } from '../init.ts';

/**
 * What this signer was told of all signers, itself included: every honest one comes to the same.
 * @param card of this signer's own keys, as they are on its disk.
 * @param policy digest of version 1.
 * @throws Failure config-invalid when a peer or the server has a key of this signer; invalid-address.
 */
export function buildTranscript(config: SignerConfig, card: SignerCardKeys, policy: string): CeremonyTranscript {
  const own = { signer: config.signer, identifier: config.identifier, ...card };
  const signers = [own, ...config.peers].map((one) => ({
    signer: one.signer,
    identifier: one.identifier,
    fingerprint: one.fingerprint,
    owner_address: parseEvmAddress(one.owner_address),
    statement_key: one.statement_key,
  }));
  const [self, ...others] = signers;
  for (const field of ['fingerprint', 'owner_address', 'statement_key'] as const) {
    const twin = others.find((other) => other[field] === self?.[field]);
    if (twin) throw new Failure('config-invalid', `${twin.signer} has this signer's own ${field}`);
  }
  if (config.server.fingerprint === card.fingerprint)
    throw new Failure('config-invalid', "the server has this signer's own fingerprint");
  return {
    version: 1,
    quorum: config.quorum ?? quorumDefault,
    signers: signers.sort((a, b) => a.identifier - b.identifier),
    server_fingerprint: config.server.fingerprint,
    policy,
  };
}
