import { inspectBitcoinTransaction } from '@holdfast/core/chains/bitcoin/inspect.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { feeBudget } from '@holdfast/core/signing/journal-state.ts';
import type { SignBitcoinRequest, SignerRequest, SignerResponse } from '@holdfast/core/signing/messages.ts';
import type { BitcoinNetwork } from '../config.ts';
import type { FrostKey } from '../keys/frost-key.ts';
import type { SigningSessions } from '../keys/signing-sessions.ts';
import { walletChildren, type WalletChildren } from '../keys/wallet-children.ts';
import { readBitcoinFacts } from '../nodes/bitcoin-node.ts';
import { findDeadBitcoinTransactions } from '../nodes/dead-bitcoin-transactions.ts';
import type { SendRpc } from '../nodes/json-rpc.ts';
import { checkBitcoinRequest, reviewBitcoin } from '../review/review-bitcoin.ts';
import { bindAddress } from './bind-address.ts';
import { acceptReviewed, buryDead, type WalletDeps } from './wallet.ts';

export interface BitcoinWallet {
  readonly address: (request: SignerRequest<'/v1/address'>) => Promise<SignerResponse<'/v1/address'>>;
  readonly commit: (request: SignBitcoinRequest) => Promise<SignerResponse<'/v1/sign/bitcoin/commit'>>;
}

const depositBranch = 0;
/** The usual depth for amounts of any size. */
const finalityBlocksDefault = 6;
/** Fees of a day when the config does not say: so many of the highest. */
const feesPerDayDefault = 20n;

/** One Bitcoin network: P2TR children of a FROST key of which this signer has one share. */
export function createBitcoinWallet(
  network: BitcoinNetwork,
  confirmedKey: () => FrostKey | null,
  sessions: SigningSessions,
  endpoints: readonly SendRpc[],
  deps: WalletDeps,
): BitcoinWallet {
  const feesPerDayMax = BigInt(network.fee_per_day_max_sats ?? feesPerDayDefault * BigInt(network.fee_max_sats));
  const perDayMax = new Map([
    [network.asset, BigInt(network.per_day_max)],
    [feeBudget(network.network), feesPerDayMax],
  ]);
  let children: WalletChildren | null = null;
  const wallet = (): { key: FrostKey; children: WalletChildren } => {
    const key = confirmedKey();
    if (!key) throw new Failure('key-missing', `${network.network} has no key yet`);
    children ??= walletChildren(network, key);
    return { key, children };
  };

  const address: BitcoinWallet['address'] = async (request) => {
    const { address: derived } = wallet().children.address([depositBranch, request.index]);
    return bindAddress(deps.journal, request, derived);
  };

  const commit: BitcoinWallet['commit'] = async (request) => {
    const { key, children: own } = wallet();
    const tx = inspectBitcoinTransaction(request.raw_tx);
    const isDepositAddress = (text: string): boolean =>
      deps.journal.state.ownAddresses.has(`${network.network} ${text}`);
    const intents = checkBitcoinRequest(request, tx, { network, keys: deps.keys, isDepositAddress });
    const facts = await readBitcoinFacts(endpoints, tx.inputs);
    const { reviewed, inputs } = reviewBitcoin(request, tx, intents, { network, facts, derive: own.address });
    await buryDead(deps, reviewed, network, endpoints, (earlier) =>
      findDeadBitcoinTransactions(
        endpoints,
        deps.journal.state,
        earlier,
        network.finality_blocks ?? finalityBlocksDefault,
      ),
    );
    await acceptReviewed(deps, reviewed, perDayMax);
    return sessions.commit(
      key,
      inputs.map((input) => ({
        sighash: input.sighash,
        tweak: input.address.tweak,
        public: own.signingPackage(input.address),
      })),
    );
  };
  return { address, commit };
}
