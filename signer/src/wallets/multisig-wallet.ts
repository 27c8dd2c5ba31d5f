import { deriveMultisigAddress, type MultisigAddress } from '@holdfast/core/chains/bitcoin/multisig.ts';
import { bitcoinParams } from '@holdfast/core/chains/bitcoin/params.ts';
import { segwitSighashes } from '@holdfast/core/chains/bitcoin/script-sighashes.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { KeyPath } from '@holdfast/core/keys/derive-child.ts';
import type { BitcoinNetworkPolicy, MultisigWalletPolicy } from '@holdfast/core/policy/policy.ts';
import type { SignBitcoinRequest, SignerRequest, SignerResponse } from '@holdfast/core/signing/messages.ts';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { accountOf, type DigestSigner } from '../keys/digest-signer.ts';
import type { SendRpc } from '../nodes/json-rpc.ts';
import { bitcoinPolicyOf } from '../review/review-context.ts';
import type { WalletScripts } from '../review/review-bitcoin-offline.ts';
import { bindAddress } from './bind-address.ts';
import { bitcoinRequests, changeBranch, depositBranch, type BitcoinRequests } from './bitcoin-requests.ts';
import { journalSigned } from './journal-signed.ts';
import type { WalletDeps } from './wallet.ts';

export interface MultisigWallet {
  readonly address: (request: SignerRequest<'/v1/address'>) => Promise<SignerResponse<'/v1/address'>>;
  readonly sign: (request: SignBitcoinRequest) => Promise<SignerResponse<'/v1/sign/bitcoin/multisig'>>;
  readonly judge: BitcoinRequests<MultisigAddress>['judge'];
  /** Script (hex) of a deposit address, by the policy in force. @throws Failure chain-mismatch. */
  readonly depositScript: (index: number) => string;
}

/** The keys are not replaced under one wallet: other keys are another wallet, with other addresses. */
export const multisigEpoch = 1;

/**
 * One Bitcoin network whose wallet is `wsh(sortedmulti(...))` over the signers' owner keys, so that each can be in an HSM.
 * @param owner this signer's key. @param owners accounts of all signers' keys, as the ceremony fixed them.
 */
export function createMultisigWallet(
  name: string,
  owner: DigestSigner,
  owners: readonly string[],
  endpoints: readonly SendRpc[],
  deps: WalletDeps,
): MultisigWallet {
  const ownKey = bytesToHex(owner.publicKey);
  const scriptsOf = (network: BitcoinNetworkPolicy, epoch?: number): WalletScripts<MultisigAddress> => {
    const { wallet } = network;
    if (!wallet) throw new Failure('invalid-request', `the wallet of ${name} is P2TR under a FROST key`);
    // A request that names an epoch, or a sweep to one, is meant for a wallet of the other kind.
    if (epoch !== undefined)
      throw new Failure('invalid-request', `the keys of ${name} have no epochs, the request names ${epoch}`);
    assertCeremonyKeys(wallet, name, owners, deps.quorum);
    return multisigScripts(wallet, name);
  };
  const inForce = (epoch?: number): WalletScripts<MultisigAddress> =>
    scriptsOf(bitcoinPolicyOf(deps.policies.current(deps.journal.nowMs()), name), epoch);
  const newestEpoch = (): number => multisigEpoch;
  const { accept, judge } = bitcoinRequests(name, { scriptsOf, newestEpoch }, endpoints, deps);

  const address: MultisigWallet['address'] = async (request) => {
    const derived = inForce(request.epoch).derive([depositBranch, request.index]);
    return bindAddress(deps, request, { address: derived.address, epoch: multisigEpoch });
  };

  const sign: MultisigWallet['sign'] = async (request) => {
    const { permit, tx, inputs } = await accept(request);
    const coins = inputs.map(({ coin, address: { witnessScript } }) => ({
      witnessScript,
      amountSats: coin.amountSats,
    }));
    const signatures: string[] = [];
    // First what may still fail, as an HSM does: the journal must not say that something left that did not.
    for (const sighash of segwitSighashes(tx, coins)) {
      // v names the key, which the script already does.
      signatures.push(bytesToHex((await owner.sign(sighash)).subarray(0, 64)));
    }
    await journalSigned(deps, permit);
    return { key: ownKey, signatures };
  };
  const depositScript = (index: number): string => inForce().derive([depositBranch, index]).script;
  return { address, sign, judge, depositScript };
}

/** This signer's own derivation. Nothing is remembered: it takes two hashes. */
export function multisigScripts(
  { threshold, keys, chain_code: chainCode }: MultisigWalletPolicy,
  network: string,
): WalletScripts<MultisigAddress> {
  const params = bitcoinParams(network);
  const wallet = { threshold, keys, chainCode: hexToBytes(chainCode) };
  const derive = (path: KeyPath): MultisigAddress => deriveMultisigAddress(wallet, path, params);
  return {
    derive,
    // A deposit's script is the longest.
    witnessBytesMax: derive([depositBranch, 0]).witnessBytes,
    changeScript: derive([changeBranch, 0]).script,
  };
}

/**
 * The policy may name no key that the ceremony did not fix, and all that it did: otherwise whoever writes a policy could
 * have coins sent to keys of their own.
 */
function assertCeremonyKeys(
  { keys, threshold }: MultisigWalletPolicy,
  network: string,
  owners: readonly string[],
  quorum: number,
): void {
  const named = new Set(keys.map(accountOrNull));
  const fixed = owners.map((one) => one.toLowerCase());
  if (named.size === keys.length && keys.length === fixed.length && fixed.every((one) => named.has(one))) {
    if (threshold === quorum) return;
    throw new Failure(
      'chain-mismatch',
      `the wallet of ${network} takes ${threshold} signatures, the ceremony ${quorum}`,
      fix,
    );
  }
  throw new Failure(
    'chain-mismatch',
    `the keys of the wallet of ${network} are not those of the ceremony's signers`,
    fix,
  );
}

const fix = {
  fix: 'Propose a policy whose wallet has the `owner_key` of every signer’s card and the ceremony’s quorum.',
};

function accountOrNull(key: string): string | null {
  try {
    return accountOf(hexToBytes(key)).toLowerCase();
  } catch {
    // No point of the curve.
    return null;
  }
}
