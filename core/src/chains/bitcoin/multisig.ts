import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js';
import { invariant } from '../../invariant.ts';
import type { KeyPath } from '../../keys/derive-child.ts';
import { encodeSegwit, witnessScript } from './address.ts';
import type { BitcoinParams } from './params.ts';
import { compactSize } from './wire.ts';

const opDrop = 0x75;
const opCheckMultisig = 0xae;
/** OP_1 is 0x51. */
const opNumber = (value: number): number => 0x50 + value;

const depositBranch = 0;
const tagBytes = 16;
/** Length, DER with r and s as long as they get (s is low), sighash type. */
const signatureBytesMax = 1 + 72;

/** Ordinary keys, as many of which spend as the threshold says: they can stay in HSMs, for nothing is derived from them. */
export interface MultisigWallet {
  readonly threshold: number;
  /** Compressed, hex, in any order. */
  readonly keys: readonly string[];
  /** 32 bytes: hides which index an address has from whoever looks at the chain; it protects no funds. */
  readonly chainCode: Uint8Array;
}

export interface MultisigAddress {
  readonly address: string;
  /** Output script, hex: P2WSH, BIP-141. */
  readonly script: string;
  /** What its hash stands for. */
  readonly witnessScript: Uint8Array;
  /** Most bytes of the witness that spends it. */
  readonly witnessBytes: number;
}

/** `sortedmulti(threshold, keys...)`, BIP-383: OP_m, the keys in the order of BIP-67, OP_n, OP_CHECKMULTISIG. */
export function sortedMultisig(threshold: number, keys: readonly string[]): Uint8Array {
  invariant(threshold >= 1 && threshold <= keys.length && keys.length <= 16, `${threshold} of ${keys.length} keys`);
  invariant(
    keys.every((key) => /^0[23][0-9a-f]{64}$/.test(key)),
    'keys are compressed',
  );
  return concatBytes(
    Uint8Array.of(opNumber(threshold)),
    ...keys.toSorted().flatMap((key) => [Uint8Array.of(key.length / 2), hexToBytes(key)]),
    Uint8Array.of(opNumber(keys.length), opCheckMultisig),
  );
}

/**
 * Address of the wallet at a path. Branch 1, its own coins and change, is one address for every index:
 * `wsh(sortedmulti(...))`. A deposit address has `<tag> OP_DROP` before the same script, so that each customer has another
 * one under the same keys; the tag is the first 16 bytes of HMAC-SHA256(chain code, index as four bytes, high first).
 */
export function deriveMultisigAddress(wallet: MultisigWallet, path: KeyPath, params: BitcoinParams): MultisigAddress {
  const [branch, index] = path;
  invariant(new Set(wallet.keys).size === wallet.keys.length, 'a key is given twice');
  const keysScript = sortedMultisig(wallet.threshold, wallet.keys);
  const script = branch === depositBranch ? concatBytes(tagOf(wallet, index), keysScript) : keysScript;
  return { ...scriptAddress(script, params), witnessBytes: witnessBytesOf(wallet.threshold, script) };
}

/** P2WSH address of a script, BIP-141. */
export function scriptAddress(script: Uint8Array, params: BitcoinParams): Omit<MultisigAddress, 'witnessBytes'> {
  const program = { prefix: params.bech32, version: 0, program: sha256(script) };
  return { address: encodeSegwit(program), script: bytesToHex(witnessScript(program)), witnessScript: script };
}

function tagOf({ chainCode }: MultisigWallet, index: number): Uint8Array {
  invariant(chainCode.length === 32, 'a chain code has 32 bytes');
  invariant(Number.isInteger(index) && index >= 0 && index < 0x8000_0000, `index ${index}`);
  const place = new Uint8Array(4);
  new DataView(place.buffer).setUint32(0, index);
  const tag = hmac(sha256, chainCode, place).subarray(0, tagBytes);
  return Uint8Array.of(tagBytes, ...tag, opDrop);
}

/** Count, the empty item of BIP-147, the signatures, the script. */
function witnessBytesOf(threshold: number, script: Uint8Array): number {
  return 1 + 1 + threshold * signatureBytesMax + compactSize(script.length).length + script.length;
}
