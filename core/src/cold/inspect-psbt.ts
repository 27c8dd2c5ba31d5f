import { base64 } from '@scure/base';
import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js';
import { type InspectedTransaction, inspectBitcoinTransaction } from '../chains/bitcoin/inspect.ts';
import { parseBitcoinTransaction } from '../chains/bitcoin/parse-transaction.ts';
import {
  compactSize,
  type Cursor,
  cursorOf,
  expectEnd,
  readBytes,
  readCompactSize,
  u64le,
} from '../chains/bitcoin/wire.ts';
import { Failure } from '../failure.ts';

/** What an input spends, by its previous transaction, whose hash the input names. */
export interface SpentCoin {
  readonly txid: string;
  readonly vout: number;
  readonly amountSats: bigint;
  /** Output script, hex. */
  readonly script: string;
}

export interface InspectedPsbt {
  readonly tx: InspectedTransaction;
  /** The unsigned transaction, hex. */
  readonly rawTx: string;
  /** One an input, in their order. */
  readonly coins: readonly SpentCoin[];
}

/** "psbt" and 0xff. */
const magic = '70736274ff';
const unsignedTxKey = '00';
/** BIP-174, per input; all of them are keys without data. */
const inputKeys = { nonWitnessUtxo: '00', witnessUtxo: '01', sighashType: '03', witnessScript: '05' } as const;
/** Per output. */
const outputWitnessScriptKey = '01';
const sighashAll = '01000000';

/**
 * Decodes a PSBT of version 0 (BIP-174) to the last byte. Every input carries its whole previous transaction, so amount and
 * script are those of the coin and not what somebody says of it. Nothing may stand there that is not accounted for: no
 * signature, no derivation, no proprietary field.
 * @param witnessScriptOf the script (hex) behind the hash of a coin, where the wallet has one.
 * @throws Failure transaction-malformed
 */
export function inspectPsbt(text: string, witnessScriptOf: (script: string) => string | undefined): InspectedPsbt {
  const cursor = cursorOf(bytesToHex(decodeBase64(text)));
  if (bytesToHex(readBytes(cursor, magic.length / 2)) !== magic) throw malformed('not a PSBT');
  const global = readMap(cursor, 'the global map');
  const rawTx = take(global, unsignedTxKey);
  if (rawTx === undefined) throw malformed('a PSBT without its transaction');
  refuseRest(global, 'the global map');
  const tx = inspectBitcoinTransaction(rawTx);
  const coins = tx.inputs.map((input, index) => {
    const where = `input ${index}`;
    const map = readMap(cursor, where);
    const previous = take(map, inputKeys.nonWitnessUtxo);
    if (previous === undefined) throw malformed(`${where} comes without its previous transaction`);
    const coin = coinOf(previous, input, where);
    agree(take(map, inputKeys.witnessUtxo), outputBytes(coin), `${where}: another witness output`);
    agree(take(map, inputKeys.sighashType), sighashAll, `${where} asks for another sighash than ALL`);
    agree(take(map, inputKeys.witnessScript), witnessScriptOf(coin.script), `${where}: another witness script`);
    refuseRest(map, where);
    return coin;
  });
  tx.outputs.forEach((output, index) => {
    const map = readMap(cursor, `output ${index}`);
    agree(take(map, outputWitnessScriptKey), witnessScriptOf(output.script), `output ${index}: another witness script`);
    refuseRest(map, `output ${index}`);
  });
  expectEnd(cursor);
  return { tx, rawTx, coins };
}

type PsbtMap = Map<string, string>;

function readMap(cursor: Cursor, where: string): PsbtMap {
  const map: PsbtMap = new Map();
  for (;;) {
    const keyBytes = readCompactSize(cursor);
    if (keyBytes === 0) break;
    const key = bytesToHex(readBytes(cursor, keyBytes));
    if (map.has(key)) throw malformed(`${where} has the key ${key.slice(0, 80)} twice`);
    map.set(key, bytesToHex(readBytes(cursor, readCompactSize(cursor))));
  }
  return map;
}

function take(map: PsbtMap, key: string): string | undefined {
  const value = map.get(key);
  map.delete(key);
  return value;
}

/** A field may be left out; present it must be the one that follows from the coin. */
function agree(given: string | undefined, expected: string | undefined, refusal: string): void {
  if (given !== undefined && given !== expected) throw malformed(refusal);
}

function refuseRest(map: PsbtMap, where: string): void {
  const [alien] = map.keys();
  if (alien !== undefined) throw malformed(`${where} has the unknown key ${alien.slice(0, 80)}`);
}

function coinOf(previous: string, { txid, vout }: { txid: string; vout: number }, where: string): SpentCoin {
  const parsed = parseBitcoinTransaction(previous);
  if (parsed.txid !== txid)
    throw malformed(`${where} spends ${txid}, and the transaction that comes with it is ${parsed.txid}`);
  const output = parsed.outputs[vout];
  if (!output) throw malformed(`${where} spends output ${vout} of ${txid}, which has ${parsed.outputs.length}`);
  return { txid, vout, ...output };
}

function outputBytes({ amountSats, script }: SpentCoin): string {
  return bytesToHex(concatBytes(u64le(amountSats), compactSize(script.length / 2), hexToBytes(script)));
}

function decodeBase64(text: string): Uint8Array {
  try {
    return base64.decode(text);
  } catch (cause) {
    throw new Failure('transaction-malformed', 'the PSBT is not base64', { cause });
  }
}

function malformed(message: string): Failure {
  return new Failure('transaction-malformed', message);
}
