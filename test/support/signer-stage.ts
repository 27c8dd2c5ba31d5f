import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ed25519 } from '@noble/curves/ed25519.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { parseBitcoinAddress } from '@holdfast/core/chains/bitcoin/address.ts';
import { buildBatch } from '@holdfast/core/chains/bitcoin/build.ts';
import { deriveWalletAddress, type WalletAddress } from '@holdfast/core/chains/bitcoin/derive-address.ts';
import { bitcoinParams } from '@holdfast/core/chains/bitcoin/params.ts';
import { buildWithdrawalBatch } from '@holdfast/core/chains/evm/build.ts';
import type { KeyPath } from '@holdfast/core/keys/derive-child.ts';
import type { BitcoinNetworkPolicy, EvmNetworkPolicy, Policy } from '@holdfast/core/policy/policy.ts';
import { samplePolicy } from '@holdfast/core/policy/sample-policy.test-support.ts';
import { parseBaseUnits } from '@holdfast/core/money/base-units.ts';
import { intentDigest, type AuthorizedIntent, type WithdrawalIntent } from '@holdfast/core/signing/intent.ts';
import type { SignBitcoinRequest, SignEvmRequest, SignerStatus } from '@holdfast/core/signing/messages.ts';
import type { SignerProgram } from '@holdfast/devnet/signer-program.ts';
import { startSigners, waitForKeys, type SignerCluster } from './signers.ts';
import { startStubNode, stubSafe, stubSingleton, type StubNode } from './stub-nodes.ts';

export const evmNetwork = 'eip155:31337';
export const bitcoinNetwork = 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328';
export const ethAsset = `${evmNetwork}/slip44:60`;
export const usdc = '0x00000000000000000000000000000000000C0DE1';
export const usdcAsset = `${evmNetwork}/erc20:${usdc}`;
export const btcAsset = `${bitcoinNetwork}/slip44:0`;
export const safe = stubSafe;
export const multiSend = '0x00000000000000000000000000000000000000B5';
export const factory = '0x00000000000000000000000000000000000000C5';
export const registry = '0x00000000000000000000000000000000000000d5';
export const alice = '0x1111111111111111111111111111111111111111';
export const bob = '0x2222222222222222222222222222222222222222';
export const aliceBitcoin = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080';
/** Custodians do not sign here, so any bytes will do. */
export const coldKeys = ['01', '02', '03', '04', '05'].map((byte) => byte.repeat(32));
export const customer = 'cus_01890000-0000-7000-8000-000000000001';

export const integratorSecret = new Uint8Array(32).fill(42);
export const params = bitcoinParams(bitcoinNetwork);

/** Three signers with stub chain nodes, their Bitcoin key made. */
export interface SignerStage {
  readonly cluster: SignerCluster;
  /** One chain behind the two endpoints of all signers: the tests are about signers, not nodes. */
  readonly node: StubNode;
  readonly folder: string;
  readonly wallet: SignerStatus['frost_wallets'][number];
  /** Our address below the group key. */
  derive(path: KeyPath): WalletAddress;
  /** Puts a confirmed coin of ours on the node. */
  addCoin(path: KeyPath, amountSats: bigint): StageCoin;
  stop(): Promise<void>;
}

export interface StageCoin {
  readonly txid: string;
  readonly vout: number;
  readonly amountSats: bigint;
  readonly path: KeyPath;
}

export interface StageLimits {
  readonly perPayment: string;
  readonly perDay: string;
}

export interface StageOptions {
  readonly bitcoin?: StageLimits;
  readonly eth?: StageLimits;
  /** Changes version 1 of the policy before it is signed. */
  readonly policy?: (policy: Policy) => void;
  /** Every signer with an HSM of its own. */
  readonly hsm?: boolean;
  readonly program?: SignerProgram;
  /** Given to every signer besides; a bundle refuses most. */
  readonly env?: Readonly<Record<string, string>>;
}

