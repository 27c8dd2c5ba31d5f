import { parseUnits } from '@holdfast/core/money/base-units.ts';
import type { EvmDeployment } from './evm/deploy-vault.ts';

export const evmNetworkId = 'eip155:31337';
export const bitcoinNetworkId = 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328';

/** Rules of the devnet in whole coins; written into each process's config.json, where a user changes them. */
const rules = {
  BTC: {
    decimals: 8,
    name: 'Bitcoin',
    fee: '0.00002',
    minimum: '0.0001',
    max: '50',
    dayMax: '200',
    sweepMin: '0',
    small: '0.5',
    confirmations: [1, 3],
  },
  ETH: {
    decimals: 18,
    name: 'Ether',
    fee: '0.0004',
    minimum: '0.001',
    max: '500',
    dayMax: '2000',
    sweepMin: '0.001',
    small: '5',
    confirmations: [2, 4],
  },
  USDT: {
    decimals: 6,
    name: 'Tether USD',
    fee: '1',
    minimum: '5',
    max: '1000000',
    dayMax: '5000000',
    sweepMin: '1',
    small: '10000',
    confirmations: [2, 4],
  },
  USDC: {
    decimals: 6,
    name: 'USD Coin',
    fee: '1',
    minimum: '5',
    max: '1000000',
    dayMax: '5000000',
    sweepMin: '1',
    small: '10000',
    confirmations: [2, 4],
  },
} as const;
type Code = keyof typeof rules;

export interface SignerAddress {
  readonly id: string;
  readonly identifier: number;
  readonly port: number;
  readonly fingerprint: string;
  readonly certificate: string;
}

export interface ConfigInput {
  readonly evm: EvmDeployment;
  readonly coldBitcoin: readonly string[];
  readonly signers: readonly SignerAddress[];
  readonly serverFingerprint: string;
  readonly integratorKey: { readonly key_id: string; readonly public_key: string };
}

const amount = (code: Code, text: string): string => parseUnits(text, rules[code].decimals).toString();

export function caip19(code: Code, evm: EvmDeployment): string {
  if (code === 'BTC') return `${bitcoinNetworkId}/slip44:0`;
  const contract = contractOf(code, evm);
  return contract === null ? `${evmNetworkId}/slip44:60` : `${evmNetworkId}/erc20:${contract}`;
}

function contractOf(code: Code, evm: EvmDeployment): string | null {
  if (code === 'USDT') return evm.usdt;
  if (code === 'USDC') return evm.usdc;
  return null;
}

function serverAsset(code: Code, evm: EvmDeployment): object {
  const rule = rules[code];
  return {
    asset: code,
    caip19: caip19(code, evm),
    contract: contractOf(code, evm),
    withdrawal_fee: amount(code, rule.fee),
    withdrawal_minimum: amount(code, rule.minimum),
    per_withdrawal_max: amount(code, rule.max),
    sweep_minimum: amount(code, rule.sweepMin),
    per_customer_day_max: amount(code, rule.dayMax),
    confirmations: [
      { below: amount(code, rule.small), confirmations: rule.confirmations[0] },
      { below: null, confirmations: rule.confirmations[1] },
    ],
  };
}

const hash = (text: string): string => text.replace(/^0x/, '');

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
    sweepWaitMs: number;
    killAt?: string | undefined;
  },
): object {
  const common = { start_height: 1, poll_ms: own.pollMs, batch_size_max: 100, batch_wait_ms: own.batchWaitMs };
  const { evm } = input;
  const networks: object[] = [
    {
      ...common,
      id: evmNetworkId,
      name: 'Ethereum (anvil)',
      family: 'evm',
      endpoints: own.evmUrls,
      final_confirmations: 2,
      safe: evm.safe,
      multi_send: evm.multiSend,
      registry: evm.registry,
      forwarder_factory: evm.factory,
      forwarder_init_code_hash: hash(evm.forwarderInitCodeHash),
      max_fee_per_gas: '500000000000',
      sweep_wait_ms: own.sweepWaitMs,
      assets: (['ETH', 'USDT', 'USDC'] as const).map((code) => serverAsset(code, evm)),
    },
  ];
  if (own.bitcoinUrls.length > 0) {
    networks.push({
      ...common,
      id: bitcoinNetworkId,
      name: 'Bitcoin (regtest)',
      family: 'bitcoin',
      endpoints: own.bitcoinUrls,
      final_confirmations: 1,
      cold_keys: input.coldBitcoin,
      fee_rate_default: 5,
      fee_rate_max: 200,
      assets: [serverAsset('BTC', evm)],
    });
  }
  const codes = own.bitcoinUrls.length > 0 ? (Object.keys(rules) as Code[]) : (['ETH', 'USDT', 'USDC'] as const);
  return {
    listen: { host: '127.0.0.1', port: own.port },
    signers: input.signers.map(({ id, identifier, port, fingerprint }) => ({
      id,
      identifier,
      url: `https://127.0.0.1:${port}`,
      fingerprint,
    })),
    quorum: 2,
    api_keys: own.apiKeys,
    integrator_keys: [input.integratorKey],
    assets: codes.map((code) => ({ code, name: rules[code].name, decimals: rules[code].decimals })),
    networks,
    webhooks: { allow_private: true },
    ...(own.killAt === undefined ? {} : { kill_at: own.killAt }),
  };
}

/** A signer's config.json as a plain object: its own copy of the policy, its own node endpoints. */
export function signerConfig(
  input: ConfigInput,
  own: { id: string; evmUrls: readonly string[]; bitcoinUrls: readonly string[] },
): object {
  const me = input.signers.find((signer) => signer.id === own.id)!;
  const { evm } = input;
  const limits = (code: Code) => ({
    per_transaction_max: amount(code, rules[code].max),
    per_day_max: amount(code, rules[code].dayMax),
  });
  const networks: object[] = [
    {
      network: evmNetworkId,
      family: 'evm',
      rpc_urls: own.evmUrls,
      safe: evm.safe,
      multi_send: evm.multiSend,
      forwarder_factory: evm.factory,
      forwarder_init_code_hash: hash(evm.forwarderInitCodeHash),
      registry: evm.registry,
      finality_blocks: 2,
      burial_endpoints_min: 2,
      assets: (['ETH', 'USDT', 'USDC'] as const).map((code) => ({
        asset: caip19(code, evm),
        contract: contractOf(code, evm),
        ...limits(code),
      })),
    },
  ];
  if (own.bitcoinUrls.length > 0) {
    networks.push({
      network: bitcoinNetworkId,
      family: 'bitcoin',
      rpc_urls: own.bitcoinUrls,
      cold_keys: input.coldBitcoin,
      asset: caip19('BTC', evm),
      ...limits('BTC'),
      fee_rate_max_sat_vb: 300,
      fee_max_sats: '5000000',
      min_confirmations: 1,
      finality_blocks: 1,
      burial_endpoints_min: 2,
    });
  }
  return {
    signer: me.id,
    identifier: me.identifier,
    listen: { host: '127.0.0.1', port: me.port },
    server: { fingerprint: input.serverFingerprint },
    peers: input.signers
      .filter((signer) => signer.id !== own.id)
      .map(({ id, identifier, port, fingerprint, certificate }) => ({
        signer: id,
        identifier,
        url: `https://127.0.0.1:${port}`,
        fingerprint,
        certificate,
      })),
    integrator_keys: [input.integratorKey],
    networks,
  };
}
