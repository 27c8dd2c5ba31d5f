import { type AssetCode, assetRules, baseUnitsOf } from './asset-rules.ts';
import type { EvmDeployment } from './evm/deploy-vault.ts';

export const evmNetworkId = 'eip155:31337';
export const bitcoinNetworkId = 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328';

export interface SignerAddress {
  readonly id: string;
  readonly identifier: number;
  readonly port: number;
  readonly fingerprint: string;
  readonly certificate: string;
  readonly ownerAddress: string;
  /** Ed25519, hex. */
  readonly statementKey: string;
}

export interface ConfigInput {
  readonly evm: EvmDeployment;
  readonly coldBitcoin: readonly string[];
  readonly signers: readonly SignerAddress[];
  readonly serverFingerprint: string;
  /** Of the first Bitcoin block that the server looks at. */
  readonly bitcoinStart: number;
}

export function caip19(code: AssetCode, evm: EvmDeployment): string {
  if (code === 'BTC') return `${bitcoinNetworkId}/slip44:0`;
  const contract = contractOf(code, evm);
  return contract === null ? `${evmNetworkId}/slip44:60` : `${evmNetworkId}/erc20:${contract}`;
}

export function contractOf(code: AssetCode, evm: EvmDeployment): string | null {
  if (code === 'USDT') return evm.usdt;
  if (code === 'USDC') return evm.usdc;
  return null;
}

function serverAsset(code: AssetCode, evm: EvmDeployment): object {
  const rule = assetRules[code];
  return {
    asset: code,
    caip19: caip19(code, evm),
    contract: contractOf(code, evm),
    withdrawal_fee: baseUnitsOf(code, rule.fee),
    withdrawal_minimum: baseUnitsOf(code, rule.minimum),
    per_withdrawal_max: baseUnitsOf(code, rule.max),
    sweep_minimum: baseUnitsOf(code, rule.sweepMin),
    per_customer_day_max: baseUnitsOf(code, rule.dayMax),
    confirmations: [
      { below: baseUnitsOf(code, rule.small), confirmations: rule.confirmations[0] },
      { below: null, confirmations: rule.confirmations[1] },
    ],
  };
}

const hash = (text: string): string => text.replace(/^0x/, '');

/** What every network's row has. */
function commonRow(own: {
  pollMs: number;
  batchWaitMs: number;
  batchSizeMax?: number | undefined;
  feeBump?: object | undefined;
  agree?: number | undefined;
}): object {
  return {
    poll_ms: own.pollMs,
    reconcile_blocks: 5,
    batch_size_max: own.batchSizeMax ?? 100,
    batch_wait_ms: own.batchWaitMs,
    ...(own.feeBump === undefined ? {} : { fee_bump: own.feeBump }),
    ...(own.agree === undefined ? {} : { agree: own.agree }),
  };
}

/** A signer as the server's config.json has it. */
function pinnedSigner({ id, identifier, port, fingerprint, statementKey }: ConfigInput['signers'][number]): object {
  return { id, identifier, url: `https://127.0.0.1:${port}`, fingerprint, statement_key: statementKey };
}

function bitcoinRow(
  input: ConfigInput,
  own: Parameters<typeof commonRow>[0] & { bitcoinUrls: readonly string[]; consolidateAbove: number },
): object {
  return {
    ...commonRow(own),
    start_height: input.bitcoinStart,
    id: bitcoinNetworkId,
    name: 'Bitcoin (regtest)',
    family: 'bitcoin',
    endpoints: own.bitcoinUrls,
    final_confirmations: 1,
    cold_keys: input.coldBitcoin,
    fee_rate_default: 5,
    fee_rate_max: 200,
    consolidate_above: own.consolidateAbove,
    assets: [serverAsset('BTC', input.evm)],
  };
}

/** The server's config.json as a plain object. */
export function serverConfig(
  input: ConfigInput,
  own: {
    port: number;
    evmUrls: readonly string[];
    bitcoinUrls: readonly string[];
    apiKeys: readonly object[];
    pollMs: number;
    batchWaitMs: number;
    batchSizeMax?: number | undefined;
    sweepWaitMs: number;
    consolidateAbove: number;
    killAt?: string | undefined;
    pauseAt?: readonly string[] | undefined;
    feeBump?: object | undefined;
    agree?: number | undefined;
    /** Mode custodian, and its engine. */
    custodian?: object;
  },
): object {
  const { evm } = input;
  const networks: object[] = [
    {
      ...commonRow(own),
      start_height: 1,
      id: evmNetworkId,
      name: 'Ethereum (anvil)',
      family: 'evm',
      endpoints: own.evmUrls,
      final_confirmations: 2,
      safe: evm.safe,
      guard: evm.guard,
      multi_send: evm.multiSend,
      registry: evm.registry,
      forwarder_factory: evm.factory,
      forwarder_init_code_hash: hash(evm.forwarderInitCodeHash),
      max_fee_per_gas: '500000000000',
      sweep_wait_ms: own.sweepWaitMs,
      assets: (['ETH', 'USDT', 'USDC'] as const).map((code) => serverAsset(code, evm)),
    },
  ];
  if (own.bitcoinUrls.length > 0) networks.push(bitcoinRow(input, own));
  const codes =
    own.bitcoinUrls.length > 0 ? (Object.keys(assetRules) as AssetCode[]) : (['ETH', 'USDT', 'USDC'] as const);
  return {
    // Its port is another at each start.
    name: 'server',
    listen: { host: '127.0.0.1', port: own.port },
    signers: input.signers.map(pinnedSigner),
    quorum: 2,
    api_keys: own.apiKeys,
    policy: 'policy.json',
    assets: codes.map((code) => ({ code, name: assetRules[code].name, decimals: assetRules[code].decimals })),
    networks,
    webhooks: { allow_private: true },
    ...(own.custodian === undefined ? {} : { mode: 'custodian', engine: own.custodian }),
    ...(own.killAt === undefined ? {} : { kill_at: own.killAt }),
    ...(own.pauseAt === undefined ? {} : { pause_at: own.pauseAt }),
  };
}

/** A signer's config.json as a plain object: its peers and its own nodes. What it may sign is in the policy. */
export function signerConfig(
  input: ConfigInput,
  own: { id: string; evmUrls: readonly string[]; bitcoinUrls: readonly string[] },
): object {
  const me = input.signers.find((signer) => signer.id === own.id)!;
  return {
    signer: me.id,
    identifier: me.identifier,
    listen: { host: '127.0.0.1', port: me.port },
    server: { fingerprint: input.serverFingerprint },
    peers: input.signers
      .filter((signer) => signer.id !== own.id)
      .map(({ id, identifier, port, fingerprint, certificate, ownerAddress, statementKey }) => ({
        signer: id,
        identifier,
        url: `https://127.0.0.1:${port}`,
        fingerprint,
        certificate,
        owner_address: ownerAddress,
        statement_key: statementKey,
      })),
    networks: [
      { network: evmNetworkId, rpc_urls: own.evmUrls },
      ...(own.bitcoinUrls.length > 0 ? [{ network: bitcoinNetworkId, rpc_urls: own.bitcoinUrls }] : []),
    ],
  };
}
