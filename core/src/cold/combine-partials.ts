import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js';
import { coldLeafScript, deriveWalletAddress } from '../chains/bitcoin/derive-address.ts';
import { multisigWitness, type Witness, withWitnesses } from '../chains/bitcoin/witness.ts';
import { encodeExecTransaction, packSignatures } from '../chains/evm/build.ts';
import { invariant } from '../invariant.ts';
import type { KeyPath } from '../keys/derive-child.ts';
import { type ColdWallet, coldWallet } from './cold-wallet.ts';
import { inspectPsbt } from './inspect-psbt.ts';
import { inspectColdRequest } from './inspect-request.ts';
import type { ColdRequest } from './request.ts';
import type { ColdSetup } from './setup.ts';
import { type PartialFile, type VerifiedPartial, verifyPartials } from './verify-partials.ts';

/** What an online machine sends. */
export type FinishedRequest =
  | {
      readonly family: 'bitcoin';
      readonly network: string;
      readonly txid: string;
      /** Ready to broadcast, hex. */
      readonly raw: string;
    }
  | {
      readonly family: 'evm';
      readonly network: string;
      /** The cold Safe. */
      readonly to: string;
      /** Calldata of execTransaction, 0x hex; anybody may send it. */
      readonly data: string;
    };

/** BIP-342 tapscript; the lowest bit is the parity of the output key. */
const leafVersion = 0xc0;

/**
 * Makes the transaction of a request out of a quorum's partial signatures; request and signatures are verified first.
 * @throws Failure what `inspectColdRequest` and `verifyPartials` refuse.
 */
export function combinePartials(
  request: ColdRequest,
  setup: ColdSetup,
  partials: readonly PartialFile[],
): FinishedRequest {
  const { network, payload } = request;
  const verified = verifyPartials(inspectColdRequest(request, setup), setup, partials);
  if (!('psbt' in payload)) {
    const signatures = verified.map(({ custodian, signatures: [signature = ''] }) => ({
      owner: custodian.evm,
      signature,
    }));
    const to = setup.evm.find((one) => one.network === network)?.cold_safe ?? '';
    return {
      family: 'evm',
      network,
      to,
      data: encodeExecTransaction(payload.safe_transaction, packSignatures(signatures)),
    };
  }
  const wallet = coldWallet(setup);
  const { tx, rawTx } = inspectPsbt(payload.psbt, (script) =>
    script === wallet.script ? bytesToHex(wallet.witnessScript) : undefined,
  );
  const witnesses = tx.inputs.map((_, index) =>
    request.kind === 'recovery'
      ? leafWitness(wallet, payload.paths[index] as KeyPath, verified, index)
      : scriptWitness(wallet, verified, index),
  );
  return { family: 'bitcoin', network, txid: tx.txid, raw: withWitnesses(rawTx, witnesses) };
}

/** Signatures in the order of the keys. */
function scriptWitness(
  { keys, witnessScript }: ColdWallet,
  verified: readonly VerifiedPartial[],
  index: number,
): Witness {
  const signatures = keys.flatMap((key) => {
    const found = verified.find(({ custodian }) => custodian.bitcoin === key);
    return found ? [found.signatures[index] ?? ''] : [];
  });
  return multisigWitness(witnessScript, signatures);
}

/** OP_CHECKSIGADD: a signature or an empty item for each key, the first key's on top; then the leaf and where it hangs. */
function leafWitness(
  { hot, params }: ColdWallet,
  path: KeyPath,
  verified: readonly VerifiedPartial[],
  index: number,
): Witness {
  invariant(hot, 'a recovery was inspected against the leaf');
  const { tweak, internalKey } = deriveWalletAddress(hot, path, params);
  const sorted = hot.coldKeys.map((key) => bytesToHex(key)).toSorted();
  const signatures = sorted.toReversed().map((key) => {
    const found = verified.find(({ custodian }) => custodian.bitcoin.slice(2) === key);
    return found ? hexToBytes(found.signatures[index] ?? '') : new Uint8Array();
  });
  const parity = tweak.outputKey[0] === 3 ? 1 : 0;
  const control = concatBytes(Uint8Array.of(leafVersion | parity), internalKey.subarray(1));
  return [...signatures, coldLeafScript(hot.coldKeys), control];
}
