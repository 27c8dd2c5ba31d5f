import fc from 'fast-check';
import { expect, test } from 'vitest';
import { comparePolicies } from './compare-policies.ts';
import { compactTarget } from './compact-target.ts';
import { assetPolicies } from './network-of.ts';
import { neededApprovals } from './needed-approvals.ts';
import type { BitcoinNetworkPolicy, EvmNetworkPolicy, Policy } from './policy.ts';
import { guardSample, sampleCredential, sampleKey, samplePolicy } from './sample-policy.test-support.ts';

const evm = (policy: Policy) => policy.networks[0] as EvmNetworkPolicy;
const bitcoin = (policy: Policy) => policy.networks[1] as BitcoinNetworkPolicy;
const address = `0x${'11'.repeat(20)}`;
const from = samplePolicy((policy) => {
  policy.networks[0]!.node_faults = 1;
  policy.administrators.quorum = 1;
  policy.builds.permitted = ['1.0.0', '1.0.1'];
  bitcoin(policy).cold_addresses.push('bcrt1qcold');
  bitcoin(policy).easiest_bits = '1d00ffff';
});

function changes(change: (policy: Policy) => void): string[] {
  const to = structuredClone(from);
  change(to);
  return comparePolicies(from, to).map(({ path, effect }) => `${effect} ${path}`);
}

/** Coins of the wallet before could not be spent. */
const multisig: BitcoinNetworkPolicy['wallet'] = {
  kind: 'wsh-sortedmulti',
  threshold: 2,
  keys: ['02'.repeat(33), '03'.repeat(33)],
  chain_code: '00'.repeat(32),
};

test('finds nothing between a policy and itself, whatever the order of its lists and its version', () => {
  expect(comparePolicies(from, from)).toEqual([]);
  expect(
    changes((policy) => {
      policy.version = 7;
      policy.previous = '00'.repeat(32);
      policy.administrators.keys.reverse();
      policy.networks.reverse();
      policy.integrator_keys[0]!.may.reverse();
    }),
  ).toEqual([]);
});

