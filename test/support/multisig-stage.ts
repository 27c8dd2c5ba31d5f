import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseBitcoinAddress } from '@holdfast/core/chains/bitcoin/address.ts';
import { buildBatch } from '@holdfast/core/chains/bitcoin/build.ts';
import { parseBitcoinTransaction } from '@holdfast/core/chains/bitcoin/parse-transaction.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import type { KeyPath } from '@holdfast/core/keys/derive-child.ts';
import type { BitcoinNetworkPolicy, MultisigWalletPolicy, Policy } from '@holdfast/core/policy/policy.ts';
import type { AuthorizedIntent } from '@holdfast/core/signing/intent.ts';
import type { SignBitcoinRequest } from '@holdfast/core/signing/messages.ts';
import { multisigWallet } from '@holdfast/server/networks/bitcoin/multisig-wallet.ts';
import type { WalletKind } from '@holdfast/server/networks/bitcoin/wallet-kind.ts';
import { signerPanel } from '@holdfast/server/signers/panel.ts';
import { sourceProgram } from '@holdfast/devnet/signer-program.ts';
import type { BitcoinDevnet } from './bitcoind.ts';
import { bitcoinNetwork, params, stagePolicy } from './signer-stage.ts';
import { startSigners, type SignerCluster } from './signers.ts';

/** Three signers whose Bitcoin wallet is 2 of 3 of their owner keys, on two peered bitcoind. */
export interface MultisigStage {
  readonly cluster: SignerCluster;
  /** As the server has it, with the signers behind it. */
  readonly wallet: WalletKind;
  /** Pays an address of ours and mines it. */
  fund(path: KeyPath, amountSats: bigint): Promise<OwnCoin>;
  stop(): Promise<void>;
}

export interface OwnCoin {
  readonly txid: string;
  readonly vout: number;
  readonly amountSats: bigint;
  readonly path: KeyPath;
  readonly witnessBytes: number;
}

/** @param ownerKeys of the signers' cards. */
export function multisigOf(ownerKeys: readonly string[]): MultisigWalletPolicy {
  return { kind: 'wsh-sortedmulti', threshold: 2, keys: [...ownerKeys], chain_code: '5c'.repeat(32) };
}

export async function startMultisigStage(devnet: BitcoinDevnet, hsm: boolean): Promise<MultisigStage> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-multisig-'));
  const urls = devnet.nodes.map(({ rpcUrl, user, password }) => {
    return Object.assign(new URL(rpcUrl), { username: user, password }).href;
  });
  const cluster = await startSigners({
    folder,
    hsm,
    // An unpacked SoftHSM needs LD_LIBRARY_PATH, under which no bundle starts.
    program: hsm ? sourceProgram : undefined,
    networks: () => [{ network: bitcoinNetwork, rpc_urls: urls }],
    policy: (cards, build) => {
      const owners = cards.map((card) => card.owner_address);
      const named = multisigOf(cards.map((card) => card.owner_key));
      return stagePolicy(owners, { build, policy: (policy) => (bitcoinOf(policy).wallet = named) });
    },
  });
  const named = bitcoinOf(cluster.policy.policy).wallet!;
  const clients = cluster.signers.map((signer) => signer.client);
  const wallet = multisigWallet(named, bitcoinNetwork, signerPanel(clients, named.threshold, new Map()));
  const stop = async (): Promise<void> => {
    await cluster.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  return { cluster, wallet, fund: async (path, amountSats) => fund(devnet, wallet, path, amountSats), stop };
}

const bitcoinOf = (policy: Policy): BitcoinNetworkPolicy => policy.networks[1] as BitcoinNetworkPolicy;

async function fund(
  { miners: [miner], nodes }: BitcoinDevnet,
  wallet: WalletKind,
  path: KeyPath,
  amountSats: bigint,
): Promise<OwnCoin> {
  const { address, script } = wallet.derive(path);
  const txid = await miner.pay(address, amountSats);
  const [block = ''] = await miner.mine(1);
  const raw = await nodes[0].rpc<string>('getrawtransaction', [txid, false, block]);
  const vout = parseBitcoinTransaction(raw).outputs.findIndex((output) => output.script === script);
  // All endpoints of a signer must have the block.
  await nodes[1].rpc('waitforblock', [block, 10_000]);
  return { txid, vout, amountSats, path, witnessBytes: wallet.witnessBytes(path) };
}

/** The transaction that an honest server builds for the intents. */
export function multisigRequest(
  wallet: WalletKind,
  coins: readonly OwnCoin[],
  intents: AuthorizedIntent[],
  options: { readonly feeRateSatVb?: number; readonly changeScript?: string } = {},
): { request: SignBitcoinRequest; prevouts: { script: string; amountSats: bigint }[]; vsize: number } {
  const built = buildBatch({
    coins,
    payouts: intents.map(({ intent }) => ({
      script: parseBitcoinAddress(intent.destination, params).script,
      amountSats: BigInt(intent.amount),
    })),
    changeScript: options.changeScript ?? wallet.changeAddress?.script ?? '',
    feeRateSatVb: options.feeRateSatVb ?? 5,
  });
  const spent = built.inputs.map(({ txid, vout }) => {
    const coin = coins.find((one) => one.txid === txid && one.vout === vout);
    invariant(coin, 'an input is one of the coins');
    return coin;
  });
  return {
    request: {
      network: bitcoinNetwork,
      raw_tx: built.rawTx,
      input_paths: spent.map(({ path }) => [...path] as [number, number]),
      change: built.changeOutput === null ? [] : [{ output: built.changeOutput, index: 0 }],
      intents,
    },
    prevouts: spent.map(({ path, amountSats }) => ({ script: wallet.derive(path).script, amountSats })),
    vsize: built.vsize,
  };
}
