import { secp256k1 } from '@noble/curves/secp256k1.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { expect, test } from 'vitest';
import { lintPolicy } from './lint-policy.ts';
import type { BitcoinNetworkPolicy, EvmNetworkPolicy, MultisigWalletPolicy, Policy } from './policy.ts';
import { guardSample, sampleCredential, sampleKey, samplePolicy } from './sample-policy.test-support.ts';

const found = (change: (policy: Policy) => void): string[] =>
  lintPolicy(samplePolicy(change)).map(({ level, path }) => `${level} ${path}`);
const evm = (policy: Policy) => policy.networks[0] as EvmNetworkPolicy;
const bitcoin = (policy: Policy) => policy.networks[1] as BitcoinNetworkPolicy;

/** A multisignature in place of FROST. */
function wallet(policy: Policy, change: Partial<MultisigWalletPolicy>): void {
  const keys = [1, 2, 3].map(pointOf);
  bitcoin(policy).wallet = { kind: 'wsh-sortedmulti', threshold: 2, keys, chain_code: '5c'.repeat(32), ...change };
}

/** Between hot and cold. */
const hot = (skimMin = '5000001') => ({
  floor_bps: 50,
  target_bps: 100,
  ceiling_bps: 200,
  skim_min: skimMin,
  skims_per_day_max: 4,
});

const pointOf = (scalar: number): string =>
  bytesToHex(secp256k1.Point.BASE.multiplyUnsafe(BigInt(scalar)).toBytes(true));

test('finds nothing in the sample but that its Safe has no guard', () => {
  expect(found(() => undefined)).toEqual(['warning networks[0].safe_guard']);
  expect(found(guardSample)).toEqual([]);
});

test.each<[string, (network: EvmNetworkPolicy) => void, string]>([
  ['a desk without a guard', (n) => (n.safe_guard = `0x${'00'.repeat(20)}`), 'error networks[0].safe_guard'],
  ['a desk that is no module', (n) => n.safe_modules.shift(), 'error networks[0].emergency'],
  ['a module more', (n) => n.safe_modules.push(n.registry), 'warning networks[0].safe_modules[2]'],
  ['a guard that nobody pauses', (n) => delete n.emergency, 'warning networks[0]'],
  [
    'an emergency key twice',
    (n) => n.emergency!.keys.push(n.emergency!.keys[0]!.replace('0x', '').toUpperCase().padStart(42, '0x')),
    'error networks[0].emergency.keys[3]',
  ],
  [
    'an owner’s emergency key',
    (n) => (n.emergency!.keys[0] = n.safe_owners[0]!),
    'error networks[0].emergency.keys[0]',
  ],
  [
    'a listed call beside a guard',
    (n) => n.allowed_calls.push({ contract: n.registry, selector: '0x01681a62' }),
    'warning networks[0].allowed_calls',
  ],
])('finds, in a guarded vault, %s', (_name, change, finding) => {
  const findings = found((policy) => {
    guardSample(policy);
    change(evm(policy));
  });
  expect(findings).toContain(finding);
});

