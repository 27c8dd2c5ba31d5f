import { formatUnits } from '@holdfast/core/money/base-units.ts';
import { BitcoinRpcError, type BitcoinRpc } from './rpc.ts';

/** A devnet wallet inside a node: it mines and pays. */
export interface Miner {
  readonly rpc: BitcoinRpc;
  /** Where its block rewards go. */
  readonly address: string;
  /** Block hashes, oldest first. */
  mine(blocks: number): Promise<string[]>;
  /** Pays from the rewards; the transaction waits in the mempool. Returns its txid. */
  pay(address: string, amountSats: bigint): Promise<string>;
}

const walletName = 'miner';
/** Its first rewards, and the blocks that have to be above one before it can be spent. */
const rewardBlocks = 10;
const maturityBlocks = 100;
/** Pays nobody (OP_RETURN): the wallet takes 35 ms for a block that pays it, 1 ms for another. */
const nobody = 'raw(6a)';
const alreadyLoaded = -35;
const notFound = -18;
const btcDecimals = 8;

/**
 * Opens the miner of a node: makes its wallet and mines until it can pay on the first call; on a later start it finds both.
 * @param options.funded false for a second node, which only mines.
 */
export async function openMiner(rpc: BitcoinRpc, options: { funded?: boolean } = {}): Promise<Miner> {
  await openWallet(rpc);
  const address = await rpc<string>('getnewaddress', ['', 'bech32'], walletName);
  const miner: Miner = {
    rpc,
    address,
    mine: (blocks) => rpc<string[]>('generatetoaddress', [blocks, address]),
    pay: (to, amountSats) => rpc<string>('sendtoaddress', [to, formatUnits(amountSats, btcDecimals)], walletName),
  };
  if (options.funded === false) return miner;
  const chain = await rpc<{ blocks: number; initialblockdownload: boolean }>('getblockchaininfo');
  const { mine } = await rpc<{ mine: { trusted: number } }>('getbalances', [], walletName);
  if (mine.trusted < 1) {
    await miner.mine(rewardBlocks);
    await rpc('generatetodescriptor', [maturityBlocks, nobody]);
  }
  // A chain whose last block is a day old counts as not yet synced and relays nothing.
  else if (chain.initialblockdownload) await miner.mine(1);
  return miner;
}

async function openWallet(rpc: BitcoinRpc): Promise<void> {
  try {
    await rpc('loadwallet', [walletName]);
  } catch (error) {
    if (!(error instanceof BitcoinRpcError)) throw error;
    if (error.code === alreadyLoaded) return;
    if (error.code !== notFound) throw error;
    await rpc('createwallet', [walletName]);
  }
}

interface DecodedTransaction {
  readonly vin: readonly { txid: string; vout: number; sequence: number }[];
  readonly vout: readonly { n: number; value: number; scriptPubKey: { hex: string } }[];
}

/**
 * A signed transaction that spends the same coins as the miner's payment `txid` back to the miner, with a higher fee: put
 * into the winning branch of a reorg it makes the payment vanish for good. Needs the node's transaction index.
 * @returns raw transaction, hex.
 */
export async function conflictOf(miner: Miner, txid: string): Promise<string> {
  const payment = await miner.rpc<DecodedTransaction>('getrawtransaction', [txid, true]);
  const spent = await Promise.all(
    payment.vin.map(async ({ txid: from, vout }) => {
      const source = await miner.rpc<DecodedTransaction>('getrawtransaction', [from, true]);
      const output = source.vout.find((one) => one.n === vout);
      if (!output) throw new Error(`${from} has no output ${vout}`);
      return { txid: from, vout, scriptPubKey: output.scriptPubKey.hex, amount: output.value };
    }),
  );
  const totalSats = spent.reduce((sum, { amount }) => sum + BigInt(Math.round(amount * 10 ** btcDecimals)), 0n);
  const feeSats = 100_000n;
  const raw = await miner.rpc<string>('createrawtransaction', [
    spent.map((coin) => ({ txid: coin.txid, vout: coin.vout })),
    [{ [miner.address]: formatUnits(totalSats - feeSats, btcDecimals) }],
  ]);
  const signed = await miner.rpc<{ hex: string; complete: boolean }>(
    'signrawtransactionwithwallet',
    [raw, spent],
    walletName,
  );
  if (!signed.complete) throw new Error(`the miner cannot sign a conflict of ${txid}`);
  return signed.hex;
}
