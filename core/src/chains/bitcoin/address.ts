import { bech32, bech32m, createBase58check } from '@scure/base';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { Failure } from '../../failure.ts';
import type { BitcoinParams } from './params.ts';

const base58check = createBase58check(sha256);
/** BIP-173: an address has at most 90 characters. */
const charactersMax = 90;

export interface ParsedBitcoinAddress {
  /** Canonical text: segwit addresses in lower case. */
  readonly address: string;
  /** The output script it stands for, hex. */
  readonly script: string;
}

/**
 * Checks an address in full and gives its script: P2PKH and P2SH (Base58Check), P2WPKH and P2WSH (BIP-173), P2TR (BIP-350).
 * @param pointer JSON pointer of the field it came from, for the Failure.
 * @throws Failure network-mismatch for an address of another network; invalid-address for everything else, witness
 * versions without spending rules included: what is paid there, anyone may take.
 */
export function parseBitcoinAddress(text: string, params: BitcoinParams, pointer?: string): ParsedBitcoinAddress {
  const where = pointer === undefined ? {} : { pointer };
  const shown = text.slice(0, charactersMax);
  const mismatch = (what: string) =>
    new Failure('network-mismatch', `${shown} is ${what}, not of ${params.network}`, where);
  const invalid = (what: string) => new Failure('invalid-address', `${shown}: ${what}`, where);
  if (/^0x[0-9a-fA-F]{40}$/.test(text)) throw mismatch('an EVM address');
  if (text.length > charactersMax) throw invalid('too long');

  const segwit = decodeSegwit(text);
  if (segwit) {
    if (segwit.prefix !== params.bech32) throw mismatch(`an address with the prefix ${segwit.prefix}1`);
    if (!hasSpendingRules(segwit))
      throw invalid(`witness version ${segwit.version} with ${segwit.program.length} bytes has no spending rules`);
    return { address: text.toLowerCase(), script: bytesToHex(witnessScript(segwit)) };
  }
  const payload = decodeBase58(text);
  if (!payload) throw invalid('neither a segwit nor a Base58 address; a character or the checksum is wrong');
  const hash = bytesToHex(payload.subarray(1));
  if (payload[0] === params.pubKeyHash) return { address: text, script: `76a914${hash}88ac` };
  if (payload[0] === params.scriptHash) return { address: text, script: `a914${hash}87` };
  throw mismatch('a Base58 address of another network');
}

interface WitnessProgram {
  /** Human-readable part. */
  readonly prefix: string;
  readonly version: number;
  readonly program: Uint8Array;
}

/** BIP-350: version 0 carries the bech32 checksum, versions 1 to 16 bech32m. Undefined when the text is no such address. */
export function decodeSegwit(text: string): WitnessProgram | undefined {
  // BIP-173's limit on the length is checked by the coder.
  const decoded = bech32.decodeUnsafe(text) ?? bech32m.decodeUnsafe(text);
  const version = decoded?.words[0];
  if (!decoded || version === undefined || version > 16) return undefined;
  const coder = version === 0 ? bech32 : bech32m;
  if (!coder.decodeUnsafe(text)) return undefined;
  const program = coder.fromWordsUnsafe(decoded.words.slice(1));
  if (!program || program.length < 2 || program.length > 40) return undefined;
  if (version === 0 && program.length !== 20 && program.length !== 32) return undefined;
  return { prefix: decoded.prefix, version, program };
}

/** Address text of a witness program, BIP-350. */
export function encodeSegwit({ prefix, version, program }: WitnessProgram): string {
  const coder = version === 0 ? bech32 : bech32m;
  return coder.encode(prefix, [version, ...coder.toWords(program)]);
}

/** BIP-141: OP_n and one push. */
export function witnessScript({ version, program }: WitnessProgram): Uint8Array {
  const opcode = version === 0 ? 0 : 0x50 + version;
  return Uint8Array.of(opcode, program.length, ...program);
}

function hasSpendingRules({ version, program }: WitnessProgram): boolean {
  return version === 0 || (version === 1 && program.length === 32);
}

/** Version byte and the 20-byte hash. */
function decodeBase58(text: string): Uint8Array | undefined {
  try {
    const payload = base58check.decode(text);
    return payload.length === 21 ? payload : undefined;
  } catch {
    return undefined;
  }
}
