import { emergencyHash, encodeEmergency } from '@holdfast/core/chains/evm/emergency-desk.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { evmChainId, parseNetworkId } from '@holdfast/core/money/network.ts';
import type { EvmNetworkPolicy } from '@holdfast/core/policy/policy.ts';
import type { EmergencyAct, EmergencyAuthorisation } from '@holdfast/core/signing/emergency.ts';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { DigestSigner } from '../keys/digest-signer.ts';

/** What is signed must be worth little once people have looked. Seconds. */
export const deadlineDefaultS = 3_600;
export const deadlineMaxS = 86_400;

/**
 * Signs an act at the emergency desk that the policy names. Whoever has the result can have it done, once, until its
 * deadline: record it before it leaves.
 * @param input `nonce` of 256 bits, `deadlineS` Unix time, `nowS` this host's.
 * @throws Failure emergency-refused: no desk there, the key is not at it by the policy, or the deadline is not ahead or too far.
 */
export async function authorise(input: {
  readonly network: Pick<EvmNetworkPolicy, 'network' | 'emergency'>;
  readonly key: DigestSigner;
  readonly act: EmergencyAct;
  readonly nonce: bigint;
  readonly deadlineS: number;
  readonly nowS: number;
}): Promise<EmergencyAuthorisation> {
  const { key, act, nonce, deadlineS, nowS } = input;
  const { network, emergency } = input.network;
  if (!emergency) throw new Failure('emergency-refused', `the policy names no emergency desk on ${network}`);
  const { desk, keys } = emergency;
  if (!keys.some((one) => one.toLowerCase() === key.address.toLowerCase()))
    throw new Failure('emergency-refused', `${key.address} is no emergency key of ${network} by the policy`);
  if (deadlineS <= nowS || deadlineS > nowS + deadlineMaxS)
    throw new Failure('emergency-refused', `a deadline ${deadlineS - nowS} s ahead; 1 to ${deadlineMaxS}`);
  const order = { act, nonce, deadlineS: BigInt(deadlineS) };
  const chainId = evmChainId(parseNetworkId(network));
  const signature = bytesToHex(await key.sign(emergencyHash({ chainId, desk, order })));
  return {
    version: 1,
    network,
    desk,
    act,
    nonce: nonce.toString(),
    deadline_s: deadlineS,
    key: key.address,
    signature,
    calldata: encodeEmergency(order, signature),
  };
}
