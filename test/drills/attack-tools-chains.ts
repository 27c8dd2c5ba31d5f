import { parseBitcoinAddress } from '@holdfast/core/chains/bitcoin/address.ts';
import { buildBatch, finalizeTransaction } from '@holdfast/core/chains/bitcoin/build.ts';
import { deriveWalletAddress, type WalletAddress } from '@holdfast/core/chains/bitcoin/derive-address.ts';
import { bitcoinParams } from '@holdfast/core/chains/bitcoin/params.ts';
import { taprootSighashes } from '@holdfast/core/chains/bitcoin/sighash.ts';
import {
  buildWithdrawalBatch,
  encodeExecTransaction,
  type OwnerSignature,
  packSignatures,
  type WithdrawalLeg,
} from '@holdfast/core/chains/evm/build.ts';
import { safeTransactionHash } from '@holdfast/core/chains/evm/safe-transaction.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { parseBaseUnits } from '@holdfast/core/money/base-units.ts';
import type { KeyPath } from '@holdfast/core/keys/derive-child.ts';
import type { AuthorizedIntent } from '@holdfast/core/signing/intent.ts';
import type { SafeTransaction, SignBitcoinRequest, SignEvmRequest } from '@holdfast/core/signing/messages.ts';
import { bitcoinNetworkId, evmNetworkId } from '@holdfast/devnet/configure.ts';
import { addressOfKey, devnetKeys } from '@holdfast/devnet/evm/accounts.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { rpcCall, waitForReceipt } from '@holdfast/devnet/evm/json-rpc.ts';
import { sendTransaction } from '@holdfast/devnet/evm/send-transaction.ts';
import { aggregateInputs } from '@holdfast/server/signers/aggregate.ts';
import type { SignerClient } from '@holdfast/server/signers/panel.ts';
import { hexToBytes } from '@noble/hashes/utils.js';
import type { System } from '../support/system.ts';
import { evmLegs } from './attack-tools-legs.ts';

/** Next nonce of the hot Safe: slot 5 of its storage. */
export async function safeNonce(system: System): Promise<bigint> {
  const { chains, evm } = system;
  return BigInt(await rpcCall<string>(chains.anvil.url, 'eth_getStorageAt', [evm.safe, '0x5', 'latest']));
}

/** What owners sign for a transaction of the hot Safe. */
export function safeHash(system: System, tx: SafeTransaction): Uint8Array {
  return safeTransactionHash({ chainId: BigInt(system.evm.chainId), safe: system.evm.safe, tx });
}

/** Ether in the hot Safe. */
export async function safeEther({ chains, evm }: System): Promise<bigint> {
  return BigInt(await rpcCall<string>(chains.anvil.url, 'eth_getBalance', [evm.safe, 'latest']));
}

/** A payment of the hot Safe's ether to one address. */
export function payOut(system: System, to: string, amount: bigint, nonce: bigint): SafeTransaction {
  return batchOf(system, [{ kind: 'native', to, amount: parseBaseUnits(amount.toString()) }], nonce);
}

/** An hour ahead, or as long as what is paid for was agreed to. */
export function deadlineS(intents: readonly AuthorizedIntent[]): bigint {
  const endsMs = intents.map(({ intent }) => Date.parse(intent.expires_at));
  return BigInt(Math.floor(Math.min(Date.now() + 3_600_000, ...endsMs) / 1_000));
}

/** A batch as the guard lets it through. @param intents that it pays; their end is its deadline. */
export function batchOf(
  { evm }: System,
  legs: readonly WithdrawalLeg[],
  nonce: bigint,
  intents: readonly AuthorizedIntent[] = [],
): SafeTransaction {
  const deadline = { guard: evm.guard, notAfterS: deadlineS(intents) };
  return buildWithdrawalBatch({ legs, nonce, multiSend: evm.multiSend, deadline });
}

/** The Safe transaction that pays exactly these intents, at a nonce. */
export function evmRequest(system: System, intents: readonly AuthorizedIntent[], nonce: bigint): SignEvmRequest {
  const tx = batchOf(system, evmLegs(system, intents), nonce, intents);
  return { network: evmNetworkId, safe_transaction: tx, intents: [...intents] };
}

