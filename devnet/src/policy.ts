import { ed25519 } from '@noble/curves/ed25519.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import type { BitcoinNetworkPolicy, EvmNetworkPolicy, Policy, SignedPolicy } from '@holdfast/core/policy/policy.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import { type AssetCode, assetRules, baseUnitsOf } from './asset-rules.ts';
import { bitcoinNetworkId, caip19, contractOf, evmNetworkId } from './configure.ts';
import type { EvmDeployment, TokenLimit } from './evm/deploy-vault.ts';
import { type NamedKey, type NamedPasskey, type PolicyParties, relyingParties } from './policy-parties.ts';

export interface PolicyInput {
  readonly evm: EvmDeployment;
  /** Signers' owner addresses of the vault. */
  readonly owners: readonly string[];
  /** Theirs at the emergency desk. */
  readonly emergencyKeys: readonly string[];
  /** Null on a machine without bitcoind. */
  readonly bitcoin: { readonly coldKeys: readonly string[]; readonly coldAddress: string } | null;
  readonly parties: PolicyParties;
  /** What the signers run. */
  readonly build: string;
}

const day = 86_400;
/** A devnet may stand still between two starts, and tests mine on demand. */
const blockAgeSMax = 30 * day;

/** Version 1 of a devnet's policy: short delays, no lying node provided for, everything else as in earnest. */
export function devnetPolicy({ evm, owners, emergencyKeys, bitcoin, parties, build }: PolicyInput): Policy {
  const pinned = ({ keyId, publicKey }: NamedKey) => ({ key_id: keyId, public_key: publicKey });
  const credential = ({ id, passkey }: NamedPasskey) => ({
    id,
    credential_id: passkey.credentialId,
    public_key: passkey.publicKey,
  });
  const offlineId = parties.approvers.at(-1)?.id;
  return {
    format: 'holdfast/policy/v1',
    version: 1,
    previous: null,
    administrators: { quorum: 2, keys: parties.administrators.map(pinned) },
    delays: { tighten_s: 2, loosen_s: 5 },
    webauthn: relyingParties,
    approvers: parties.approvers.map((one) => ({ ...credential(one), offline: one.id === offlineId })),
    operators: parties.operators.map(credential),
    halt_keys: parties.haltKeys.map(pinned),
    resume: { approvals: 2 },
    integrator_keys: [{ ...pinned(parties.integrator), may: ['withdraw', 'enrol', 'add-destination'] }],
    engine_keys: [pinned(parties.engine)],
    intent_s_max: 31 * day,
    destinations: { delay_s: 2 },
    credentials: { delay_s: 2, changes_per_day_max: 10_000 },
    positions: { approvals: 2 },
    builds: { permitted: [build], soak_s: 0 },
    networks: [evmPolicy(evm, owners, emergencyKeys), ...(bitcoin ? [bitcoinPolicy(evm, bitcoin)] : [])],
  };
}

/** Signed by these administrators over its digest. */
export function signPolicy(policy: Policy, administrators: readonly NamedKey[]): SignedPolicy {
  const digest = statementDigest('policy', policy);
  const signatures = administrators.map(({ keyId, seed }) => ({
    key_id: keyId,
    signature: bytesToHex(ed25519.sign(digest, hexToBytes(seed))),
  }));
  return { policy, signatures };
}

function evmPolicy(evm: EvmDeployment, owners: readonly string[], keys: readonly string[]): EvmNetworkPolicy {
  const codes = ['ETH', 'USDT', 'USDC'] as const;
  return {
    network: evmNetworkId,
    family: 'evm',
    node_faults: 0,
    finality_blocks: 2,
    block_age_s_max: blockAgeSMax,
    burial_endpoints_min: 2,
    deposit_confirmations: lowestTier(codes),
    safe: evm.safe,
    safe_singleton: evm.safeSingleton,
    safe_owners: [...owners],
    safe_threshold: 2,
    safe_guard: evm.guard,
    safe_handler: evm.handler,
    safe_modules: [evm.desk, evm.timelock],
    emergency: { desk: evm.desk, timelock: evm.timelock, keys: [...keys] },
    multi_send: evm.multiSend,
    forwarder_factory: evm.factory,
    forwarder_init_code_hash: evm.forwarderInitCodeHash.replace(/^0x/, ''),
    registry: evm.registry,
    cold_addresses: [evm.coldSafe],
    assets: codes.map((code) => ({ ...assetPolicy(code, evm), contract: contractOf(code, evm) })),
    allowed_calls: [],
  };
}

function bitcoinPolicy(evm: EvmDeployment, cold: NonNullable<PolicyInput['bitcoin']>): BitcoinNetworkPolicy {
  return {
    network: bitcoinNetworkId,
    family: 'bitcoin',
    node_faults: 0,
    finality_blocks: 1,
    block_age_s_max: blockAgeSMax,
    burial_endpoints_min: 2,
    deposit_confirmations: lowestTier(['BTC']),
    cold_keys: [...cold.coldKeys],
    cold_addresses: [cold.coldAddress],
    ...assetPolicy('BTC', evm),
    fee_rate_percent_max: 300,
    // A regtest node has no estimate; the server then takes 5 and may replace by more, up to 200.
    fee_rate_fallback_sat_vb: 100,
    fee_rate_max_sat_vb: 300,
    fee_max_sats: '5000000',
    fee_per_day_max_sats: '100000000',
    evacuation_fee_per_day_max_sats: '20000000',
    consolidation: { inputs_min: 5, fee_rate_max_sat_vb: 10 },
    min_confirmations: 1,
    // Regtest's: every hash will do.
    easiest_bits: '207fffff',
  };
}

/** On chain the quorum may pay, at once, what the signers' own limits let it pay in a day, and that again each day. */
export function guardLimits(): TokenLimit[] {
  return (['ETH', 'USDT', 'USDC'] as const).map((asset) => {
    const capacity = BigInt(baseUnitsOf(asset, assetRules[asset].dayMax));
    return { asset, capacity, refillPerSecond: capacity / BigInt(day) };
  });
}

/** Payments without the customer's own passkey get a tenth, and so does a day with a signer away. */
function assetPolicy(code: AssetCode, evm: EvmDeployment) {
  const rule = assetRules[code];
  const [two, three] = rule.approvalsAbove;
  const limits = {
    per_transaction_max: baseUnitsOf(code, rule.max),
    per_hour_max: baseUnitsOf(code, rule.hourMax),
    per_day_max: baseUnitsOf(code, rule.dayMax),
  };
  const tenth = (amount: string): string => (BigInt(amount) / 10n).toString();
  return {
    asset: caip19(code, evm),
    code,
    limits,
    integrator_limits: {
      per_transaction_max: tenth(limits.per_transaction_max),
      per_hour_max: tenth(limits.per_hour_max),
      per_day_max: tenth(limits.per_day_max),
    },
    degraded_per_day_max: tenth(limits.per_day_max),
    approval_tiers: [
      { above: baseUnitsOf(code, two), approvals: 2, offline: 0 },
      { above: baseUnitsOf(code, three), approvals: 3, offline: 1 },
    ],
  };
}

/** Confirmations with which the server credits the smallest deposits: the signers look no earlier. */
function lowestTier(codes: readonly AssetCode[]): number {
  return Math.min(...codes.map((code) => assetRules[code].confirmations[0]));
}