const e = 'networks[eip155:31337]';
const b = 'networks[bip122:0f9188f13cb7b2c71f2a335e3a4fc328]';
const cases: readonly (readonly [string, (policy: Policy) => void])[] = [
  ['tighter administrators.quorum', (p) => (p.administrators.quorum = 2)],
  ['tighter administrators.keys[admin-3]', (p) => p.administrators.keys.pop()],
  ['looser administrators.keys[admin-4]', (p) => p.administrators.keys.push(sampleKey('admin-4'))],
  [
    'looser administrators.keys[admin-3].public_key',
    (p) => (p.administrators.keys[2]!.public_key = sampleKey('admin-4').public_key),
  ],
  ['looser delays.tighten_s', (p) => (p.delays.tighten_s = 61)],
  ['tighter delays.tighten_s', (p) => (p.delays.tighten_s = 59)],
  ['tighter delays.loosen_s', (p) => (p.delays.loosen_s = 172_801)],
  ['looser delays.loosen_s', (p) => (p.delays.loosen_s = 172_799)],
  ['looser webauthn.customers.rp_id', (p) => (p.webauthn.customers.rp_id = 'other.example')],
  [
    'looser webauthn.approvals.origins[https://b.approvals.example]',
    (p) => p.webauthn.approvals.origins.push('https://b.approvals.example'),
  ],
  ['looser approvers[approver-4]', (p) => p.approvers.push({ ...sampleCredential('approver-4'), offline: false })],
  ['tighter approvers[approver-3]', (p) => p.approvers.pop()],
  ['tighter approvers[approver-3].offline', (p) => (p.approvers[2]!.offline = false)],
  ['looser approvers[approver-1].offline', (p) => (p.approvers[0]!.offline = true)],
  ['looser approvers[approver-1].credential_id', (p) => (p.approvers[0]!.credential_id = 'another-credential')],
  ['looser operators[operator-2]', (p) => p.operators.pop()],
  ['tighter operators[operator-3]', (p) => p.operators.push(sampleCredential('operator-3'))],
  ['looser halt_keys[halt-token-1]', (p) => p.halt_keys.pop()],
  ['tighter halt_keys[watcher-2]', (p) => p.halt_keys.push(sampleKey('watcher-2'))],
  ['tighter resume.approvals', (p) => (p.resume.approvals = 3)],
  ['looser resume.approvals', (p) => (p.resume.approvals = 1)],
  ['tighter integrator_keys[integrator-1]', (p) => (p.integrator_keys = [])],
  [
    'tighter integrator_keys[integrator-1].may[enrol]',
    (p) => (p.integrator_keys[0]!.may = ['withdraw', 'add-destination']),
  ],
  ['looser engine_keys', (p) => (p.engine_keys = [])],
  ['looser engine_keys', (p) => p.engine_keys.push(sampleKey('engine-2'))],
  ['tighter intent_s_max', (p) => (p.intent_s_max = 60)],
  ['looser intent_s_max', (p) => (p.intent_s_max = 86_401)],
  ['looser destinations.delay_s', (p) => (p.destinations.delay_s = 0)],
  ['tighter destinations.delay_s', (p) => (p.destinations.delay_s = 86_401)],
  ['looser credentials.delay_s', (p) => (p.credentials.delay_s = 86_401)],
  ['looser credentials.delay_s', (p) => (p.credentials.delay_s = 86_399)],
  ['looser credentials.changes_per_day_max', (p) => (p.credentials.changes_per_day_max = 1)],
  ['looser positions.approvals', (p) => (p.positions.approvals = 0)],
  ['tighter positions.approvals', (p) => (p.positions.approvals = 3)],
  ['looser builds.permitted[1.0.2]', (p) => p.builds.permitted.push('1.0.2')],
  ['tighter builds.permitted[1.0.1]', (p) => p.builds.permitted.pop()],
  ['looser builds.soak_s', (p) => (p.builds.soak_s = 0)],
  [`tighter ${e}`, (p) => p.networks.shift()],
  ['looser networks[eip155:1]', (p) => p.networks.push({ ...evm(p), network: 'eip155:1' })],
  [`tighter ${e}.node_faults`, (p) => (evm(p).node_faults = 2)],
  [`looser ${e}.node_faults`, (p) => (evm(p).node_faults = 0)],
  [`tighter ${e}.block_age_s_max`, (p) => (evm(p).block_age_s_max = 3_599)],
  [`looser ${b}.block_age_s_max`, (p) => (bitcoin(p).block_age_s_max = 43_201)],
  [`looser ${e}.finality_blocks`, (p) => (evm(p).finality_blocks = 65)],
  [`looser ${e}.safe_guard`, (p) => (evm(p).safe_guard = address)],
  [`looser ${e}.safe_owners`, (p) => evm(p).safe_owners.pop()],
  [`looser ${e}.cold_addresses[${address}]`, (p) => evm(p).cold_addresses.push(address)],
  [`tighter ${b}.cold_addresses[bcrt1qcold]`, (p) => bitcoin(p).cold_addresses.pop()],
  [
    `looser ${e}.allowed_calls[{"contract":"${address}","selector":"0x12345678"}]`,
    (p) => evm(p).allowed_calls.push({ contract: address, selector: '0x12345678' }),
  ],
  [`looser ${e}.assets[eip155:31337/slip44:60].code`, (p) => (evm(p).assets[0]!.code = 'WETH')],
  [
    `tighter ${e}.assets[eip155:31337/slip44:60].limits.per_day_max`,
    (p) => (evm(p).assets[0]!.limits.per_day_max = '5'),
  ],
  [`looser ${b}.limits.per_hour_max`, (p) => (bitcoin(p).limits.per_hour_max = `1${'0'.repeat(70)}`)],
  [
    `tighter ${b}.integrator_limits.per_transaction_max`,
    (p) => (bitcoin(p).integrator_limits.per_transaction_max = '0'),
  ],
  [`looser ${b}.degraded_per_day_max`, (p) => (bitcoin(p).degraded_per_day_max = '1000000001')],
  [`looser ${b}.approval_tiers`, (p) => bitcoin(p).approval_tiers.pop()],
  [`looser ${b}.approval_tiers`, (p) => (bitcoin(p).approval_tiers[1]!.above = '5000000001')],
  [`tighter ${b}.approval_tiers`, (p) => (bitcoin(p).approval_tiers[1]!.above = '4999999999')],
  [`looser ${b}.approval_tiers`, (p) => (bitcoin(p).approval_tiers = [{ above: '0', approvals: 9, offline: 0 }])],
  [
    `tighter ${b}.approval_tiers`,
    (p) => bitcoin(p).approval_tiers.push({ above: '9000000000', approvals: 2, offline: 1 }),
  ],
  [`looser ${b}.fee_rate_percent_max`, (p) => (bitcoin(p).fee_rate_percent_max = 301)],
  [`tighter ${b}.evacuation_fee_per_day_max_sats`, (p) => (bitcoin(p).evacuation_fee_per_day_max_sats = '1')],
  [`tighter ${b}.easiest_bits`, (p) => (bitcoin(p).easiest_bits = '1c7fffff')],
  [`looser ${b}.easiest_bits`, (p) => (bitcoin(p).easiest_bits = '1d010000')],
  [`looser ${b}.easiest_bits`, (p) => (bitcoin(p).easiest_bits = '1c800000')],
  [`looser ${b}.wallet`, (p) => (bitcoin(p).wallet = multisig)],
  [`looser ${b}.cold_keys`, (p) => bitcoin(p).cold_keys.reverse()],
];

