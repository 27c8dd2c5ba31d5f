import { Failure } from '../../failure.ts';

/**
 * A block as an Ethereum node's JSON-RPC answers it: quantities and bytes as 0x hex, any letter case. Only the fields
 * that the scan reads.
 */
export interface EvmHeader {
  readonly number: string;
  readonly hash: string;
  readonly parentHash: string;
  /** Seconds. */
  readonly timestamp: string;
  /** Who gets the tips, and where there is proof of work the reward. */
  readonly miner?: string;
  /** Validators' withdrawals, EIP-4895: they reach an address without a transaction. */
  readonly withdrawals?: readonly { readonly address: string }[];
}

export interface EvmLog {
  readonly address: string;
  readonly topics: readonly string[];
  readonly data: string;
}

/** An entry of eth_getBlockReceipts. */
export interface EvmReceipt {
  readonly transactionHash: string;
  readonly blockHash: string;
  readonly status: string;
  readonly from: string;
  readonly gasUsed: string;
  readonly effectiveGasPrice: string;
  readonly logs: readonly EvmLog[];
}

/** A call frame of geth's callTracer. */
export interface EvmCallFrame {
  readonly type: string;
  readonly from: string;
  readonly to?: string;
  readonly value?: string;
  /** Present when the frame reverted or failed: nothing inside it happened. */
  readonly error?: string;
  readonly calls?: readonly EvmCallFrame[];
}

/** An entry of debug_traceBlockByHash with the callTracer. */
export interface EvmTrace {
  readonly txHash: string;
  readonly result: EvmCallFrame;
}

/** Change of a balance from the parent block to the block; negative when it shrank. */
export interface EvmBalanceDelta {
  /** Null for the native coin. */
  readonly contract: string | null;
  readonly address: string;
  /** Null where the token answers no balance at one of both blocks. */
  readonly delta: bigint | null;
}

export interface EvmBlock {
  readonly header: EvmHeader;
  readonly receipts: readonly EvmReceipt[];
  readonly traces: readonly EvmTrace[];
  /** One for every pair that touchedBalances names. */
  readonly balanceDeltas: readonly EvmBalanceDelta[];
}

/** A JSON-RPC quantity. @throws Failure node-unavailable when the node answered something else. */
export function quantity(text: string, name: string): bigint {
  if (typeof text !== 'string' || !/^0x[0-9a-fA-F]{1,64}$/.test(text)) {
    throw new Failure('node-unavailable', `the node answered ${name} ${JSON.stringify(text)?.slice(0, 80)}`);
  }
  return BigInt(text);
}

/**
 * Checks that the parts of a block, fetched one by one, belong together: all receipts carry its hash, and the traces
 * are those of the receipts in the same order. A node that switched branch in between fails here.
 * @throws Failure node-disagreement
 */
export function assertOneBlock(block: EvmBlock): void {
  const { header, receipts, traces } = block;
  for (const receipt of receipts) {
    if (receipt.blockHash.toLowerCase() !== header.hash.toLowerCase()) {
      throw new Failure(
        'node-disagreement',
        `receipt ${receipt.transactionHash} is of block ${receipt.blockHash}, not ${header.hash}`,
      );
    }
  }
  if (traces.length !== receipts.length) {
    throw new Failure(
      'node-disagreement',
      `block ${header.hash}: ${receipts.length} receipts, ${traces.length} traces`,
    );
  }
  for (const [at, trace] of traces.entries()) {
    const { transactionHash } = receipts[at] ?? { transactionHash: '' };
    if (trace.txHash.toLowerCase() !== transactionHash.toLowerCase()) {
      throw new Failure('node-disagreement', `trace ${at} is of ${trace.txHash}, the receipt of ${transactionHash}`);
    }
  }
}
