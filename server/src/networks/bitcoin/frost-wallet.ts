import { finalizeTransaction } from '@holdfast/core/chains/bitcoin/build.ts';
import { deriveWalletAddress } from '@holdfast/core/chains/bitcoin/derive-address.ts';
import type { BitcoinParams } from '@holdfast/core/chains/bitcoin/params.ts';
import { keyPathWitnessBytes, taprootSighashes } from '@holdfast/core/chains/bitcoin/sighash.ts';
import { hexToBytes } from '@noble/hashes/utils.js';
import type { SignerPanel } from '../../signers/panel.ts';
import type { WalletKey } from '../../store/wallet-keys.ts';
import type { WalletKind } from './wallet-kind.ts';

/** P2TR children of the signers' FROST key of one epoch. @param coldKeys of the custodians, x only. */
export function frostWallet(
  key: WalletKey,
  coldKeys: readonly Uint8Array[],
  params: BitcoinParams,
  panel: Pick<SignerPanel, 'signBitcoin'>,
): WalletKind {
  const group = { groupKey: hexToBytes(key.group_key), chainCode: hexToBytes(key.chain_code), coldKeys };
  return {
    epoch: key.epoch,
    derive: (path) => deriveWalletAddress(group, path, params),
    witnessBytes: () => keyPathWitnessBytes,
    changeAddress: null,
    async sign(request, prevouts) {
      const sighashes = taprootSighashes(request.raw_tx, prevouts);
      const inputs = request.input_paths.map((path, i) => ({
        sighash: sighashes[i]!,
        tweak: deriveWalletAddress(group, path, params).tweak,
      }));
      return finalizeTransaction(request.raw_tx, await panel.signBitcoin(request, { key, inputs }));
    },
  };
}
