import { devnetAbi, toHex } from './abi.ts';
import { addressOfKey, devnetKeys } from './accounts.ts';
import { rpcCall } from './json-rpc.ts';
import { sendTransaction } from './send-transaction.ts';

/**
 * Payments by which the devnet plays the outside world. Each returns the transaction's hash as soon as the node has it;
 * one at a time, because they share the keys of accounts.ts.
 */
interface Payment {
  readonly rpcUrl: string;
  readonly to: string;
}

/** A plain ETH transfer of the faucet. */
export function sendEth(input: Payment & { amountWei: bigint }): Promise<string> {
  return sendTransaction({ rpcUrl: input.rpcUrl, key: devnetKeys.faucet, to: input.to, valueWei: input.amountWei });
}

/** ETH by an internal call of the Splitter contract: no transaction is addressed to the recipient. */
export function payFromContract(input: Payment & { splitter: string; amountWei: bigint }): Promise<string> {
  const data = toHex(devnetAbi.split.encodeInput([input.to]));
  return sendTransaction({
    rpcUrl: input.rpcUrl,
    key: devnetKeys.faucet,
    to: input.splitter,
    data,
    valueWei: input.amountWei,
  });
}

/** USDT (base units): minted to the deployer, who owns the token, then paid by an ordinary transfer. */
export function mintAndSendUsdt(input: Payment & { usdt: string; amount: bigint }): Promise<string> {
  return mintAndSend(input.rpcUrl, input.usdt, input.to, input.amount);
}

/** USDC (base units), as mintAndSendUsdt. */
export function mintAndSendUsdc(input: Payment & { usdc: string; amount: bigint }): Promise<string> {
  return mintAndSend(input.rpcUrl, input.usdc, input.to, input.amount);
}

async function mintAndSend(rpcUrl: string, token: string, recipient: string, amount: bigint): Promise<string> {
  const key = devnetKeys.deployer;
  const mint = devnetAbi.mint.encodeInput({ to: addressOfKey(key), amount });
  await sendTransaction({ rpcUrl, key, to: token, data: toHex(mint) });
  // Named gas: the estimate would fail while the mint is pending in a node that mines on demand.
  const transfer = devnetAbi.transfer.encodeInput({ to: recipient, amount });
  return sendTransaction({ rpcUrl, key, to: token, data: toHex(transfer), gasLimit: 120_000n });
}

/** Mines blocks at once, whatever the node's own rhythm. */
export async function mine(input: { rpcUrl: string; blocks: number }): Promise<void> {
  await rpcCall(input.rpcUrl, 'anvil_mine', [`0x${input.blocks.toString(16)}`]);
}

/**
 * Replaces the last `depth` blocks by as many empty ones. Their transactions are gone: anvil does not put them back into
 * its pool.
 */
export async function reorg(input: { rpcUrl: string; depth: number }): Promise<void> {
  await rpcCall(input.rpcUrl, 'anvil_reorg', [input.depth, []]);
}
