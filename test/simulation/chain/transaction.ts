import { parseBitcoinTransaction } from '@holdfast/core/chains/bitcoin/parse-transaction.ts';
import { cursorOf, compactSize, u32le, u64le } from '@holdfast/core/chains/bitcoin/wire.ts';
import { readTransaction } from '@holdfast/core/chains/bitcoin/parse-transaction.ts';
import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js';

export interface Output {
  /** Hex. */
  readonly script: string;
  readonly amountSats: bigint;
}

export interface Transaction {
  readonly txid: string;
  /** Hex, witnesses included. */
  readonly raw: string;
  /** `txid:vout`; empty for a coinbase. */
  readonly inputs: readonly string[];
  readonly outputs: readonly Output[];
  readonly virtualBytes: number;
}

export function transactionOf(raw: string): Transaction {
  const { txid, inputs, outputs, isCoinbase } = parseBitcoinTransaction(raw);
  const { strippedBytes } = readTransaction(cursorOf(raw), isCoinbase);
  return {
    txid,
    raw,
    inputs: inputs.map((input) => `${input.txid}:${input.vout}`),
    outputs,
    virtualBytes: Math.ceil((3 * strippedBytes + raw.length / 2) / 4),
  };
}

const sized = (hex: string): Uint8Array => concatBytes(compactSize(hex.length / 2), hexToBytes(hex));

function rawOf(outpoints: readonly Uint8Array[], scriptSig: string, outputs: readonly Output[]): string {
  return bytesToHex(
    concatBytes(
      u32le(2),
      compactSize(outpoints.length),
      ...outpoints.flatMap((outpoint) => [outpoint, sized(scriptSig), u32le(0xffff_fffd)]),
      compactSize(outputs.length),
      ...outputs.flatMap(({ script, amountSats }) => [u64le(amountSats), sized(script)]),
      u32le(0),
    ),
  );
}

/** A payment of the world outside: its coins ask for no signature, for signatures of others are not what is tested. */
export function outsidePayment(coins: readonly string[], outputs: readonly Output[], salt = '51'): Transaction {
  const outpoints = coins.map((coin) => {
    const [txid = '', vout = ''] = coin.split(':');
    return concatBytes(hexToBytes(txid).reverse(), u32le(Number(vout)));
  });
  return transactionOf(rawOf(outpoints, salt, outputs));
}

/** @param salt hex, so that no two have one txid. */
export function coinbase(height: number, salt: string): Transaction {
  const outpoint = concatBytes(new Uint8Array(32), u32le(0xffff_ffff));
  return transactionOf(rawOf([outpoint], bytesToHex(u32le(height)) + salt, [{ script: '6a', amountSats: 0n }]));
}
