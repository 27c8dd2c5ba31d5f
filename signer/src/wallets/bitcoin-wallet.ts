import { Failure } from '@holdfast/core/failure.ts';
import type { BitcoinNetworkPolicy } from '@holdfast/core/policy/policy.ts';
import type { ReviewedTransaction } from '@holdfast/core/signing/decide-acceptance.ts';
import type { SignBitcoinRequest, SignerRequest, SignerResponse } from '@holdfast/core/signing/messages.ts';
import type { FrostKey } from '../keys/frost-key.ts';
import type { SigningSessions } from '../keys/signing-sessions.ts';
import { walletChildren, type WalletChildren } from '../keys/wallet-children.ts';
import { assertEnoughNodes } from '../nodes/assert-enough-nodes.ts';
import { readBitcoinAmounts, readBitcoinFacts } from '../nodes/bitcoin-node.ts';
import { findDeadBitcoinTransactions } from '../nodes/dead-bitcoin-transactions.ts';
import type { SendRpc } from '../nodes/json-rpc.ts';
import { bitcoinFeeBound } from '../review/check-bitcoin-fee.ts';
import { feeSatsOf, reviewBitcoin } from '../review/review-bitcoin.ts';
import { reviewBitcoinOffline, type OfflineBitcoinReview } from '../review/review-bitcoin-offline.ts';
import { bitcoinPolicyOf } from '../review/review-context.ts';
import { refuseStopped } from './accept-reviewed.ts';
import { bindAddress } from './bind-address.ts';
import { buryDead } from './bury-dead.ts';
import type { ShareDesk } from './release-shares.ts';
import { reserveTogether } from './reserve-together.ts';
import { assertBlockTime, beginSigning, type Judgement, type WalletDeps } from './wallet.ts';

export interface BitcoinWallet {
  readonly address: (request: SignerRequest<'/v1/address'>) => Promise<SignerResponse<'/v1/address'>>;
  readonly commit: (request: SignBitcoinRequest) => Promise<SignerResponse<'/v1/sign/bitcoin/commit'>>;
  /**
   * The review of a request that another signer wants to sign, without demanding an answer of a node.
   * @throws Failure with the reason of the refusal.
   */
  readonly judge: (request: SignBitcoinRequest, by: Judgement) => Promise<ReviewedTransaction>;
  /** This wallet's children, by the policy in force. @throws Failure key-missing. */
  readonly children: () => WalletChildren;
}

const depositBranch = 0;
/** A peer waits for the answer: nodes that are slower leave the fee unknown. */
const feeLookupMs = 700;

interface Wallet {
  readonly key: FrostKey;
  readonly children: WalletChildren;
}

