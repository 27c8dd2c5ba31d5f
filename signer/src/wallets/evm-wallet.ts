import { parseEvmAddress } from '@holdfast/core/chains/evm/address.ts';
import { forwarderAddress, forwarderSalt } from '@holdfast/core/chains/evm/forwarder.ts';
import { evmChainId, parseNetworkId } from '@holdfast/core/money/network.ts';
import type { SignEvmRequest, SignerRequest, SignerResponse } from '@holdfast/core/signing/messages.ts';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { EvmNetwork } from '../config.ts';
import type { OwnerKey } from '../keys/owner-key.ts';
import { assertSafeIsOurs, readSafe } from '../nodes/evm-node.ts';
import { findDeadSafeTransactions } from '../nodes/dead-safe-transactions.ts';
import type { SendRpc } from '../nodes/json-rpc.ts';
import { checkNonce, reviewEvm } from '../review/review-evm.ts';
import { bindAddress } from './bind-address.ts';
import { acceptReviewed, buryDead, type WalletDeps } from './wallet.ts';

export interface EvmWallet {
  readonly address: (request: SignerRequest<'/v1/address'>) => Promise<SignerResponse<'/v1/address'>>;
  readonly sign: (request: SignEvmRequest) => Promise<SignerResponse<'/v1/sign/evm'>>;
}

/** Two epochs: when Ethereum calls a block finalised. */
const finalityBlocksDefault = 64;

/** One EVM network: a Safe of which this signer is one owner. */
export function createEvmWallet(
  network: EvmNetwork,
  owner: OwnerKey,
  endpoints: readonly SendRpc[],
  deps: WalletDeps,
): EvmWallet {
  const perDayMax = new Map(network.assets.map((asset) => [asset.asset, BigInt(asset.per_day_max)]));
  let safeIsOurs = false;

  const address: EvmWallet['address'] = async (request) => {
    const derived = forwarderAddress({
      factory: parseEvmAddress(network.forwarder_factory),
      initCodeHash: `0x${network.forwarder_init_code_hash}`,
      salt: forwarderSalt(request.customer, request.index),
    });
    return bindAddress(deps.journal, request, derived);
  };

  const sign: EvmWallet['sign'] = async (request) => {
    const isDepositAddress = (text: string): boolean =>
      deps.journal.state.ownAddresses.has(`${network.network} ${text}`);
    const { reviewed: decoded, hash } = reviewEvm(request, { network, keys: deps.keys, isDepositAddress });
    if (!safeIsOurs) {
      await assertSafeIsOurs(endpoints, network.safe, evmChainId(parseNetworkId(network.network)), owner.address);
      safeIsOurs = true;
    }
    const view = await readSafe(endpoints, network.safe);
    checkNonce(request.safe_transaction, view);
    const reviewed = { ...decoded, height: view.height };
    await buryDead(deps, reviewed, network, endpoints, (earlier) =>
      findDeadSafeTransactions(endpoints, network, earlier, network.finality_blocks ?? finalityBlocksDefault),
    );
    await acceptReviewed(deps, reviewed, perDayMax);
    return { owner: owner.address, safe_tx_hash: bytesToHex(hash), signature: owner.sign(hash) };
  };
  return { address, sign };
}