export async function startStage(options: StageOptions = {}): Promise<SignerStage> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-signers-'));
  const node = await startStubNode();
  const cluster = await startSigners({
    folder,
    hsm: options.hsm ?? false,
    networks: () => [evmNetwork, bitcoinNetwork].map((network) => ({ network, rpc_urls: [...node.urls] })),
    program: options.program,
    env: options.env,
    policy: (cards, build) => {
      node.owners = cards.map((card) => card.owner_address);
      return stagePolicy(node.owners, { ...options, build });
    },
  });
  const stop = async (): Promise<void> => {
    await cluster.stop();
    await node.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await waitForKeys(cluster.signers, bitcoinNetwork);
    const [first] = cluster.signers;
    const [wallet] = (await first?.client.call('/v1/status', {}))?.frost_wallets ?? [];
    if (!wallet) throw new Error('no key');
    const group = { groupKey: hexToBytes(wallet.group_key), chainCode: hexToBytes(wallet.chain_code) };
    const derive = (path: KeyPath): WalletAddress =>
      deriveWalletAddress({ ...group, coldKeys: coldKeys.map((key) => hexToBytes(key)) }, path, params);
    const addCoin = (path: KeyPath, amountSats: bigint): StageCoin => {
      const { txid, vout } = node.addCoin({ amountSats, script: derive(path).script });
      return { txid, vout, amountSats, path };
    };
    return { cluster, node, folder, wallet, derive, addCoin, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * Version 1 on the stage: the integrator's word is enough for everything within the limits, and no lying node is provided
 * for. The sample policy's people are in it (core/src/policy/sample-policy.test-support.ts).
 */
export function stagePolicy(
  owners: readonly string[],
  options: StageOptions & { readonly build?: string } = {},
): Policy {
  const bitcoin = options.bitcoin ?? { perPayment: '1000000000', perDay: '100000000000' };
  const eth = options.eth ?? { perPayment: '1000000', perDay: '1000000000' };
  const usd = { perPayment: '1000000', perDay: '1000000000' };
  return samplePolicy((policy) => {
    policy.integrator_keys = [
      {
        key_id: 'exchange',
        public_key: bytesToHex(ed25519.getPublicKey(integratorSecret)),
        may: ['withdraw', 'enrol', 'add-destination'],
      },
    ];
    policy.intent_s_max = 31 * 86_400;
    policy.destinations.delay_s = 0;
    policy.credentials.delay_s = 0;
    policy.positions.approvals = 0;
    policy.builds = { permitted: [options.build ?? 'ab'.repeat(32)], soak_s: 0 };
    const [sampleEvm, sampleBitcoin] = policy.networks as [EvmNetworkPolicy, BitcoinNetworkPolicy];
    policy.networks = [
      {
        ...sampleEvm,
        ...stageNodes,
        network: evmNetwork,
        finality_blocks: 64,
        safe,
        safe_singleton: stubSingleton,
        safe_owners: [...owners],
        multi_send: multiSend,
        forwarder_factory: factory,
        forwarder_init_code_hash: '77'.repeat(32),
        registry,
        assets: [
          { asset: ethAsset, code: 'ETH', contract: null, ...stageLimits(eth) },
          { asset: usdcAsset, code: 'USDC', contract: usdc, ...stageLimits(usd) },
        ],
        allowed_calls: [],
      },
      {
        ...sampleBitcoin,
        ...stageNodes,
        network: bitcoinNetwork,
        finality_blocks: 6,
        cold_keys: [...coldKeys],
        asset: btcAsset,
        ...stageLimits(bitcoin),
        // The stub has no estimate.
        fee_rate_fallback_sat_vb: 100,
        fee_rate_max_sat_vb: 100,
        fee_max_sats: '50000',
        fee_per_day_max_sats: '1000000',
        min_confirmations: 1,
      },
    ];
    options.policy?.(policy);
  });
}

/** Two endpoints lead to one stub. */
const stageNodes = { node_faults: 0, burial_endpoints_min: 2 } as const;

function stageLimits({ perPayment, perDay }: StageLimits) {
  const limits = { per_transaction_max: perPayment, per_hour_max: perDay, per_day_max: perDay };
  return { limits, integrator_limits: { ...limits }, degraded_per_day_max: perDay, approval_tiers: [] };
}

/** A withdrawal that the integrator has signed. */
export function withdrawal(
  change: Partial<WithdrawalIntent> = {},
  secret = integratorSecret,
  keyId = 'exchange',
): AuthorizedIntent {
  const intent: WithdrawalIntent = {
    version: 1,
    kind: 'withdrawal',
    network: evmNetwork,
    asset: ethAsset,
    amount: '1000',
    destination: alice,
    memo: null,
    customer,
    fee_max: '0',
    expires_at: new Date(Date.now() + 600_000).toISOString(),
    nonce: randomUUID(),
    ...change,
  };
  return {
    intent,
    authorization: { key_id: keyId, signature: bytesToHex(ed25519.sign(intentDigest(intent), secret)) },
    approvals: [],
  };
}

export function bitcoinWithdrawal(change: Partial<WithdrawalIntent> = {}): AuthorizedIntent {
  return withdrawal({
    network: bitcoinNetwork,
    asset: btcAsset,
    destination: aliceBitcoin,
    amount: '50000',
    ...change,
  });
}

/** The Safe transaction that an honest server builds for the intents. */
export function evmRequest(intents: AuthorizedIntent[], nonce: bigint): SignEvmRequest {
  const legs = intents.map(({ intent }) => {
    const leg = { to: intent.destination, amount: parseBaseUnits(intent.amount) };
    return intent.asset.endsWith('/slip44:60')
      ? ({ kind: 'native', ...leg } as const)
      : ({ kind: 'erc20', contract: usdc, ...leg } as const);
  });
  return { network: evmNetwork, safe_transaction: buildWithdrawalBatch({ legs, nonce, multiSend }), intents };
}

/** The transaction that an honest server builds for the intents, change to `[1, changeIndex]`. */
export function bitcoinRequest(
  stage: SignerStage,
  coins: readonly StageCoin[],
  intents: AuthorizedIntent[],
  options: { readonly changeIndex?: number; readonly feeRateSatVb?: number; readonly changeScript?: string } = {},
): SignBitcoinRequest {
  const changeIndex = options.changeIndex ?? 0;
  const built = buildBatch({
    coins,
    payouts: intents.map(({ intent }) => ({
      script: parseBitcoinAddress(intent.destination, params).script,
      amountSats: BigInt(intent.amount),
    })),
    changeScript: options.changeScript ?? stage.derive([1, changeIndex]).script,
    feeRateSatVb: options.feeRateSatVb ?? 5,
  });
  const pathOf = new Map(coins.map((coin) => [coin.txid, coin.path]));
  return {
    network: bitcoinNetwork,
    raw_tx: built.rawTx,
    input_paths: built.inputs.map((coin) => [...(pathOf.get(coin.txid) ?? [0, 0])] as [number, number]),
    change: built.changeOutput === null ? [] : [{ output: built.changeOutput, index: changeIndex }],
    intents,
  };
}
