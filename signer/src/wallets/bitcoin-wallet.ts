import { Failure } from '@holdfast/core/failure.ts';
import type { BitcoinNetworkPolicy } from '@holdfast/core/policy/policy.ts';
import type { ReviewedTransaction } from '@holdfast/core/signing/decide-acceptance.ts';
import { firstEpoch } from '@holdfast/core/signing/key-messages.ts';
import type { SignBitcoinRequest, SignerRequest, SignerResponse } from '@holdfast/core/signing/messages.ts';
import type { WalletAddress } from '@holdfast/core/chains/bitcoin/derive-address.ts';
import type { FrostKey } from '../keys/frost-key.ts';
import type { Keyring } from '../keys/keyring.ts';
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
  /** Of an index that was handed out, by the keys of its epoch. @throws Failure key-missing. */
  readonly depositAddress: (index: number) => WalletAddress;
}

type WalletKeys = Pick<Keyring, 'active' | 'at'>;

const depositBranch = 0;
/** A peer waits for the answer: nodes that are slower leave the fee unknown. */
const feeLookupMs = 700;

interface Wallet {
  readonly key: FrostKey;
  readonly children: WalletChildren;
}

/** One Bitcoin network: P2TR children of FROST keys, one an epoch, of each of which this signer has one share. */
export function createBitcoinWallet(
  name: string,
  keys: WalletKeys,
  endpoints: readonly SendRpc[],
  sessions: Pick<SigningSessions, 'commit'>,
  shares: Pick<ShareDesk, 'opened'>,
  deps: WalletDeps,
): BitcoinWallet {
  const { journal, verifiers } = deps;
  const wallet = cachedWallets(keys);
  const newestEpoch = (): number => activeKey(name, keys).epoch;
  const feeOf = feeLookups();

  const address: BitcoinWallet['address'] = async (request) => {
    const { index, epoch = firstEpoch } = request;
    const { children } = wallet(bitcoinPolicyOf(deps.policies.current(journal.nowMs()), name), epoch);
    const isBound = journal.state.addresses.has(`${name} ${index}`);
    const derived = children.address([depositBranch, index]).address;
    const answer = await bindAddress(deps, request, { address: derived, epoch });
    // What came there before the rotation must be counted, even by a signer that was away when the address was issued. But it
    // vouches for none: customers are not to be sent to keys that were given up, whoever may have them now.
    if (!isBound) refuseSuperseded(name, epoch, newestEpoch());
    return answer;
  };

  const offline = (request: SignBitcoinRequest, { policy, nowMs }: Judgement): OfflineBitcoinReview => {
    const network = bitcoinPolicyOf(policy, name);
    const derive = wallet(network, request.sweep ?? request.epoch).children.address;
    return reviewBitcoinOffline(request, { policy, network, state: journal.state, verifiers, nowMs, derive });
  };

  const bury = async (reviewed: OfflineBitcoinReview['reviewed'], network: BitcoinNetworkPolicy): Promise<void> =>
    buryDead(journal, reviewed, network, endpoints.length, async (earlier) =>
      findDeadBitcoinTransactions(endpoints, journal.state, earlier, network.finality_blocks),
    );

  const judge: BitcoinWallet['judge'] = async (request, by) => {
    const network = bitcoinPolicyOf(by.policy, name);
    if (by.isFact !== true) refuseOldKeys(request, newestEpoch());
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
    const { key, children } = wallet(network, request.epoch);
    const decoded = offline(request, judgement);
    const same = journal.state.transactions.get(`${name} ${decoded.reviewed.txid}`);
    // What was accepted before the newer keys were there may have been signed by others already.
    if (!same || same.beyondRules) refuseOldKeys(request, newestEpoch());
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
  const depositAddress: BitcoinWallet['depositAddress'] = (index) => {
    const network = bitcoinPolicyOf(deps.policies.current(journal.nowMs()), name);
    const epoch = journal.state.addresses.get(`${name} ${index}`)?.epoch;
    return wallet(network, epoch).children.address([depositBranch, index]);
  };
  return { address, commit, judge, depositAddress };
}

/** Children depend on the epoch's group key and on the custodians' keys of the policy. */
function cachedWallets(keys: WalletKeys) {
  const known = new Map<number, { readonly coldKeys: string; readonly wallet: Wallet }>();
  return (network: BitcoinNetworkPolicy, epoch = firstEpoch): Wallet => {
    const key = keys.at(epoch);
    const coldKeys = network.cold_keys.join(' ');
    const found = known.get(epoch);
    if (found?.coldKeys === coldKeys) return found.wallet;
    const wallet = { key, children: walletChildren(network, key) };
    known.set(epoch, { coldKeys, wallet });
    return wallet;
  };
}

function activeKey(name: string, keys: WalletKeys): FrostKey {
  const key = keys.active();
  if (!key) throw new Failure('key-missing', `${name} has no key yet`);
  return key;
}

/** By what the payment's change, or the sweep, is kept. Old shares move coins to the newest keys and to cold only, so that a thief of them gets nothing past the signers. */
function refuseOldKeys(request: SignBitcoinRequest, newest: number): void {
  if (request.evacuation !== true)
    refuseSuperseded(request.network, request.sweep ?? request.epoch ?? firstEpoch, newest);
}

function refuseSuperseded(name: string, epoch: number, newest: number): void {
  if (epoch >= newest) return;
  throw new Failure('key-superseded', `keys of epoch ${epoch} of ${name} are superseded by those of epoch ${newest}`);
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
