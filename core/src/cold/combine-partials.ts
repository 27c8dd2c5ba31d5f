import { secp256k1 } from '@noble/curves/secp256k1.js';
import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js';
import { coldLeafScript, deriveWalletAddress } from '../chains/bitcoin/derive-address.ts';
import { compactSize } from '../chains/bitcoin/wire.ts';
import { encodeExecTransaction, packSignatures } from '../chains/evm/build.ts';
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

const sighashAll = 1;
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

/** OP_CHECKMULTISIG: an empty item (BIP-147), signatures in the order of the keys, the script. */
function scriptWitness(
  { keys, witnessScript }: ColdWallet,
  verified: readonly VerifiedPartial[],
  index: number,
): Uint8Array[] {
  const signatures = keys.flatMap((key) => {
    const found = verified.find(({ custodian }) => custodian.bitcoin === key);
    if (!found) return [];
    const compact = secp256k1.Signature.fromHex(found.signatures[index] ?? '', 'compact');
    return [concatBytes(compact.toBytes('der'), Uint8Array.of(sighashAll))];
  });
  return [new Uint8Array(), ...signatures, witnessScript];
}

/** OP_CHECKSIGADD: a signature or an empty item for each key, the first key's on top; then the leaf and where it hangs. */
function leafWitness(
  { hot, params }: ColdWallet,
  path: KeyPath,
  verified: readonly VerifiedPartial[],
  index: number,
): Uint8Array[] {
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

/** BIP-144: marker and flag, and each input's items before the lock time. */
function withWitnesses(rawTx: string, witnesses: readonly (readonly Uint8Array[])[]): string {
  const bytes = hexToBytes(rawTx);
  const lockTimeAt = bytes.length - 4;
  return bytesToHex(
    concatBytes(
      bytes.subarray(0, 4),
      Uint8Array.of(0, 1),
      bytes.subarray(4, lockTimeAt),
      ...witnesses.flatMap((items) => [
        compactSize(items.length),
        ...items.flatMap((item) => [compactSize(item.length), item]),
      ]),
      bytes.subarray(lockTimeAt),
    ),
  );
}
