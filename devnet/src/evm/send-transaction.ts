import { addr, Transaction } from 'micro-eth-signer';
import { Failure } from '@holdfast/core/failure.ts';
import { rpcCall, waitForReceipt, type Receipt } from './json-rpc.ts';
import { anvilChainId } from './start-anvil.ts';

export interface DevnetTransaction {
  readonly rpcUrl: string;
  /** 0x hex; one transaction at a time a key, because the nonce is read from the node. */
  readonly key: string;
  /** Left out to create a contract. */
  readonly to?: string;
  /** 0x hex. */
  readonly data?: string;
  readonly valueWei?: bigint;
  /** Estimated when left out; a transaction that is to fail on chain must name it. */
  readonly gasLimit?: bigint;
}

const gwei = 10n ** 9n;

/**
 * Signs an EIP-1559 transaction for the devnet and hands it to the node.
 * @returns its hash; it is not mined yet.
 * @throws Failure node-unavailable when the node refuses it or it would revert.
 */
export async function sendTransaction(input: DevnetTransaction): Promise<string> {
  const { rpcUrl, key, to, data = '0x', valueWei = 0n } = input;
  const from = addr.fromPrivateKey(key);
  const call = { from, ...(to === undefined ? {} : { to }), data, value: `0x${valueWei.toString(16)}` };
  const [nonce, gas, block] = await Promise.all([
    rpcCall<string>(rpcUrl, 'eth_getTransactionCount', [from, 'pending']),
    input.gasLimit ?? rpcCall<string>(rpcUrl, 'eth_estimateGas', [call, 'pending']),
    rpcCall<{ baseFeePerGas: string }>(rpcUrl, 'eth_getBlockByNumber', ['latest', false]),
  ]);
  const transaction = Transaction.prepare(
    {
      chainId: BigInt(anvilChainId),
      nonce: BigInt(nonce),
      // Room for the base fee to double before the transaction is mined.
      maxFeePerGas: BigInt(block.baseFeePerGas) * 2n + gwei,
      maxPriorityFeePerGas: gwei,
      gasLimit: BigInt(gas),
      to: to ?? '0x',
      value: valueWei,
      data,
    },
    false,
  );
  return rpcCall<string>(rpcUrl, 'eth_sendRawTransaction', [transaction.signBy(key).toHex()]);
}

/**
 * Sends and waits until the transaction is in a block.
 * @throws Failure node-unavailable also when it reverted.
 */
export async function sendAndWait(input: DevnetTransaction): Promise<Receipt> {
  const txid = await sendTransaction(input);
  const receipt = await waitForReceipt(input.rpcUrl, txid);
  if (receipt.status !== '0x1') throw new Failure('node-unavailable', `${txid} reverted`);
  return receipt;
}