test.each(cases)('calls %s', (expected, change) => {
  expect(changes(change)).toEqual([expected]);
});

test.each<[string, (network: EvmNetworkPolicy) => void]>([
  ['safe_guard', (n) => (n.safe_guard = `0x${'00'.repeat(20)}`)],
  ['safe_modules', (n) => n.safe_modules.pop()],
  ['emergency', (n) => delete n.emergency],
  ['emergency.desk', (n) => (n.emergency!.desk = address)],
  ['emergency.timelock', (n) => (n.emergency!.timelock = address)],
  ['emergency.keys', (n) => n.emergency!.keys.pop()],
  ['emergency.keys', (n) => n.emergency!.keys.push(address)],
])('calls looser, in a guarded vault, a change of %s', (path, change) => {
  const guarded = samplePolicy(guardSample);
  const to = structuredClone(guarded);
  change(evm(to));
  expect(comparePolicies(guarded, to)).toMatchObject([{ path: `${e}.${path}`, effect: 'looser' }]);
});

test('calls a guard where there was none looser too, for its address may be anybody’s', () => {
  expect(changes(guardSample)).toEqual(
    expect.arrayContaining([`looser ${e}.safe_guard`, `looser ${e}.safe_modules`, `looser ${e}.emergency`]),
  );
});

test('shows what was and what is', () => {
  const to = structuredClone(from);
  to.intent_s_max = 60;
  to.halt_keys.pop();
  expect(comparePolicies(from, to)).toEqual([
    { path: 'halt_keys[halt-token-1]', from: from.halt_keys[1], to: null, effect: 'looser' },
    { path: 'intent_s_max', from: 86_400, to: 60, effect: 'tighter' },
  ]);
});

test('calls a field that it does not know looser, and a list whose entries share a name', () => {
  expect(changes((policy) => Object.assign(policy, { escape: true }))).toEqual(['looser escape']);
  expect(changes((policy) => Object.assign(policy, { constructor: 1 }))).toEqual(['looser constructor']);
  expect(changes((policy) => policy.approvers.push(policy.approvers[0]!))).toEqual(['looser approvers']);
});

