import { createHash, randomBytes } from 'node:crypto';
import { parseBitcoinTransaction } from '@holdfast/core/chains/bitcoin/parse-transaction.ts';
import type { BitcoinRpc } from '@holdfast/devnet/bitcoin/rpc.ts';

/** OP_DROP OP_1: whoever puts anything before it can spend, so that 64 bytes take the place of a signature. */
const openScript = '7551';
const openOutput = `0020${createHash('sha256').update(Buffer.from(openScript, 'hex')).digest('hex')}`;
const paymentsPerBlock = 2_500;
/** As many transactions that make the coins of one full block fit into a block. */
const fanOutsPerBlock = 8;
const maturity = 100;
const feeSats = 1_000n;

/**
 * Mines full blocks on a regtest node: 2,500 payments of strangers each, with one input, a payout and change.
 * @returns heights of the first and the last one.
 */
export async function mineFullBlocks(rpc: BitcoinRpc, count: number): Promise<{ first: number; last: number }> {
  const { descriptor } = await rpc<{ descriptor: string }>('getdescriptorinfo', [`raw(${openOutput})`]);
  const mined = await rpc<string[]>('generatetodescriptor', [count + maturity, descriptor]);
  const coins: { txid: string; sats: bigint }[][] = [];
  for (let at = 0; at < count; at += fanOutsPerBlock) {
    const made = await Promise.all(
      mined.slice(at, Math.min(count, at + fanOutsPerBlock)).map((hash) => fanOut(rpc, hash)),
    );
    await rpc('generateblock', [descriptor, made.map(({ raw }) => raw)]);
    coins.push(...made.map(({ txid, sats }) => [{ txid, sats }]));
  }
  const before = await rpc<number>('getblockcount');
  for (const [coin] of coins) {
    const payments = Array.from({ length: paymentsPerBlock }, (_, vout) => payment(coin!.txid, vout, coin!.sats));
    await rpc('generateblock', [descriptor, payments]);
  }
  return { first: before + 1, last: before + count };
}

/** Spends a block's reward into the coins of one full block. */
async function fanOut(rpc: BitcoinRpc, blockHash: string): Promise<{ raw: string; txid: string; sats: bigint }> {
  const block = await rpc<{ tx: { txid: string; vout: { value: number }[] }[] }>('getblock', [blockHash, 2]);
  const { txid, vout } = block.tx[0]!;
  const reward = BigInt(Math.round(vout[0]!.value * 1e8));
  const sats = (reward - 1_000n * feeSats) / BigInt(paymentsPerBlock);
  const raw = transaction(
    txid,
    0,
    Array.from({ length: paymentsPerBlock }, () => [sats, openOutput] as const),
  );
  return { raw, txid: parseBitcoinTransaction(raw).txid, sats };
}

function payment(txid: string, vout: number, sats: bigint): string {
  const half = (sats - feeSats) / 2n;
  return transaction(txid, vout, [
    [half, `5120${randomBytes(32).toString('hex')}`],
    [half, `0014${randomBytes(20).toString('hex')}`],
  ]);
}

/** One input at an open output, BIP-144. @param outputs satoshis and script in hex. */
function transaction(txid: string, vout: number, outputs: readonly (readonly [bigint, string])[]): string {
  const outpoint = Buffer.from(Buffer.from(txid, 'hex').toReversed()).toString('hex') + u32(vout);
  const paid = outputs.map(([sats, script]) => {
    const amount = Buffer.alloc(8);
    amount.writeBigUInt64LE(sats);
    return `${amount.toString('hex')}${compact(script.length / 2)}${script}`;
  });
  const witness = `0240${randomBytes(64).toString('hex')}${compact(openScript.length / 2)}${openScript}`;
  return `02000000000101${outpoint}00fdffffff${compact(paid.length)}${paid.join('')}${witness}00000000`;
}

function u32(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes.toString('hex');
}

const compact = (value: number): string =>
  value < 0xfd ? value.toString(16).padStart(2, '0') : `fd${u32(value).slice(0, 4)}`;
