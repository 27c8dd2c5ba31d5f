import { schnorr } from '@noble/curves/secp256k1.js';
import { randomBytes } from 'node:crypto';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { encodeSegwit, parseBitcoinAddress, witnessScript } from '@holdfast/core/chains/bitcoin/address.ts';
import { buildBatch, finalizeTransaction } from '@holdfast/core/chains/bitcoin/build.ts';
import {
  type BitcoinWallet,
  deriveWalletAddress,
  type WalletAddress,
} from '@holdfast/core/chains/bitcoin/derive-address.ts';
import { bitcoinParams } from '@holdfast/core/chains/bitcoin/params.ts';
import { taprootSighashes } from '@holdfast/core/chains/bitcoin/sighash.ts';
import type { ErrorCode } from '@holdfast/core/contract/error-codes.ts';
import type { KeyPath } from '@holdfast/core/keys/derive-child.ts';
import type { AuthorizedIntent } from '@holdfast/core/signing/intent.ts';
import type { NonceCommitment, SignBitcoinRequest, SignerResponse } from '@holdfast/core/signing/messages.ts';
import { bitcoinNetworkId } from '@holdfast/devnet/configure.ts';
import { aggregateInputs } from '@holdfast/server/signers/aggregate.ts';
import type { WalletKey } from '@holdfast/server/store/wallet-keys.ts';
import { type Answer, askAll, mustRefuse } from './attack-tools-refusals.ts';
import type { DrillStage } from './drill-stage.ts';

const params = bitcoinParams(bitcoinNetworkId);
export const scriptOf = (address: string): string => parseBitcoinAddress(address, params).script;

/** A coin that the builder would spend. */
export interface BuilderCoin {
  readonly txid: string;
  readonly vout: number;
  readonly amountSats: bigint;
  readonly script: string;
  readonly path: KeyPath;
}

/** What the builder knows of the threshold wallet: its public key, its coins, the next change address. */
export interface BuilderView {
  readonly key: WalletKey;
  readonly derive: (path: KeyPath) => WalletAddress;
  /** From the largest to the smallest. */
  readonly coins: readonly BuilderCoin[];
  readonly changeIndex: number;
}

export async function builderView(stage: DrillStage): Promise<BuilderView> {
  const [client] = stage.asServer;
  const [key] = (await client!.call('/v1/status', {})).frost_wallets;
  const network = stage.system.first.policy.networks.find((one) => one.network === bitcoinNetworkId);
  if (!key || network?.family !== 'bitcoin') throw new Error('there is no Bitcoin wallet');
  const group: BitcoinWallet = {
    groupKey: hexToBytes(key.group_key),
    chainCode: hexToBytes(key.chain_code),
    coldKeys: network.cold_keys.map((one) => hexToBytes(one)),
  };
  const rows = await stage.books.db.query<{
    txid: string;
    vout: number;
    amount: bigint;
    script: string;
    branch: number;
    derivation_index: bigint;
  }>(
    `select txid, vout, amount, script, branch, derivation_index from coin
      where network = $1 and spent_by is null and reserved_by is null and block_id is not null order by amount desc`,
    [bitcoinNetworkId],
  );
  const [change] = await stage.books.db.query<{ next: bigint }>(
    'select coalesce(max(derivation_index) + 1, 0)::bigint as next from change_address where network = $1',
    [bitcoinNetworkId],
  );
  return {
    key,
    derive: (path) => deriveWalletAddress(group, path, params),
    coins: rows.map(({ amount, branch, derivation_index: index, ...coin }) => ({
      ...coin,
      amountSats: BigInt(amount),
      path: [branch, Number(index)] as const,
    })),
    changeIndex: Number(change!.next),
  };
}

export interface BuildOptions {
  readonly coins?: readonly BuilderCoin[];
  readonly changeScript?: string;
  readonly feeRateSatVb?: number;
  /** Outputs that no intent asks for. */
  readonly more?: readonly { readonly script: string; readonly amountSats: bigint }[];
  /** Instead of what the intents ask for. */
  readonly payouts?: readonly { readonly script: string; readonly amountSats: bigint }[];
}