const cases: readonly (readonly [string, (policy: Policy) => void, string])[] = [
  ['version 1 with a version before', (p) => (p.previous = '00'.repeat(32)), 'error previous'],
  ['version 2 with none before', (p) => (p.version = 2), 'error previous'],
  ['more signatures than administrators', (p) => (p.administrators.quorum = 4), 'error administrators.quorum'],
  ['a lone administrator', (p) => (p.administrators.quorum = 1), 'warning administrators.quorum'],
  [
    'an administrator’s id twice',
    (p) => (p.administrators.keys[2]!.key_id = 'admin-1'),
    'error administrators.keys[2].key_id',
  ],
  [
    'an administrator’s key under two ids',
    (p) => (p.administrators.keys[2]!.public_key = sampleKey('admin-1').public_key),
    'error administrators.keys[2].public_key',
  ],
  [
    'an administrator’s key that integrates too',
    (p) => (p.integrator_keys[0]!.public_key = sampleKey('admin-1').public_key),
    'error integrator_keys[0].public_key',
  ],
  ['a power listed twice', (p) => p.integrator_keys[0]!.may.push('enrol'), 'error integrator_keys[0].may[3]'],
  ['loosening sooner than tightening', (p) => (p.delays.tighten_s = 172_801), 'error delays.loosen_s'],
  ['loosening within a day', (p) => (p.delays.loosen_s = 86_399), 'warning delays.loosen_s'],
  [
    'one relying party for customers and approvals',
    (p) => (p.webauthn.approvals = { rp_id: 'exchange.example', origins: ['https://a.exchange.example'] }),
    'error webauthn.approvals.rp_id',
  ],
  [
    'a page for customers and approvals',
    (p) => p.webauthn.customers.origins.push('https://approvals.example'),
    'error webauthn.approvals.origins[0]',
  ],
  [
    'an origin of another site',
    (p) => (p.webauthn.customers.origins = ['https://badexchange.example']),
    'error webauthn.customers.origins[0]',
  ],
  [
    'an origin without TLS',
    (p) => (p.webauthn.customers.origins = ['http://exchange.example']),
    'error webauthn.customers.origins[0]',
  ],
  [
    'an origin that no browser writes',
    (p) => (p.webauthn.customers.origins = ['https://Exchange.example']),
    'error webauthn.customers.origins[0]',
  ],
  [
    'an approver’s credential twice',
    (p) => (p.approvers[1] = { ...sampleCredential('approver-1'), id: 'twin', offline: false }),
    'error approvers[1].credential_id',
  ],
  [
    'an approver’s public key twice',
    (p) => (p.approvers[1]!.public_key = p.approvers[0]!.public_key),
    'error approvers[1].public_key',
  ],
  ['an operator’s id twice', (p) => (p.operators[1]!.id = 'operator-1'), 'error operators[1].id'],
  [
    'an operator with half an approver’s credential',
    (p) => (p.operators[1]!.credential_id = p.approvers[0]!.credential_id),
    'error operators[1]',
  ],
  ['a resumption that nobody can give', (p) => (p.resume.approvals = 4), 'error resume.approvals'],
  ['a resumption by one', (p) => (p.resume.approvals = 1), 'warning resume.approvals'],
  ['positions that nobody can lift', (p) => (p.positions.approvals = 4), 'error positions.approvals'],
  ['positions that are not asked for', (p) => (p.positions.approvals = 0), 'warning positions.approvals'],
  ['positions by one', (p) => (p.positions.approvals = 1), 'warning positions.approvals'],
  ['a code on two networks', (p) => (bitcoin(p).code = 'ETH'), 'warning networks[1]'],
  ['no approvers', (p) => (p.approvers = []), 'warning approvers'],
  [
    'nobody who halts',
    (p) => {
      p.operators = [];
      p.halt_keys = [];
    },
    'warning operators',
  ],
  ['new destinations at once', (p) => (p.destinations.delay_s = 0), 'warning destinations.delay_s'],
  ['new destinations within a day', (p) => (p.destinations.delay_s = 86_399), 'warning destinations.delay_s'],
  ['new credentials within a day', (p) => (p.credentials.delay_s = 86_399), 'warning credentials.delay_s'],
  ['builds that sign at once', (p) => (p.builds.soak_s = 0), 'warning builds.soak_s'],
  ['a build twice', (p) => p.builds.permitted.push(p.builds.permitted[0]!), 'error builds.permitted[1]'],
  ['a build by a name', (p) => p.builds.permitted.push('1.0.1'), 'warning builds.permitted[1]'],
  [
    'a signer from source',
    (p) => {
      p.builds.permitted.push('source');
      evm(p).network = 'eip155:1';
    },
    'error builds.permitted[1]',
  ],
  ['intents for a month', (p) => (p.intent_s_max = 30 * 86_400), 'warning intent_s_max'],
  ['a network twice', (p) => p.networks.push(p.networks[1]!), 'error networks[2]'],
  ['nodes that must not lie', (p) => (evm(p).node_faults = 1), 'warning networks[0].node_faults'],
  ['a block of seven hours', (p) => (evm(p).block_age_s_max = 21_601), 'warning networks[0].block_age_s_max'],
  ['a block of over a day', (p) => (bitcoin(p).block_age_s_max = 86_401), 'warning networks[1].block_age_s_max'],
  ['an asset twice', (p) => evm(p).assets.push(evm(p).assets[1]!), 'error networks[0].assets[2].asset'],
  ['a token’s code twice', (p) => (evm(p).assets[1]!.code = 'ETH'), 'error networks[0].assets[1].code'],
  ['a token’s contract twice', (p) => (evm(p).assets[1]!.contract = null), 'error networks[0].assets[1].contract'],
  [
    'a contract that is not the asset’s',
    (p) => (evm(p).assets[1]!.contract = evm(p).registry),
    'error networks[0].assets[1].contract',
  ],
  [
    'an asset of another network',
    (p) => (evm(p).assets[0]!.asset = 'eip155:1/slip44:60'),
    'error networks[0].assets[0].asset',
  ],
  [
    'a payment above the hour',
    (p) => (evm(p).assets[0]!.limits.per_hour_max = '1000000000000000000'),
    'error networks[0].assets[0].limits.per_transaction_max',
  ],
  [
    'an hour above the day',
    (p) => (bitcoin(p).limits.per_hour_max = '200000000001'),
    'error networks[1].limits.per_hour_max',
  ],
  [
    'an integrator above everybody',
    (p) => (bitcoin(p).integrator_limits.per_day_max = '200000000001'),
    'error networks[1].integrator_limits.per_day_max',
  ],
  [
    'a degraded day above the day',
    (p) => (bitcoin(p).degraded_per_day_max = '200000000001'),
    'error networks[1].degraded_per_day_max',
  ],
  ['tiers out of order', (p) => bitcoin(p).approval_tiers.reverse(), 'error networks[1].approval_tiers[1].above'],
  [
    'a tier that asks for less than one below it',
    (p) => (bitcoin(p).approval_tiers[1] = { above: '9000000000', approvals: 0, offline: 0 }),
    'error networks[1].approval_tiers[1]',
  ],
  [
    'a tier above the number of approvers',
    (p) => (bitcoin(p).approval_tiers[1]!.approvals = 4),
    'error networks[1].approval_tiers[1].approvals',
  ],
  [
    'a tier above the number of offline approvers',
    (p) => (bitcoin(p).approval_tiers[1]!.offline = 2),
    'error networks[1].approval_tiers[1].offline',
  ],
  [
    'more offline approvals than approvals',
    (p) => (bitcoin(p).approval_tiers[0] = { above: '1', approvals: 0, offline: 1 }),
    'error networks[1].approval_tiers[0].offline',
  ],
  ['no tiers', (p) => (bitcoin(p).approval_tiers = []), 'warning networks[1].approval_tiers'],
  ['a Safe with two quorums', (p) => evm(p).safe_owners.push(evm(p).registry), 'error networks[0].safe_threshold'],
  ['a Safe without a quorum', (p) => (evm(p).safe_threshold = 4), 'error networks[0].safe_threshold'],
  [
    'an owner of the Safe twice, in other letters',
    (p) => (evm(p).safe_owners[1] = evm(p).safe_owners[0]!.replace('0x', '').toUpperCase().padStart(42, '0x')),
    'error networks[0].safe_owners[1]',
  ],
  ['a Safe with a module', (p) => evm(p).safe_modules.push(evm(p).registry), 'warning networks[0].safe_modules[0]'],
  ['no Safe', (p) => (evm(p).safe = `0x${'00'.repeat(20)}`), 'error networks[0].safe'],
  ['an evacuation to the Safe', (p) => evm(p).cold_addresses.push(evm(p).safe), 'error networks[0].cold_addresses[1]'],
  [
    'an evacuation to a token',
    (p) => evm(p).cold_addresses.push(evm(p).assets[1]!.contract!),
    'error networks[0].cold_addresses[1]',
  ],
  [
    'a listed approve',
    (p) => (evm(p).allowed_calls[0]!.selector = '0x095ea7b3'),
    'error networks[0].allowed_calls[0].selector',
  ],
  [
    'a listed permit',
    (p) => (evm(p).allowed_calls[0]!.selector = '0xd505accf'),
    'error networks[0].allowed_calls[0].selector',
  ],
  [
    'a listed increaseAllowance',
    (p) => (evm(p).allowed_calls[0]!.selector = '0x39509351'),
    'error networks[0].allowed_calls[0].selector',
  ],
  [
    'a listed call of the Safe',
    (p) => (evm(p).allowed_calls[0]!.contract = evm(p).safe),
    'error networks[0].allowed_calls[0].contract',
  ],
  [
    'a listed call of multi_send',
    (p) => (evm(p).allowed_calls[0]!.contract = evm(p).multi_send),
    'error networks[0].allowed_calls[0].contract',
  ],
  [
    'a listed call of a token',
    (p) => (evm(p).allowed_calls[0]!.contract = evm(p).assets[1]!.contract!),
    'error networks[0].allowed_calls[0].contract',
  ],
  [
    'a listed call twice',
    (p) => evm(p).allowed_calls.push(evm(p).allowed_calls[0]!),
    'error networks[0].allowed_calls[1]',
  ],
  [
    'a wallet whose key is there twice',
    (p) => wallet(p, { keys: [pointOf(1), pointOf(1), pointOf(2)] }),
    'error networks[1].wallet.keys[1]',
  ],
  // x = 5 is on no point of the curve.
  [
    'a wallet with a key that is none',
    (p) => wallet(p, { keys: [pointOf(1), pointOf(2), `02${'0'.repeat(63)}5`] }),
    'error networks[1].wallet.keys[2]',
  ],
  ['a wallet that nobody can spend', (p) => wallet(p, { threshold: 4 }), 'error networks[1].wallet.threshold'],
  ['a wallet that two may spend apart', (p) => wallet(p, { threshold: 1 }), 'error networks[1].wallet.threshold'],
  [
    'an order of keys for a wallet that has none to make',
    (p) => {
      wallet(p, {});
      bitcoin(p).key_epoch = 1;
    },
    'error networks[1].key_epoch',
  ],
  ['a cold key twice', (p) => (bitcoin(p).cold_keys[4] = bitcoin(p).cold_keys[0]!), 'error networks[1].cold_keys[4]'],
  [
    'a consolidation dearer than a payment may be',
    (p) => (bitcoin(p).consolidation = { inputs_min: 10, fee_rate_max_sat_vb: 201 }),
    'error networks[1].consolidation.fee_rate_max_sat_vb',
  ],
  [
    'a skim that may cost more than it moves',
    (p) => (bitcoin(p).hot = hot('5000000')),
    'error networks[1].hot.skim_min',
  ],
  ['a skim of nothing', (p) => (evm(p).assets[1]!.hot = hot('0')), 'error networks[0].assets[1].hot.skim_min'],
  [
    'a ceiling at the target',
    (p) => (bitcoin(p).hot = { ...hot(), target_bps: 200 }),
    'error networks[1].hot.target_bps',
  ],
  [
    'a floor above the target',
    (p) => (bitcoin(p).hot = { ...hot(), floor_bps: 101 }),
    'error networks[1].hot.floor_bps',
  ],
  [
    'more than 2 % hot',
    (p) => (bitcoin(p).hot = { ...hot(), ceiling_bps: 201 }),
    'warning networks[1].hot.ceiling_bps',
  ],
  [
    'more than 2 % hot over all networks',
    (p) => {
      bitcoin(p).hot = { ...hot(), ceiling_bps: 150 };
      evm(p).assets[0]!.hot = { ...hot(), ceiling_bps: 150 };
      evm(p).assets[0]!.code = 'BTC';
    },
    'warning networks',
  ],
  [
    'a fallback above the ceiling',
    (p) => (bitcoin(p).fee_rate_fallback_sat_vb = 201),
    'error networks[1].fee_rate_fallback_sat_vb',
  ],
  [
    'a fee above the day’s fees',
    (p) => (bitcoin(p).fee_per_day_max_sats = '4999999'),
    'error networks[1].fee_max_sats',
  ],
  [
    'an evacuation that cannot pay its way',
    (p) => (bitcoin(p).evacuation_fee_per_day_max_sats = '0'),
    'warning networks[1].evacuation_fee_per_day_max_sats',
  ],
  ['a negative target', (p) => (bitcoin(p).easiest_bits = '1d80ffff'), 'error networks[1].easiest_bits'],
];

