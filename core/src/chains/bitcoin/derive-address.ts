import { schnorr } from '@noble/curves/secp256k1.js';
import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js';
import { invariant } from '../../invariant.ts';
import type { GroupKey, KeyPath } from '../../keys/derive-child.ts';
import { frostTweak, type FrostTweak } from '../../keys/tweak-frost.ts';
import { encodeSegwit, witnessScript } from './address.ts';
import type { BitcoinParams } from './params.ts';
import { compactSize } from './wire.ts';

const coldKeyCount = 5;
const opThree = 0x53;
const opCheckSig = 0xac;
const opCheckSigAdd = 0xba;
const opNumEqual = 0x9c;
/** BIP-342 tapscript. */
const leafVersion = 0xc0;

export interface BitcoinWallet extends GroupKey {
  /** Five keys of the custodians, 32 bytes each (x only, BIP-340), in any order. */
  readonly coldKeys: readonly Uint8Array[];
}

export interface WalletAddress {
  readonly address: string;
  /** Output script, hex. */
  readonly script: string;
  /** 33 bytes: the child of the group key. */
  readonly internalKey: Uint8Array;
  /** 32 bytes: the hash of the only leaf. */
  readonly merkleRoot: Uint8Array;
  /** 32 bytes, x only. */
  readonly outputKey: Uint8Array;
  /** For `tweakPublic` and `tweakSecret`. */
  readonly tweak: FrostTweak;
}

/** Tapscript by which any three of five custodians spend: `multi_a(3, ...)` with sorted keys, BIP-342 and BIP-387. */
export function coldLeafScript(coldKeys: readonly Uint8Array[]): Uint8Array {
  invariant(coldKeys.length === coldKeyCount, `${coldKeyCount} cold keys wanted, ${coldKeys.length} given`);
  invariant(
    coldKeys.every((key) => key.length === 32),
    'cold keys are x-only',
  );
  const sorted = coldKeys.map((key) => bytesToHex(key)).sort();
  invariant(new Set(sorted).size === coldKeyCount, 'a cold key is given twice');
  const parts = sorted.map((key, place) => `20${key}${(place === 0 ? opCheckSig : opCheckSigAdd).toString(16)}`);
  return concatBytes(hexToBytes(parts.join('')), Uint8Array.of(opThree, opNumEqual));
}

/** Merkle root of a tree with one leaf, BIP-341: hash_TapLeaf(0xc0 || length || script). */
export function leafMerkleRoot(script: Uint8Array): Uint8Array {
  return schnorr.utils.taggedHash('TapLeaf', Uint8Array.of(leafVersion), compactSize(script.length), script);
}

/** Address of the wallet at a path: P2TR, child of the group key inside, the custodians' leaf beside it. */
export function deriveWalletAddress(wallet: BitcoinWallet, path: KeyPath, params: BitcoinParams): WalletAddress {
  const merkleRoot = leafMerkleRoot(coldLeafScript(wallet.coldKeys));
  const tweak = frostTweak(wallet, path, merkleRoot);
  const program = { prefix: params.bech32, version: 1, program: tweak.outputKeyXOnly };
  return {
    address: encodeSegwit(program),
    script: bytesToHex(witnessScript(program)),
    internalKey: tweak.childKey,
    merkleRoot,
    outputKey: tweak.outputKeyXOnly,
    tweak,
  };
}
