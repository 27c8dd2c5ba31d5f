import { ed25519 } from '@noble/curves/ed25519.js';
import { p256 } from '@noble/curves/nist.js';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { sha256, sha512 } from '@noble/hashes/sha2.js';
import { bytesToHex, concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { statementDigest } from '../signing/statement.ts';
import type { BitcoinNetworkPolicy, EvmNetworkPolicy, Policy, SignedPolicy } from './policy.ts';

/**
 * A policy that lints without a finding, for tests only. Every key is made from its name: `secretOf('admin-1')` signs as
 * the administrator `admin-1`, `secretOf('approver-1')` as the P-256 credential of that approver, and so on.
 */
export function samplePolicy(change: (policy: Policy) => void = () => undefined): Policy {
  const policy: Policy = {
    format: 'holdfast/policy/v1',
    version: 1,
    previous: null,
    administrators: { quorum: 2, keys: ['admin-1', 'admin-2', 'admin-3'].map(sampleKey) },
    delays: { tighten_s: 60, loosen_s: 172_800 },
    webauthn: {
      customers: { rp_id: 'exchange.example', origins: ['https://exchange.example'] },
      approvals: { rp_id: 'approvals.example', origins: ['https://approvals.example'] },
    },
    approvers: [
      { ...sampleCredential('approver-1'), offline: false },
      { ...sampleCredential('approver-2'), offline: false },
      { ...sampleCredential('approver-3'), offline: true },
    ],
    operators: [sampleCredential('operator-1'), sampleCredential('operator-2')],
    halt_keys: [sampleKey('watcher-1'), sampleKey('halt-token-1')],
    resume: { approvals: 2 },
    integrator_keys: [{ ...sampleKey('integrator-1'), may: ['withdraw', 'enrol', 'add-destination'] }],
    engine_keys: [sampleKey('engine-1')],
    intent_s_max: 86_400,
    destinations: { delay_s: 86_400 },
    credentials: { delay_s: 86_400, changes_per_day_max: 1_000 },
    positions: { approvals: 2 },
    builds: { permitted: ['b1'.repeat(32)], soak_s: 86_400 },
    networks: [sampleEvmNetwork(), sampleBitcoinNetwork()],
  };
  change(policy);
  return policy;
}

/** The policy with signatures of these administrators over it. */
export function signSamplePolicy(policy: Policy, keyIds: readonly string[] = ['admin-1', 'admin-2']): SignedPolicy {
  const digest = statementDigest('policy', policy);
  return { policy, signatures: keyIds.map((keyId) => ({ key_id: keyId, signature: sampleSignature(keyId, digest) })) };
}

/**
 * Ed25519 (RFC 8032, 5.1.6) by the key of that name. Written out, because the library blinds its secrets with randomness
 * that tests of core have none of; a sample key is no secret.
 */
export function sampleSignature(name: string, message: Uint8Array): string {
  const { scalar, prefix, publicKey } = ed25519KeyOf(name);
  const nonce = scalarOf(prefix, message);
  const commitment = ed25519.Point.BASE.multiplyUnsafe(nonce).toBytes();
  const response = field.create(nonce + scalarOf(commitment, publicKey, message) * scalar);
  return bytesToHex(concatBytes(commitment, field.toBytes(response)));
}

const field = ed25519.Point.Fn;

function ed25519KeyOf(name: string): { scalar: bigint; prefix: Uint8Array; publicKey: Uint8Array } {
  const hashed = sha512(secretOf(name));
  const head = hashed.slice(0, 32);
  head[0]! &= 0xf8;
  head[31] = (head[31]! & 0x7f) | 0x40;
  const scalar = field.create(littleEndian(head));
  return { scalar, prefix: hashed.slice(32), publicKey: ed25519.Point.BASE.multiplyUnsafe(scalar).toBytes() };
}

function scalarOf(...parts: Uint8Array[]): bigint {
  return field.create(littleEndian(sha512(concatBytes(...parts))));
}

function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${bytesToHex(bytes.toReversed())}`);
}

/** Secret key of 32 bytes: an Ed25519 seed, or a P-256 scalar. */
export function secretOf(name: string): Uint8Array {
  return sha256(utf8ToBytes(`sample ${name}`));
}

/** An Ed25519 key as the policy pins it. */
export function sampleKey(name: string): { key_id: string; public_key: string } {
  return { key_id: name, public_key: bytesToHex(ed25519KeyOf(name).publicKey) };
}

/** An ES256 credential as the policy pins it. */
export function sampleCredential(name: string): { id: string; credential_id: string; public_key: string } {
  return {
    id: name,
    credential_id: `sample-credential-${name}`,
    public_key: bytesToHex(p256.Point.BASE.multiplyUnsafe(scalarOfSecret(name)).toBytes(false)),
  };
}

function xOnlyKey(name: string): string {
  return bytesToHex(secp256k1.Point.BASE.multiplyUnsafe(scalarOfSecret(name)).toBytes(true).slice(1));
}

/** Below the order of P-256 and secp256k1 but for a chance of 2^-32. */
function scalarOfSecret(name: string): bigint {
  return BigInt(`0x${bytesToHex(secretOf(name))}`);
}

const address = (name: string): string => `0x${bytesToHex(sha256(utf8ToBytes(`sample ${name}`))).slice(0, 40)}`;
const noAddress = `0x${'00'.repeat(20)}`;

/** Limits in whole coins of `unit` base units. */
const rules = (unit: bigint) => ({
  limits: { per_transaction_max: `${100n * unit}`, per_hour_max: `${400n * unit}`, per_day_max: `${2_000n * unit}` },
  integrator_limits: { per_transaction_max: `${unit}`, per_hour_max: `${5n * unit}`, per_day_max: `${20n * unit}` },
  degraded_per_day_max: `${10n * unit}`,
  approval_tiers: [
    { above: `${10n * unit}`, approvals: 1, offline: 0 },
    { above: `${50n * unit}`, approvals: 2, offline: 1 },
  ],
});

const common = { node_faults: 2, burial_endpoints_min: 3, deposit_confirmations: 6 } as const;

/** Gives the sample's Safe the vault's contracts. */
export function guardSample(policy: Policy): void {
  const network = policy.networks[0];
  if (network?.family !== 'evm') throw new Error('the sample has an EVM network first');
  const [desk, timelock] = [address('desk'), address('timelock')];
  network.safe_guard = address('guard');
  network.safe_modules = [desk, timelock];
  network.emergency = { desk, timelock, keys: ['key-1', 'key-2', 'key-3'].map(address) };
  network.allowed_calls = [];
}

function sampleEvmNetwork(): EvmNetworkPolicy {
  const network = 'eip155:31337';
  const usdt = address('usdt');
  return {
    ...common,
    network,
    family: 'evm',
    finality_blocks: 64,
    block_age_s_max: 3_600,
    safe: address('safe'),
    safe_singleton: address('singleton'),
    safe_owners: [address('owner-1'), address('owner-2'), address('owner-3')],
    safe_threshold: 2,
    safe_guard: noAddress,
    safe_handler: noAddress,
    safe_modules: [],
    multi_send: address('multi-send'),
    forwarder_factory: address('factory'),
    forwarder_init_code_hash: bytesToHex(sha256(utf8ToBytes('sample forwarder'))),
    registry: address('registry'),
    cold_addresses: [address('cold-1')],
    assets: [
      { asset: `${network}/slip44:60`, code: 'ETH', contract: null, ...rules(10n ** 18n) },
      { asset: `${network}/erc20:${usdt}`, code: 'USDT', contract: usdt, ...rules(10n ** 9n) },
    ],
    // sweep(address) of the registry.
    allowed_calls: [{ contract: address('registry'), selector: '0x01681a62' }],
  };
}

function sampleBitcoinNetwork(): BitcoinNetworkPolicy {
  const network = 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328';
  return {
    ...common,
    network,
    family: 'bitcoin',
    finality_blocks: 6,
    block_age_s_max: 43_200,
    cold_keys: [1, 2, 3, 4, 5].map((index) => xOnlyKey(`cold-${index}`)),
    cold_addresses: ['bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry'],
    asset: `${network}/slip44:0`,
    code: 'BTC',
    ...rules(10n ** 8n),
    fee_rate_percent_max: 300,
    fee_rate_fallback_sat_vb: 5,
    fee_rate_max_sat_vb: 200,
    fee_max_sats: '5000000',
    fee_per_day_max_sats: '50000000',
    evacuation_fee_per_day_max_sats: '50000000',
    min_confirmations: 1,
    easiest_bits: '207fffff',
  };
}
