import { inspectBitcoinTransaction } from '@holdfast/core/chains/bitcoin/inspect.ts';
import { deriveMultisigAddress } from '@holdfast/core/chains/bitcoin/multisig.ts';
import { bitcoinParams } from '@holdfast/core/chains/bitcoin/params.ts';
import { segwitSighashes } from '@holdfast/core/chains/bitcoin/script-sighashes.ts';
import { multisigWitness, withWitnesses } from '@holdfast/core/chains/bitcoin/witness.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import type { KeyPath } from '@holdfast/core/keys/derive-child.ts';
import type { MultisigWalletPolicy } from '@holdfast/core/policy/policy.ts';
import { firstEpoch } from '@holdfast/core/signing/key-messages.ts';
import { hexToBytes } from '@noble/hashes/utils.js';
import type { SignerPanel } from '../../signers/panel.ts';
import { changeBranch, type OwnAddress, type WalletKind } from './wallet-kind.ts';

/** `wsh(sortedmulti(...))` over the signers' owner keys, as the policy names them. */
export function multisigWallet(
  { threshold, keys, chain_code: chainCode }: MultisigWalletPolicy,
  network: string,
  panel: Pick<SignerPanel, 'signMultisig'>,
): WalletKind & { readonly changeAddress: OwnAddress } {
  const params = bitcoinParams(network);
  const wallet = { threshold, keys, chainCode: hexToBytes(chainCode) };
  const derive = (path: KeyPath) => deriveMultisigAddress(wallet, path, params);
  return {
    // Its keys are not replaced: others are another wallet.
    epoch: firstEpoch,
    derive,
    witnessBytes: (path) => derive(path).witnessBytes,
    changeAddress: derive([changeBranch, 0]),
    async sign(request, prevouts) {
      const tx = inspectBitcoinTransaction(request.raw_tx);
      const scripts = request.input_paths.map((path) => derive(path).witnessScript);
      const sighashes = segwitSighashes(
        tx,
        prevouts.map(({ amountSats }, at) => ({ amountSats, witnessScript: scripts[at]! })),
      );
      const signed = await panel.signMultisig(request, { keys, sighashes });
      invariant(signed.length === threshold, `${signed.length} signers signed, ${threshold} are wanted`);
      // OP_CHECKMULTISIG takes them in the order of the keys, which is that of BIP-67.
      const inOrder = signed.toSorted((a, b) => (a.key < b.key ? -1 : 1));
      const witnesses = scripts.map((script, at) =>
        multisigWitness(
          script,
          inOrder.map(({ signatures }) => signatures[at]!),
        ),
      );
      return { raw: withWitnesses(request.raw_tx, witnesses), txid: tx.txid };
    },
  };
}