/** What the Safe would say, without sending anything: 'executed' or its own error (GS020, ...). */
export async function tryOut(
  system: System,
  tx: SafeTransaction,
  packed: string,
  from = addressOfKey(devnetKeys.spare),
): Promise<string> {
  const call = { from, to: system.evm.safe, data: encodeExecTransaction(tx, packed), gas: '0xf4240' };
  try {
    await rpcCall(system.chains.anvil.url, 'eth_call', [call, 'latest']);
    return 'executed';
  } catch (error) {
    return /GS\d{3}/.exec(String(error))?.[0] ?? 'reverted';
  }
}

/** Really sends it to the hot Safe, in a block at once. @returns as `tryOut`. */
export async function execute(
  system: System,
  tx: SafeTransaction,
  signatures: readonly OwnerSignature[] | string,
  key: string = devnetKeys.spare,
): Promise<string> {
  const packed = typeof signatures === 'string' ? signatures : packSignatures(signatures);
  const said = await tryOut(system, tx, packed, addressOfKey(key));
  const rpcUrl = system.chains.anvil.url;
  const data = encodeExecTransaction(tx, packed);
  const txid = await sendTransaction({ rpcUrl, key, to: system.evm.safe, data, gasLimit: 1_000_000n });
  await system.mineEvm();
  const { status } = await waitForReceipt(rpcUrl, txid);
  return status === '0x1' ? 'executed' : said === 'executed' ? 'reverted' : said;
}

/** A coin of the hot wallet, with the way to its key. */
export interface HotCoin {
  readonly txid: string;
  readonly vout: number;
  readonly amountSats: bigint;
  readonly path: KeyPath;
  readonly address: WalletAddress;
}

const params = bitcoinParams(bitcoinNetworkId);
/** Indexes that a stage's few customers and payments use. */
const indexMax = 24;

/** Addresses of the hot wallet, from what every signer, and the server, knows. */
export async function hotAddresses(system: System, signer: SignerClient): Promise<(path: KeyPath) => WalletAddress> {
  const key = await walletKeyOf(signer);
  const policy = system.first.policy.networks.find(({ family }) => family === 'bitcoin');
  if (policy?.family !== 'bitcoin') throw new Error('no Bitcoin network');
  const coldKeys = policy.cold_keys.map((cold) => hexToBytes(cold));
  const wallet = { groupKey: hexToBytes(key.group_key), chainCode: hexToBytes(key.chain_code), coldKeys };
  return (path) => deriveWalletAddress(wallet, path, params);
}

/** Confirmed coins of the hot wallet, the largest first. */
export async function hotCoins(system: System, derive: (path: KeyPath) => WalletAddress): Promise<HotCoin[]> {
  const paths = Array.from({ length: 2 * indexMax }, (_, at): KeyPath => [at % 2 === 0 ? 0 : 1, Math.floor(at / 2)]);
  const own = new Map(paths.map((path) => [derive(path).script, path]));
  type Unspents = { unspents: { txid: string; vout: number; scriptPubKey: string; amount: number }[] };
  // A node makes one such scan at a time, and the server's reconciler may have it make one.
  const found = await awaitCondition('a scan for hot coins', () =>
    system.chains.bitcoin!.miner.rpc<Unspents>('scantxoutset', [
      'start',
      [...own.keys()].map((script) => `raw(${script})`),
    ]),
  );
  return found.unspents
    .map(({ txid, vout, scriptPubKey, amount }) => {
      const path = own.get(scriptPubKey)!;
      return { txid, vout, amountSats: BigInt(Math.round(amount * 1e8)), path, address: derive(path) };
    })
    .toSorted((a, b) => Number(b.amountSats - a.amountSats));
}

