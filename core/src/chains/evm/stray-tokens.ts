import { addr } from 'micro-eth-signer';
import { transferLogs } from './movements.ts';
import type { EvmReceipt } from './node-block.ts';
import type { EvmWatch } from './scan.ts';

/** A token that is not listed reached a deposit address, by its own word. */
export interface StrayToken {
  /** EIP-55. */
  readonly contract: string;
  /** The deposit address, EIP-55. */
  readonly address: string;
  /** Of the last such transfer in the block. */
  readonly txid: string;
  /** What that log claims, base units of the token; anybody can claim anything. */
  readonly claimed: bigint;
}

/** Pairs of token and address remembered of one address, and of one block: making up tokens costs an attacker little. */
export const straysOfAddressMax = 20;
const straysOfBlockMax = 500;

/** Recipients (lower case) of transfers by contracts that are not listed, to look up who they are. */
export function strayRecipients(receipts: readonly EvmReceipt[], watch: Pick<EvmWatch, 'tokens'>): string[] {
  return strayLogs(receipts, watch).map(({ to }) => to);
}

/**
 * What a block claims to have brought of unlisted tokens to deposit addresses, once a token and address, in chain order.
 * @returns those that are kept, and how many more there were than are kept of a block.
 */
export function strayTokens(
  receipts: readonly EvmReceipt[],
  watch: EvmWatch,
): { kept: readonly StrayToken[]; dropped: number } {
  const found = new Map<string, StrayToken>();
  for (const { contract, to, amount, txid } of strayLogs(receipts, watch)) {
    if (watch.kindOf(to) !== 'deposit') continue;
    const key = `${contract} ${to}`;
    found.set(key, { contract: addr.addChecksum(contract), address: addr.addChecksum(to), txid, claimed: amount });
  }
  const all = [...found.values()];
  return { kept: all.slice(0, straysOfBlockMax), dropped: Math.max(0, all.length - straysOfBlockMax) };
}

function strayLogs(receipts: readonly EvmReceipt[], { tokens }: Pick<EvmWatch, 'tokens'>) {
  const listed = new Set([...tokens.keys()].map((contract) => contract.toLowerCase()));
  return receipts.flatMap((receipt) =>
    transferLogs(receipt)
      .filter(({ contract, from, to }) => !listed.has(contract) && from !== to)
      .map((log) => ({ ...log, txid: receipt.transactionHash.toLowerCase() })),
  );
}
