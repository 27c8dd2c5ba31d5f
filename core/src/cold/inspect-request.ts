import { Failure } from '../failure.ts';
import { inspectBitcoinRecovery, inspectBitcoinRefill } from './inspect-bitcoin.ts';
import { strangersOf } from './inspect-governance.ts';
import { inspectSafeGovernance, inspectSafeRefill } from './inspect-safe.ts';
import type { ChainReading, ColdReading } from './reading.ts';
import { type ColdRequest, requestDigest } from './request.ts';
import { type ColdSetup, setupDigest } from './setup.ts';

/**
 * Reads a request by the setup that this machine pins: what it would do, in full, and the hashes that a custodian signs, all
 * computed from its bytes. Expiry is the caller's, who has a clock (`refuseUntimely`).
 * @throws Failure cold-setup-differs, unknown-network, cold-request-invalid, and what the inspector of its chain refuses.
 */
export function inspectColdRequest(request: ColdRequest, setup: ColdSetup): ColdReading {
  const pinned = setupDigest(setup);
  if (request.setup !== pinned)
    throw new Failure(
      'cold-setup-differs',
      `the request is for the setup ${request.setup}; this machine pins ${pinned}`,
    );
  const digest = requestDigest(request);
  const { lines, ...rest } = readChain(request, setup);
  const evm = setup.evm.find((one) => one.network === request.network);
  const strangers = evm ? strangersOf(lines, evm) : [];
  return {
    digest,
    lines: [
      ['network', request.network],
      ...lines,
      ['made', request.created_at],
      ['expires', request.expires_at],
      ['setup', request.setup],
      // Again, and last: beside the digest nobody overlooks them.
      ...strangers.map((address) => ['UNKNOWN', `the setup does not know ${address}`] as const),
    ],
    ...rest,
  };
}

function readChain({ kind, network, payload }: ColdRequest, setup: ColdSetup): ChainReading {
  if ('psbt' in payload) {
    if (setup.bitcoin?.network !== network) throw unknownNetwork(network);
    if (kind === 'refill') return inspectBitcoinRefill(payload, setup);
    if (kind === 'recovery') return inspectBitcoinRecovery(payload, setup);
  } else {
    const evm = setup.evm.find((one) => one.network === network);
    if (!evm) throw unknownNetwork(network);
    if (kind === 'refill') return inspectSafeRefill(payload.safe_transaction, evm);
    if (kind === 'governance') return inspectSafeGovernance(payload.safe_transaction, evm);
  }
  throw new Failure('cold-request-invalid', `no ${kind} on ${network}`);
}

function unknownNetwork(network: string): Failure {
  return new Failure('unknown-network', `the setup has no such network: ${network}`, {
    fix: 'Ask for a request of a network that the setup lists.',
  });
}