/** What one policy says about a little world, small enough to try everything in it. */
const small = fc.bigInt({ min: 0n, max: 6n }).map(String);
const count = fc.integer({ min: 0, max: 3 });
const limits = fc.record({ per_transaction_max: small, per_hour_max: small, per_day_max: small });
const calls = ['0x00000001', '0x00000002', '0x00000003'].map((selector) => ({ contract: address, selector }));
const keys = [1, 2, 3, 4].map((index) => sampleKey(`key-${index}`));
const credentials = [1, 2, 3].map((index) => sampleCredential(`approver-${index}`));
const approver = fc.record({ credential: fc.constantFrom(...credentials), offline: fc.boolean() });
const shape = {
  quorum: fc.integer({ min: 1, max: 3 }),
  administrators: fc.subarray(keys),
  approvers: fc.array(approver, { maxLength: 4 }),
  halters: fc.subarray(keys),
  resume: fc.integer({ min: 1, max: 3 }),
  may: fc.subarray(['withdraw', 'enrol', 'add-destination'] as const),
  delay: count,
  positions: count,
  intent: fc.integer({ min: 60, max: 63 }),
  builds: fc.subarray(['1.0.0', '1.0.1', '1.0.2']),
  nodes: count,
  age: fc.integer({ min: 60, max: 63 }),
  limits,
  integrator: limits,
  degraded: small,
  tiers: fc.array(fc.record({ above: small, approvals: count, offline: count }), { maxLength: 3 }),
  calls: fc.subarray(calls),
  cold: fc.subarray(['bcrt1qa', 'bcrt1qb', 'bcrt1qc']),
  fee: small,
  bits: fc.constantFrom('1d00ffff', '1c7fffff', '1c800000', '207fffff', '1d00fffe'),
  networks: fc.subarray([0, 1]),
};
const worlds = fc.record(shape);
const fields = Object.keys(shape) as (keyof World)[];
type World = typeof worlds extends fc.Arbitrary<infer T> ? T : never;

function policyOf(world: World): Policy {
  const policy = structuredClone(from);
  policy.administrators = { quorum: world.quorum, keys: world.administrators };
  policy.approvers = world.approvers.map(({ credential, offline }) => ({ ...credential, offline }));
  policy.halt_keys = world.halters;
  policy.resume.approvals = world.resume;
  policy.integrator_keys[0]!.may = world.may;
  policy.destinations.delay_s = world.delay;
  policy.positions.approvals = world.positions;
  policy.intent_s_max = world.intent;
  policy.builds.permitted = world.builds;
  Object.assign(bitcoin(policy), {
    node_faults: world.nodes,
    block_age_s_max: world.age,
    limits: world.limits,
    integrator_limits: world.integrator,
    degraded_per_day_max: world.degraded,
    approval_tiers: world.tiers,
    cold_addresses: world.cold,
    fee_max_sats: world.fee,
    easiest_bits: world.bits,
  });
  evm(policy).allowed_calls = world.calls;
  policy.networks = policy.networks.filter((_, index) => world.networks.includes(index));
  return policy;
}

const upTo = (end: number): number[] => Array.from({ length: end + 1 }, (_, index) => index);
const subsets = <T>(items: readonly T[]): T[][] =>
  items.reduce<T[][]>((sets, item) => [...sets, ...sets.map((set) => [...set, item])], [[]]);

/** Everything that the policy lets happen in the little world, written without a look at the rules of the comparison. */
function permitted(policy: Policy): Set<string> {
  const acts: [string, boolean][] = [];
  for (const signers of subsets(keys)) {
    const listed = new Set(policy.administrators.keys.map((key) => key.public_key));
    const signed = signers.filter((key) => listed.has(key.public_key)).length;
    acts.push([
      `change the policy by ${signers.map((key) => key.key_id).join()}`,
      signed >= policy.administrators.quorum,
    ]);
  }
  for (const key of keys) {
    acts.push([`survive ${key.key_id}`, !policy.halt_keys.some((halter) => halter.public_key === key.public_key)]);
  }
  for (const may of ['withdraw', 'enrol', 'add-destination'] as const) {
    acts.push([may, policy.integrator_keys.some((key) => key.may.includes(may))]);
  }
  for (const age of upTo(4)) acts.push([`new destination after ${age}`, age >= policy.destinations.delay_s]);
  for (const life of upTo(4)) acts.push([`intent of ${60 + life}`, 60 + life <= policy.intent_s_max]);
  for (const build of ['1.0.0', '1.0.1', '1.0.2']) acts.push([build, policy.builds.permitted.includes(build)]);
  for (const network of policy.networks) {
    if (network.family === 'evm')
      acts.push(...network.allowed_calls.map((call): [string, true] => [call.selector, true]));
    else acts.push(...bitcoinActs(network));
  }
  for (const people of subsets(credentials)) {
    const given = countOf(policy, people);
    acts.push([`resume by ${idsOf(people)}`, given.approvals >= policy.resume.approvals]);
    const above = policy.positions.approvals === 0 || given.approvals >= policy.positions.approvals;
    acts.push([`above position by ${idsOf(people)}`, above]);
    for (const asset of policy.networks.flatMap(assetPolicies)) {
      for (const amount of upTo(7)) {
        const needed = neededApprovals(asset, BigInt(amount));
        const enough = given.approvals >= needed.approvals && given.offline >= needed.offline;
        acts.push([`${asset.code} ${amount} by ${idsOf(people)}`, enough]);
      }
    }
  }
  return new Set(acts.filter(([, may]) => may).map(([act]) => act));
}

