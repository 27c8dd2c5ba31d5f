import { parseEvmAddress } from '@holdfast/core/chains/evm/address.ts';
import { forwarderAddress, forwarderSalt } from '@holdfast/core/chains/evm/forwarder.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { EvmNetworkPolicy } from '@holdfast/core/policy/policy.ts';
import type { ReviewedTransaction } from '@holdfast/core/signing/decide-acceptance.ts';
import type { SignEvmRequest, SignerRequest, SignerResponse } from '@holdfast/core/signing/messages.ts';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { DigestSigner } from '../keys/digest-signer.ts';
import { assertEnoughNodes } from '../nodes/assert-enough-nodes.ts';
import { findDeadSafeTransactions } from '../nodes/dead-safe-transactions.ts';
import { readSafe } from '../nodes/evm-node.ts';
import type { SendRpc } from '../nodes/json-rpc.ts';
import { evmPolicyOf } from '../review/review-context.ts';
import { checkNonce, reviewEvm } from '../review/review-evm.ts';
import { refuseStopped } from './accept-reviewed.ts';
import { bindAddress, evmEpoch } from './bind-address.ts';
import { buryDead } from './bury-dead.ts';
import { journalSigned } from './journal-signed.ts';
import { reserveTogether } from './reserve-together.ts';
import { assertBlockTime, beginSigning, type Judgement, type WalletDeps } from './wallet.ts';

export interface EvmWallet {
  readonly address: (request: SignerRequest<'/v1/address'>) => Promise<SignerResponse<'/v1/address'>>;
  readonly sign: (request: SignEvmRequest) => Promise<SignerResponse<'/v1/sign/evm'>>;
  /** The review of a request that another signer wants to sign, without demanding an answer of a node. @throws Failure with the reason of the refusal. */
  readonly judge: (request: SignEvmRequest, by: Judgement) => Promise<ReviewedTransaction>;
}

/** One EVM network: a Safe of which this signer is one owner. */
export function createEvmWallet(
  name: string,
  owner: DigestSigner,
  endpoints: readonly SendRpc[],
  deps: WalletDeps,
): EvmWallet {
  const { journal, verifiers } = deps;

  const address: EvmWallet['address'] = async (request) => {
    const network = evmPolicyOf(deps.policies.current(journal.nowMs()), name);
    const derived = forwarderAddress({
      factory: parseEvmAddress(network.forwarder_factory),
      initCodeHash: `0x${network.forwarder_init_code_hash}`,
      salt: forwarderSalt(request.customer, request.index),
    });
    return bindAddress(deps, request, { address: derived, epoch: evmEpoch });
  };

  const bury = async (reviewed: Omit<ReviewedTransaction, 'height'>, network: EvmNetworkPolicy): Promise<void> =>
    buryDead(journal, reviewed, network, endpoints.length, async (earlier) =>
      findDeadSafeTransactions(endpoints, network, earlier, network.finality_blocks),
    );

  const judge: EvmWallet['judge'] = async (request, { policy, nowMs }) => {
    const network = evmPolicyOf(policy, name);
    const { reviewed } = reviewEvm(request, { policy, network, state: journal.state, verifiers, nowMs });
    // Only an earlier transaction in the way makes it ask a node.
    await bury(reviewed, network);
    return { ...reviewed, height: deps.watchedHeight(name) };
  };

  const sign: EvmWallet['sign'] = async (request) => {
    const { policy, nowMs } = beginSigning(deps);
    const network = evmPolicyOf(policy, name);
    assertOwner(network, owner.address);
    const { reviewed: decoded, hash } = reviewEvm(request, {
      policy,
      network,
      state: journal.state,
      verifiers,
      nowMs,
    });
    refuseStopped(journal, { ...decoded, height: 0 });
    assertEnoughNodes(endpoints, network);
    const view = await readSafe(endpoints, network);
    assertBlockTime(view.blockTimeMs, nowMs, network);
    checkNonce(request.safe_transaction, view);
    const reviewed = { ...decoded, height: view.height };
    await bury(reviewed, network);
    const signing = { family: 'evm', body: request } as const;
    const permit = await reserveTogether(deps, { request: signing, reviewed, policy, network });
    // First what may still fail, as an HSM does: the journal must not say that something left that did not. A halt that came
    // meanwhile still stops it.
    const signature = await owner.sign(hash);
    await journalSigned(deps, permit);
    return { owner: owner.address, safe_tx_hash: bytesToHex(hash), signature: bytesToHex(signature) };
  };
  return { address, sign, judge };
}

function assertOwner(network: EvmNetworkPolicy, owner: string): void {
  if (network.safe_owners.some((one) => one.toLowerCase() === owner.toLowerCase())) return;
  throw new Failure('chain-mismatch', `this signer, ${owner}, is no owner of the Safe ${network.safe}`);
}
