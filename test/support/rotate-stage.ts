import { encodeUnsigned } from '@holdfast/core/chains/bitcoin/build.ts';
import { deriveWalletAddress, type WalletAddress } from '@holdfast/core/chains/bitcoin/derive-address.ts';
import type { KeyPath } from '@holdfast/core/keys/derive-child.ts';
import { type Policy, policyDigest, type SignedPolicy } from '@holdfast/core/policy/policy.ts';
import { signSamplePolicy } from '@holdfast/core/policy/sample-policy.test-support.ts';
import type { SignBitcoinRequest, SignerStatus } from '@holdfast/core/signing/messages.ts';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { bitcoinNetwork, coldKeys, params, type SignerStage, type StageCoin } from './signer-stage.ts';
import { waitFor, type SignerProcess } from './signers.ts';

type Wallet = SignerStatus['frost_wallets'][number];

/** The version after `before`, in which the Bitcoin wallet has this epoch. */
export function orderEpoch(before: Policy, epoch: number | undefined, signers?: readonly string[]): SignedPolicy {
  const next = structuredClone(before);
  next.version += 1;
  next.previous = policyDigest(before);
  for (const network of next.networks) {
    if (network.family !== 'bitcoin') continue;
    if (epoch === undefined) delete network.key_epoch;
    else network.key_epoch = epoch;
  }
  return signSamplePolicy(next, signers);
}

/** The Bitcoin wallet's key of an epoch by this signer's word; null while it has none. */
export async function epochOf(signer: SignerProcess, epoch: number): Promise<Wallet | null> {
  const { frost_wallets: wallets } = await signer.client.call('/v1/status', {});
  return wallets.find((one) => one.network === bitcoinNetwork && one.epoch === epoch) ?? null;
}

/** Waits until each of the signers has the key of the epoch. @returns the stage, with addresses of that epoch. */
export async function awaitEpoch(stage: SignerStage, epoch: number): Promise<SignerStage> {
  const { signers } = stage.cluster;
  await waitFor(`epoch ${epoch}`, 30_000, async () => {
    const held = await Promise.all(signers.map(async (signer) => epochOf(signer, epoch)));
    return held.every((one) => one !== null);
  });
  const wallet = (await epochOf(signers[0] as SignerProcess, epoch)) as Wallet;
  const group = { groupKey: hexToBytes(wallet.group_key), chainCode: hexToBytes(wallet.chain_code) };
  const derive = (path: KeyPath): WalletAddress =>
    deriveWalletAddress({ ...group, coldKeys: coldKeys.map((key) => hexToBytes(key)) }, path, params);
  const addCoin = (path: KeyPath, amountSats: bigint): StageCoin => {
    const { txid, vout } = stage.node.addCoin({ amountSats, script: derive(path).script });
    return { txid, vout, amountSats, path };
  };
  return { ...stage, wallet, derive, addCoin };
}

/** All of the coins to these outputs; by default to one address of the later stage, less 1,000 sats. */
export function sweepRequest(
  coins: readonly StageCoin[],
  to: Pick<SignerStage, 'derive'>,
  change: {
    readonly outputs?: (leftSats: bigint) => { script: string; amountSats: bigint }[];
    readonly feeSats?: bigint;
  } = {},
): SignBitcoinRequest {
  const leftSats = coins.reduce((sum, { amountSats }) => sum + amountSats, 0n) - (change.feeSats ?? 1_000n);
  const script = to.derive([1, 5]).script;
  const outputs = change.outputs?.(leftSats) ?? [{ script, amountSats: leftSats }];
  return {
    network: bitcoinNetwork,
    raw_tx: bytesToHex(encodeUnsigned(coins, outputs)),
    input_paths: coins.map(({ path }) => [...path] as [number, number]),
    change: outputs.map((_, output) => ({ output, index: 5 })),
    intents: [],
    epoch: 1,
    sweep: 2,
  };
}