/** The transaction that pays exactly these intents out of these coins; change to `[1, changeIndex]`. */
export function bitcoinRequest(
  coins: readonly HotCoin[],
  intents: readonly AuthorizedIntent[],
  derive: (path: KeyPath) => WalletAddress,
  changeIndex: number,
  feeRateSatVb = 5,
): SignBitcoinRequest {
  const built = buildBatch({
    coins,
    payouts: intents.map(({ intent }) => ({
      script: parseBitcoinAddress(intent.destination, params).script,
      amountSats: BigInt(intent.amount),
    })),
    changeScript: derive([1, changeIndex]).script,
    feeRateSatVb,
  });
  const pathOf = new Map(coins.map((coin) => [`${coin.txid}:${coin.vout}`, coin.path]));
  return {
    network: bitcoinNetworkId,
    raw_tx: built.rawTx,
    input_paths: built.inputs.map(({ txid, vout }) => [...pathOf.get(`${txid}:${vout}`)!] as [number, number]),
    change: built.changeOutput === null ? [] : [{ output: built.changeOutput, index: changeIndex }],
    intents: [...intents],
  };
}

/** Everything of the coins to one address, without an intent. */
export function drainTo(coins: readonly HotCoin[], to: string, feeSats = 10_000n): { rawTx: string } {
  const script = parseBitcoinAddress(to, params).script;
  const amountSats = coins.reduce((sum, coin) => sum + coin.amountSats, -feeSats);
  // All that is left over is the fee: there is no change worth an output.
  return buildBatch({ coins, payouts: [{ script, amountSats }], changeScript: script, feeRateSatVb: 1 });
}

/** Both rounds of FROST with these signers, as a server does them. @returns the transaction, ready to send. */
export async function signBitcoin(
  signers: readonly SignerClient[],
  request: SignBitcoinRequest,
  coins: readonly HotCoin[],
): Promise<string> {
  const sessions = await Promise.all(signers.map(async (one) => one.call('/v1/sign/bitcoin/commit', request)));
  const lists = request.input_paths.map((_, at) => sessions.map(({ commitments }) => commitments[at]!));
  const shares = await Promise.all(
    signers.map(async (one, at) => {
      const { session, commitments } = sessions[at]!;
      const answer = await one.call('/v1/sign/bitcoin/share', { session, commitments: lists });
      return { identifier: commitments[0]!.identifier, shares: answer.shares };
    }),
  );
  const inputs = frostInputs(request.raw_tx, coins);
  const signatures = aggregateInputs(await walletKeyOf(signers[0]!), inputs, lists, shares, 2, 3);
  return finalizeTransaction(request.raw_tx, signatures).raw;
}

/** What is signed for each input, and by the key of which address; coins in the transaction's order. */
export function frostInputs(rawTx: string, coins: readonly HotCoin[]) {
  const ordered = coins.toSorted((a, b) => (a.txid < b.txid ? -1 : a.txid > b.txid ? 1 : a.vout - b.vout));
  const prevouts = ordered.map(({ address, amountSats }) => ({ script: address.script, amountSats }));
  const sighashes = taprootSighashes(rawTx, prevouts);
  return ordered.map(({ address }, at) => ({ sighash: sighashes[at]!, tweak: address.tweak }));
}

export async function walletKeyOf(signer: SignerClient) {
  const [key] = (await signer.call('/v1/status', {})).frost_wallets;
  if (!key) throw new Failure('key-missing', 'no key yet');
  return key;
}

/** What the node says to a transaction without taking it: 'accepted' or its reason. */
export async function testBitcoin(system: System, raw: string): Promise<string> {
  const { miner } = system.chains.bitcoin!;
  type Verdict = { allowed: boolean; 'reject-reason'?: string };
  const [verdict] = await miner.rpc<Verdict[]>('testmempoolaccept', [[raw]]);
  return verdict?.allowed === true ? 'accepted' : (verdict?.['reject-reason'] ?? 'refused');
}

/** Hands a transaction to the node and mines. @returns as `testBitcoin`. */
export async function sendBitcoin(system: System, raw: string): Promise<string> {
  const said = await testBitcoin(system, raw);
  const { miner } = system.chains.bitcoin!;
  const taken = await miner.rpc('sendrawtransaction', [raw]).then(
    () => true,
    () => false,
  );
  await system.mineBitcoin();
  return taken ? 'accepted' : said;
}

/** Name of a transaction, which its signatures do not change. */
export function bitcoinTxid(rawTx: string): string {
  return finalizeTransaction(rawTx, []).txid;
}

/** As finalizeTransaction does, with whatever the thief has instead of signatures. */
export function withSignatures(rawTx: string, signatures: readonly Uint8Array[]): string {
  return finalizeTransaction(rawTx, signatures).raw;
}