function bitcoinActs(network: BitcoinNetworkPolicy): [string, boolean][] {
  const acts: [string, boolean][] = network.cold_addresses.map((cold) => [`evacuate to ${cold}`, true]);
  for (const endpoints of upTo(4)) acts.push([`sign with ${endpoints} nodes`, endpoints > network.node_faults]);
  for (const age of upTo(4)) acts.push([`sign on a block of ${60 + age}`, 60 + age <= network.block_age_s_max]);
  for (const amount of upTo(7)) {
    acts.push([`fee ${amount}`, amount <= Number(network.fee_max_sats)]);
    acts.push([`degraded ${amount}`, amount <= Number(network.degraded_per_day_max)]);
    for (const [name, limit] of Object.entries({ ...network.limits }))
      acts.push([`${name} ${amount}`, amount <= Number(limit)]);
    for (const [name, limit] of Object.entries({ ...network.integrator_limits })) {
      acts.push([`integrator ${name} ${amount}`, amount <= Number(limit)]);
    }
  }
  for (const bits of ['1b00ffff', '1c7fffff', '1d00fffe', '1d00ffff', '207fffff']) {
    acts.push([`header ${bits}`, compactTarget(bits)! <= (compactTarget(network.easiest_bits) ?? 0n)]);
  }
  return acts;
}

const idsOf = (people: readonly { readonly id: string }[]): string => people.map((person) => person.id).join();

/** A person counts once, offline when the policy says so in one place at least. */
function countOf(policy: Policy, people: typeof credentials): { approvals: number; offline: number } {
  const listed = (person: (typeof credentials)[number]) =>
    policy.approvers.filter((entry) => entry.credential_id === person.credential_id);
  return {
    approvals: people.filter((person) => listed(person).length > 0).length,
    offline: people.filter((person) => listed(person).some((entry) => entry.offline)).length,
  };
}

test('a new build with a shorter soak time is looser in both', () => {
  const before = samplePolicy();
  const after = samplePolicy(({ builds }) => {
    builds.soak_s = 0;
    builds.permitted.push('b2'.repeat(32));
  });
  expect(comparePolicies(before, after).map(({ path, effect }) => `${effect} ${path}`)).toEqual([
    `looser builds.permitted[${'b2'.repeat(32)}]`,
    'looser builds.soak_s',
  ]);
});

test('never calls a change tighter that lets anything happen which was refused', () => {
  let tighter = 0;
  const few = fc.uniqueArray(fc.constantFrom(...fields), {
    minLength: 1,
    maxLength: 3,
  });
  fc.assert(
    fc.property(worlds, worlds, few, (world, other, changed) => {
      const before = policyOf(world);
      const after = policyOf({ ...world, ...Object.fromEntries(changed.map((field) => [field, other[field]])) });
      if (comparePolicies(before, after).some((change) => change.effect === 'looser')) return;
      tighter += 1;
      const was = permitted(before);
      expect([...permitted(after)].filter((act) => !was.has(act))).toEqual([]);
    }),
    { numRuns: 2_000 },
  );
  expect(tighter).toBeGreaterThan(300);
});