test.each(cases)('finds %s', (_name, change, finding) => {
  expect(found(change)).toContain(finding);
});

test('finds work that costs nothing anywhere but on a regression test chain', () => {
  const mainNetwork = (bits: string) =>
    found((policy) => {
      guardSample(policy);
      bitcoin(policy).network = 'bip122:000000000019d6689c085ae165831e93';
      bitcoin(policy).asset = 'bip122:000000000019d6689c085ae165831e93/slip44:0';
      bitcoin(policy).easiest_bits = bits;
      bitcoin(policy).hot = hot();
    });
  expect(mainNetwork('207fffff')).toEqual(['warning networks[1].easiest_bits']);
  expect(mainNetwork('1d00ffff')).toEqual([]);
});

test('takes a Safe whose quorums meet, an operator who approves, the development origin and the oldest plausible blocks', () => {
  expect(
    found((policy) => {
      guardSample(policy);
      policy.operators.push({ ...sampleCredential('approver-1'), id: 'boss' });
      policy.webauthn.customers = { rp_id: 'localhost', origins: ['http://localhost:8080'] };
      evm(policy).safe_threshold = 3;
      evm(policy).block_age_s_max = 21_600;
      bitcoin(policy).block_age_s_max = 86_400;
    }),
  ).toEqual([]);
});

test('a wallet of the signers’ own keys has no findings of its own', () => {
  expect(found((policy) => wallet(policy, {}))).toEqual(found(() => undefined));
});

test('asks for targets between hot and cold on chains in use', () => {
  const findings = found((policy) => {
    const network = bitcoin(policy);
    network.network = 'bip122:000000000019d6689c085ae165831e93';
    network.asset = `${network.network}/slip44:0`;
    network.easiest_bits = '1d00ffff';
  });
  expect(findings).toContain('warning networks[1].hot');
});