/** One Bitcoin network: P2TR children of a FROST key of which this signer has one share. */
export function createBitcoinWallet(
  name: string,
  confirmedKey: () => FrostKey | null,
  endpoints: readonly SendRpc[],
  sessions: Pick<SigningSessions, 'commit'>,
  shares: Pick<ShareDesk, 'opened'>,
  deps: WalletDeps,
): BitcoinWallet {
  const { journal, verifiers } = deps;
  const wallet = cachedWallet(name, confirmedKey);
  const feeOf = feeLookups();

  const address: BitcoinWallet['address'] = async (request) => {
    const { key, children } = wallet(bitcoinPolicyOf(deps.policies.current(journal.nowMs()), name));
    const derived = children.address([depositBranch, request.index]).address;
    return bindAddress(deps, request, { address: derived, epoch: key.epoch });
  };

  const offline = (request: SignBitcoinRequest, { policy, nowMs }: Judgement): OfflineBitcoinReview => {
    const network = bitcoinPolicyOf(policy, name);
    const derive = wallet(network).children.address;
    return reviewBitcoinOffline(request, { policy, network, state: journal.state, verifiers, nowMs, derive });
  };

  const bury = async (reviewed: OfflineBitcoinReview['reviewed'], network: BitcoinNetworkPolicy): Promise<void> =>
    buryDead(journal, reviewed, network, endpoints.length, async (earlier) =>
      findDeadBitcoinTransactions(endpoints, journal.state, earlier, network.finality_blocks),
    );

  const judge: BitcoinWallet['judge'] = async (request, by) => {
    const network = bitcoinPolicyOf(by.policy, name);
    const { tx, reviewed } = offline(request, by);
    // Already charged, for itself or for another peer; the transaction's id stands for its coins and outputs.
    const charged = journal.state.transactions.get(`${name} ${reviewed.txid}`)?.fee;
    if (charged !== undefined) return { ...reviewed, height: deps.watchedHeight(name), fee: charged };
    const bound = bitcoinFeeBound({ rawTx: request.raw_tx, tx, evacuation: reviewed.evacuation }, network);
    await bury(reviewed, network);
    const fee = (await feeOf(reviewed.txid, async () => lookUpFee(endpoints, network, tx))) ?? bound;
    return { ...reviewed, height: deps.watchedHeight(name), fee };
  };

  const commit: BitcoinWallet['commit'] = async (request) => {
    const judgement = beginSigning(deps);
    const { policy, nowMs } = judgement;
    const network = bitcoinPolicyOf(policy, name);
    const { key, children } = wallet(network);
    const decoded = offline(request, judgement);
    refuseStopped(journal, { ...decoded.reviewed, height: 0, fee: 0n });
    assertEnoughNodes(endpoints, network);
    const facts = await readBitcoinFacts(endpoints, network, decoded.tx.inputs);
    assertBlockTime(facts.blockTimeMs, nowMs, network);
    const { reviewed, inputs } = reviewBitcoin(request, decoded, { network, facts, derive: children.address });
    await bury(reviewed, network);
    const signing = { family: 'bitcoin', body: request } as const;
    const permit = await reserveTogether(deps, { request: signing, reviewed, policy, network });
    const opened = sessions.commit(
      key,
      inputs.map((input) => ({
        sighash: input.sighash,
        tweak: input.address.tweak,
        public: children.signingPackage(input.address),
      })),
    );
    shares.opened(opened.session, permit);
    return opened;
  };
  const children = (): WalletChildren => wallet(bitcoinPolicyOf(deps.policies.current(journal.nowMs()), name)).children;
  return { address, commit, judge, children };
}

/** Children depend on the group key and on the custodians' keys of the policy. */
function cachedWallet(name: string, confirmedKey: () => FrostKey | null) {
  let known: { readonly coldKeys: string; readonly wallet: Wallet } | null = null;
  return (network: BitcoinNetworkPolicy): Wallet => {
    const key = confirmedKey();
    if (!key) throw new Failure('key-missing', `${name} has no key yet`);
    const coldKeys = network.cold_keys.join(' ');
    if (known?.coldKeys !== coldKeys) known = { coldKeys, wallet: { key, children: walletChildren(network, key) } };
    return known.wallet;
  };
}

/** Both signers of a transaction ask for its reservation at about the same time: one look serves them. */
function feeLookups() {
  const underWay = new Map<string, Promise<bigint | null>>();
  return async (txid: string, look: () => Promise<bigint | null>): Promise<bigint | null> => {
    const found = underWay.get(txid) ?? look().finally(() => underWay.delete(txid));
    underWay.set(txid, found);
    return found;
  };
}

/** The fee as this signer's own nodes know it; null when they do not know the coins or do not answer in time. */
async function lookUpFee(
  endpoints: readonly SendRpc[],
  network: BitcoinNetworkPolicy,
  tx: OfflineBitcoinReview['tx'],
): Promise<bigint | null> {
  const late = new Promise<null>((resolve) => setTimeout(() => resolve(null), feeLookupMs).unref());
  const asked = readBitcoinAmounts(endpoints, network, tx.inputs).then(
    (amounts) => {
      const known = amounts.flatMap((amountSats) => amountSats ?? []);
      return known.length === tx.inputs.length ? feeSatsOf(tx, known) : null;
    },
    () => null,
  );
  return Promise.race([asked, late]);
}
