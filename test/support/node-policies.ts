import type { BitcoinNetworkPolicy, EvmNetworkPolicy } from '@holdfast/core/policy/policy.ts';
import type { DepositClaim } from '@holdfast/core/signing/customer-record.ts';
import { assetRules } from './node-lies.ts';
import { stubSafe, stubSingleton } from './stub-nodes.ts';

/** What a policy says about the chains of stub nodes. */
const none = `0x${'0'.repeat(40)}`;
export const proofOwners = [1, 2, 3].map((digit) => `0x${String(digit).repeat(40)}`);
export const proofToken = `0x${'C1'.repeat(20)}`;
const anyone = `0x${'A1'.repeat(20)}`;
export const evmPolicy: EvmNetworkPolicy = {
  network: 'eip155:31337',
  family: 'evm',
  node_faults: 1,
  finality_blocks: 64,
  block_age_s_max: 3_600,
  burial_endpoints_min: 2,
  deposit_confirmations: 2,
  safe: stubSafe,
  safe_singleton: stubSingleton,
  safe_owners: proofOwners,
  safe_threshold: 2,
  safe_guard: none,
  safe_handler: none,
  safe_modules: [],
  multi_send: anyone,
  forwarder_factory: anyone,
  forwarder_init_code_hash: '77'.repeat(32),
  registry: anyone,
  cold_addresses: [anyone],
  assets: [
    { asset: 'eth', code: 'ETH', contract: null, ...assetRules },
    { asset: 'token', code: 'USDC', contract: proofToken, ...assetRules },
  ],
  allowed_calls: [],
};
export const bitcoinPolicy: BitcoinNetworkPolicy = {
  network: 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328',
  family: 'bitcoin',
  node_faults: 1,
  finality_blocks: 6,
  block_age_s_max: 43_200,
  burial_endpoints_min: 2,
  deposit_confirmations: 2,
  cold_keys: ['01', '02', '03', '04', '05'].map((byte) => byte.repeat(32)),
  cold_addresses: ['x'],
  asset: 'btc',
  code: 'BTC',
  ...assetRules,
  fee_rate_percent_max: 300,
  fee_rate_fallback_sat_vb: 2,
  fee_rate_max_sat_vb: 100,
  fee_max_sats: '50000',
  fee_per_day_max_sats: '1000000',
  evacuation_fee_per_day_max_sats: '1000000',
  min_confirmations: 1,
  easiest_bits: '207fffff',
};

/** A claim of native coins by anyone. */
export function claimOf(change: Partial<DepositClaim>): DepositClaim {
  return {
    version: 1,
    kind: 'deposit',
    network: evmPolicy.network,
    customer: 'cus_01890000-0000-7000-8000-000000000001',
    index: 0,
    address: anyone,
    asset: 'eth',
    block_height: 0,
    block_hash: '',
    outpoint: null,
    ...change,
  };
}
