import { ed25519 } from '@noble/curves/ed25519.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { buildWithdrawalBatch } from '@holdfast/core/chains/evm/build.ts';
import { baseUnits } from '@holdfast/core/money/base-units.ts';
import type { EvmNetworkPolicy } from '@holdfast/core/policy/policy.ts';
import { samplePolicy, secretOf } from '@holdfast/core/policy/sample-policy.test-support.ts';
import { intentDigest, type AuthorizedIntent, type WithdrawalIntent } from '@holdfast/core/signing/intent.ts';
import { emptyState } from '@holdfast/core/signing/journal-state.ts';
import type { SafeTransaction, SignEvmRequest } from '@holdfast/core/signing/messages.ts';
import { nobleVerifiers as verifiers } from '@holdfast/core/signing/noble-verifiers.ts';
import { describe, expect, test } from 'vitest';
import { evmPolicyOf } from './review-context.ts';
import { reviewEvm } from './review-evm.ts';

const nowMs = Date.parse('2026-01-01T00:00:00.000Z');
const policy = samplePolicy((one) => (one.destinations.delay_s = 0));
const network: EvmNetworkPolicy = evmPolicyOf(policy, 'eip155:31337');
const [eth, token] = network.assets;
const state = emptyState();
const alice = '0x1111111111111111111111111111111111111111';
const cold = network.cold_addresses[0] ?? '';

function intent(change: Partial<WithdrawalIntent> = {}): AuthorizedIntent {
  const wanted: WithdrawalIntent = {
    version: 1,
    kind: 'withdrawal',
    network: network.network,
    asset: eth?.asset ?? '',
    amount: '1000',
    destination: alice,
    memo: null,
    customer: 'cus_01890000-0000-7000-8000-000000000001',
    fee_max: '0',
    expires_at: '2026-01-01T01:00:00.000Z',
    nonce: 'nonce-0001',
    ...change,
  };
  const signature = bytesToHex(ed25519.sign(intentDigest(wanted), secretOf('integrator-1')));
  return { intent: wanted, authorization: { key_id: 'integrator-1', signature }, approvals: [] };
}

const call = (change: Partial<SafeTransaction> = {}): SafeTransaction => ({
  to: alice,
  value: '1000',
  data: '0x',
  operation: 0,
  nonce: '7',
  ...change,
});
const review = (tx: SafeTransaction, intents: AuthorizedIntent[], more: Partial<SignEvmRequest> = {}) =>
  reviewEvm(
    { network: network.network, safe_transaction: tx, intents, ...more },
    { policy, network, state, verifiers, nowMs },
  ).reviewed;
const refused = (code: string) => expect.objectContaining({ code });
const transfer = (to: string, amount: number): string =>
  `0xa9059cbb${to.slice(2).toLowerCase().padStart(64, '0')}${amount.toString(16).padStart(64, '0')}`;

test('names the transaction by its Safe hash and its nonce, and carries no fee', () => {
  const reviewed = review(call(), [intent()]);
  expect(reviewed.conflictKeys).toEqual([`${network.network} ${network.safe.toLowerCase()} nonce 7`]);
  expect(reviewed).toMatchObject({ network: network.network, fee: 0n, evacuation: false });
  expect(review(call({ nonce: '8' }), [intent()]).txid).not.toBe(reviewed.txid);
});

test.each([
  ['the Safe', network.safe],
  ['MultiSendCallOnly', network.multi_send],
  ['the forwarder factory', network.forwarder_factory],
  ['the registry', network.registry],
  ['a token', token?.contract ?? ''],
  ['a cold address', cold],
])('never pays %s, whoever asks', (_, destination) => {
  expect(() => review(call({ to: destination }), [intent({ destination })])).toThrow(refused('destination-refused'));
});

test('never pays a deposit address that was handed out', () => {
  const known = { ...state, ownAddresses: new Set([`${network.network} ${alice}`]) };
  const request = { network: network.network, safe_transaction: call(), intents: [intent()] };
  expect(() => reviewEvm(request, { policy, network, state: known, verifiers, nowMs })).toThrow(
    refused('destination-refused'),
  );
});

describe('an evacuation', () => {
  const evacuation = { evacuation: true } as const;
  test('pays cold addresses, native or tokens', () => {
    expect(review(call({ to: cold }), [], evacuation).evacuation).toBe(true);
    const tokens = call({ to: token?.contract ?? '', value: '0', data: transfer(cold, 5) });
    expect(review(tokens, [], evacuation).evacuation).toBe(true);
  });
  test('pays nobody else', () => {
    expect(() => review(call(), [], evacuation)).toThrow(refused('evacuation-refused'));
    const tokens = call({ to: token?.contract ?? '', value: '0', data: transfer(alice, 5) });
    expect(() => review(tokens, [], evacuation)).toThrow(refused('evacuation-refused'));
  });
  test('carries no intents, and no other call', () => {
    expect(() => review(call({ to: cold }), [intent()], evacuation)).toThrow(refused('evacuation-refused'));
    const listed = call({ to: network.registry, value: '0', data: '0x01681a62' });
    expect(() => review(listed, [], evacuation)).toThrow(refused('contract-not-allowed'));
  });
  test('is what it takes to pay a cold address', () => {
    expect(() => review(call({ to: cold }), [])).toThrow(refused('output-unaccounted'));
  });
});