/** What the builder hands to the signers; without options the honest transaction, byte for byte as the server builds it. */
export function builtRequest(
  view: BuilderView,
  intents: readonly AuthorizedIntent[],
  options: BuildOptions = {},
): SignBitcoinRequest {
  const coins = options.coins ?? view.coins.slice(0, 1);
  const honest = intents.map(({ intent }) => ({
    script: scriptOf(intent.destination),
    amountSats: BigInt(intent.amount),
  }));
  const built = buildBatch({
    coins,
    payouts: [...(options.payouts ?? honest), ...(options.more ?? [])],
    changeScript: options.changeScript ?? view.derive([1, view.changeIndex]).script,
    feeRateSatVb: options.feeRateSatVb ?? 5,
  });
  const pathOf = new Map(coins.map((coin) => [`${coin.txid}:${coin.vout}`, coin.path]));
  return {
    network: bitcoinNetworkId,
    raw_tx: built.rawTx,
    input_paths: built.inputs.map((coin) => [...pathOf.get(`${coin.txid}:${coin.vout}`)!] as [number, number]),
    change: built.changeOutput === null ? [] : [{ output: built.changeOutput, index: view.changeIndex }],
    intents: [...intents],
  };
}

export interface BitcoinAttempt {
  readonly name: string;
  readonly code: ErrorCode;
  readonly request: SignBitcoinRequest;
}

/** Asks all three signers, offers the network whatever came of it, and fails unless all refused for the reason. */
export async function tryBitcoinBytes(
  stage: DrillStage,
  view: BuilderView,
  attempts: readonly BitcoinAttempt[],
): Promise<void> {
  for (const { name, code, request } of attempts) {
    const answers = await askAll(stage, async (client) => client.call('/v1/sign/bitcoin/commit', request));
    const signatures = await signaturesOf(view, request, answers).catch(() => null);
    // With nothing in hand a thief can only guess; the node says what it is worth.
    const guesses = request.input_paths.map(() => randomBytes(64));
    const accepted = await offerToNode(stage, request.raw_tx, signatures ?? guesses);
    if (accepted === null) throw new Error(`${name}: the network took the transaction`);
    mustRefuse(name, answers, code);
  }
}

type Commitment = SignerResponse<'/v1/sign/bitcoin/commit'>;

/** Round two with the first two signers that opened a session; null when fewer did. */
export async function signaturesOf(
  { key, derive, coins }: BuilderView,
  request: SignBitcoinRequest,
  answers: readonly Answer<Commitment>[],
): Promise<Uint8Array[] | null> {
  const opened = answers.flatMap(({ client, value }) => (value ? [{ client, ...value }] : [])).slice(0, 2);
  if (opened.length < 2) return null;
  const lists: NonceCommitment[][] = request.input_paths.map((_, at) => opened.map((one) => one.commitments[at]!));
  const shares = await Promise.all(
    opened.map(async ({ client, session, commitments }) => {
      const answer = await client.call('/v1/sign/bitcoin/share', { session, commitments: lists });
      return { identifier: commitments[0]!.identifier, shares: answer.shares };
    }),
  );
  const prevouts = request.input_paths.map((path) => {
    const { script } = derive(path);
    return coins.find((coin) => coin.script === script)!;
  });
  const sighashes = taprootSighashes(request.raw_tx, prevouts);
  const inputs = request.input_paths.map((path, at) => ({ sighash: sighashes[at]!, tweak: derive(path).tweak }));
  return aggregateInputs(key, inputs, lists, shares, 2, 3);
}

/** @returns the node's refusal; null when it took the transaction. */
export async function offerToNode(
  stage: DrillStage,
  rawTx: string,
  signatures: readonly Uint8Array[],
): Promise<string | null> {
  const { raw } = finalizeTransaction(rawTx, signatures);
  return stage.system.chains.bitcoin!.miner.rpc<string>('sendrawtransaction', [raw, 0]).then(
    () => null,
    (error: unknown) => String(error),
  );
}

/** An address of the thief's own key that begins like another: what a glance compares. */
export function lookAlike(address: string): string {
  for (;;) {
    const program = schnorr.getPublicKey(randomBytes(32));
    const found = encodeSegwit({ prefix: params.bech32, version: 1, program });
    // Two characters after `bcrt1p`: a thief with a day would have eight.
    if (found.startsWith(address.slice(0, 8))) return found;
  }
}

/** A P2TR output of a key that the thief has. */
export function thiefTaproot(): { address: string; script: string } {
  const program = { prefix: params.bech32, version: 1, program: schnorr.getPublicKey(randomBytes(32)) };
  return { address: encodeSegwit(program), script: bytesToHex(witnessScript(program)) };
}