describe('a call that the policy lists', () => {
  const listed = call({ to: network.registry, value: '0', data: `0x01681a62${'00'.repeat(32)}` });
  test('passes by contract and selector, without value and without intents', () => {
    expect(review(listed, []).intents).toEqual([]);
  });
  test.each([
    ['another selector', { data: '0x01681a63' }],
    ['another contract', { to: network.forwarder_factory }],
    ['value', { value: '1' }],
    ['delegatecall', { operation: 1 as const }],
  ])('does not pass with %s', (_, change) => {
    expect(() => review({ ...listed, ...change }, [])).toThrow(refused('contract-not-allowed'));
  });
  test('is never one of a token, though a policy lists it', () => {
    const contract = token?.contract ?? '';
    const generous = { ...network, allowed_calls: [{ contract, selector: '0x095ea7b3' }] };
    const approve = call({ to: contract, value: '0', data: `0x095ea7b3${'00'.repeat(64)}` });
    const request = { network: network.network, safe_transaction: approve, intents: [] };
    expect(() => reviewEvm(request, { policy, network: generous, state, verifiers, nowMs })).toThrow(
      refused('transaction-malformed'),
    );
  });
});

describe('a Safe with the vault’s guard', () => {
  const guard = '0x5FbDB2315678afecb367f032d93F642f64180aa3';
  const guarded: EvmNetworkPolicy = { ...network, safe_guard: guard };
  const expiresS = BigInt(Date.parse('2026-01-01T01:00:00.000Z') / 1000);
  const reviewed = (notAfterS: bigint, intents: AuthorizedIntent[], to = alice, more: Partial<SignEvmRequest> = {}) => {
    const legs = [{ kind: 'native', to, amount: baseUnits(1000n) }] as const;
    const deadline = { guard, notAfterS };
    const tx = buildWithdrawalBatch({ legs, nonce: 7n, multiSend: network.multi_send, deadline });
    const request = { network: network.network, safe_transaction: tx, intents, ...more };
    return reviewEvm(request, { policy, network: guarded, state, verifiers, nowMs }).reviewed;
  };

  test('pays until the first intent expires', () => {
    const sooner = intent({ nonce: 'nonce-0002', expires_at: '2026-01-01T00:30:00.000Z' });
    expect(reviewed(expiresS, [intent()]).intents).toHaveLength(1);
    expect(() => reviewed(expiresS + 1n, [intent()])).toThrow(refused('deadline-refused'));
    expect(() => reviewed(expiresS - 1799n, [sooner])).toThrow(refused('deadline-refused'));
    expect(reviewed(expiresS - 1800n, [sooner]).intents).toHaveLength(1);
    expect(() => reviewed(BigInt(nowMs / 1000), [intent()])).toThrow(refused('deadline-refused'));
  });
  test('is evacuated within a day', () => {
    const day = BigInt(nowMs / 1000) + 86_400n;
    expect(reviewed(day, [], cold, { evacuation: true }).evacuation).toBe(true);
    expect(() => reviewed(day + 1n, [], cold, { evacuation: true })).toThrow(refused('deadline-refused'));
  });
  test('pays nothing without a deadline, and no contract of the vault', () => {
    const request = { network: network.network, safe_transaction: call(), intents: [intent()] };
    expect(() => reviewEvm(request, { policy, network: guarded, state, verifiers, nowMs })).toThrow(
      refused('transaction-malformed'),
    );
    expect(() => reviewed(expiresS, [intent({ destination: guard })], guard)).toThrow(refused('destination-refused'));
  });
  test('makes no listed call: governance does', () => {
    const listed = call({ to: network.registry, value: '0', data: `0x01681a62${'00'.repeat(32)}` });
    const request = { network: network.network, safe_transaction: listed, intents: [] };
    expect(() => reviewEvm(request, { policy, network: guarded, state, verifiers, nowMs })).toThrow(
      refused('transaction-malformed'),
    );
  });
});

describe('a skim', () => {
  const rule = { floor_bps: 50, target_bps: 100, ceiling_bps: 200, skim_min: '1000', skims_per_day_max: 4 };
  const skimmed = samplePolicy((one) => {
    one.destinations.delay_s = 0;
    for (const asset of evmPolicyOf(one, network.network).assets) asset.hot = rule;
  });
  const skim = (tx: SafeTransaction, more: Partial<SignEvmRequest> = {}, by = skimmed) =>
    reviewEvm(
      { network: network.network, safe_transaction: tx, intents: [], skim: true, ...more },
      { policy: by, network: evmPolicyOf(by, network.network), state, verifiers, nowMs },
    ).reviewed;

  test('takes the coin or a token to a sealed cold address, and is counted by its asset', () => {
    expect(skim(call({ to: cold }))).toMatchObject({ intents: [], evacuation: false, skim: [eth?.asset] });
    const tokens = call({ to: token?.contract ?? '', value: '0', data: transfer(cold, 1_000) });
    expect(skim(tokens)).toMatchObject({ skim: [token?.asset] });
  });

  test.each<[string, () => unknown, string]>([
    ['goes to a stranger', () => skim(call()), 'skim-refused'],
    ['takes less than its rule', () => skim(call({ to: cold, value: '999' })), 'skim-refused'],
    ['has no rule', () => skim(call({ to: cold }), {}, policy), 'skim-refused'],
    ['carries an intent', () => skim(call({ to: cold }), { intents: [intent()] }), 'skim-refused'],
    ['is called an evacuation too', () => skim(call({ to: cold }), { evacuation: true }), 'evacuation-refused'],
    [
      'calls what is listed',
      () => skim(call({ to: network.registry, value: '0', data: '0x01681a62' })),
      'contract-not-allowed',
    ],
  ])('that %s is refused', (_, attempt, code) => {
    expect(attempt).toThrow(refused(code));
  });
});
