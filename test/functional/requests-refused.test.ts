import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { ApiFailure } from '@holdfast/client/api-failure.ts';
import { authorizeIntent } from '@holdfast/client/authorize-intent.ts';
import { encodeSegwit } from '@holdfast/core/chains/bitcoin/address.ts';
import type { CreateWithdrawalBody } from '@holdfast/core/contract/bodies.ts';
import { parseUnits } from '@holdfast/core/money/base-units.ts';
import type { WithdrawalIntent } from '@holdfast/core/signing/intent.ts';
import { bitcoinNetworkId, caip19, evmNetworkId } from '@holdfast/devnet/configure.ts';
import { type Customer, outsideAddress, payDeposit, requestWithdrawal } from '@holdfast/devnet/story/actors.ts';
import { type Database, openDatabase } from '@holdfast/server/store/database.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { settle } from '../support/chain-steps.ts';
import { type System, startSystem } from '../support/system.ts';

let system: System;
let database: Database;
let customer: Customer;
let other: Customer;
/** An address that the wallet pays its own change to. */
let change: string;

beforeAll(async () => {
  system = await startSystem();
  database = openDatabase(system.databaseUrl);
  [customer, other] = [await system.newCustomer('asks'), await system.newCustomer('other')];
  await payDeposit(system, customer, 'USDT', '500');
  await payDeposit(system, customer, 'BTC', '0.3');
  await system.mineUntil(
    'both credited',
    async () =>
      (await system.available(customer, 'USDT')) === '500' && (await system.available(customer, 'BTC')) === '0.3',
  );
  const destination = await outsideAddress(system, 'BTC');
  const paid = await requestWithdrawal(system, customer, 'BTC', '0.1', destination);
  const { txid } = await system.mineUntil('a payment with change', async () => {
    const withdrawal = await system.client.getWithdrawal({ id: paid.id });
    return withdrawal.state === 'settled' && withdrawal;
  });
  const { rpc } = system.chains.bitcoin!.miner;
  const { vout } = await rpc<{ vout: { scriptPubKey: { address: string } }[] }>('getrawtransaction', [txid, true]);
  change = vout.map((output) => output.scriptPubKey.address).find((address) => address !== destination)!;
  // Nothing is under way any more: what changes from here on was changed by a request.
  await system.mineEvm(4);
  await settle(system);
  await system.mineEvm(4);
  await settle(system);
});
afterAll(async () => {
  await database?.close();
  await system?.stop();
});

/** Everything that a request could have left behind. */
async function traces(): Promise<unknown> {
  const [counts] = await database.query(
    `select (select count(*) from transfer) as transfers, (select count(*) from event) as events, (select count(*) from withdrawal) as withdrawals,
            (select count(*) from deposit_address) as addresses, (select count(*) from customer) as customers, (select sum(balance) from account where code like 'hold:%') as held`,
  );
  const book = await system.client.reconcile();
  return {
    counts,
    balances: (await system.client.listBalances({ id: customer.id })).data,
    rows: book.rows,
    trial: book.trial_balance,
  };
}

async function refusal(
  request: Promise<unknown>,
): Promise<{ status: number; code: string; pointer: string | undefined; retryable: boolean }> {
  const error = await request.then(
    () => {
      throw new Error('the request was accepted');
    },
    (caught: unknown) => caught,
  );
  if (!(error instanceof ApiFailure)) throw error;
  const { status, code, errors, retryable, title, detail, request_id } = error.problem;
  expect([title, detail, request_id].every((text) => text !== '')).toBe(true);
  return { status, code, pointer: errors[0]?.pointer, retryable };
}

function intentOf(change_: Partial<Record<keyof WithdrawalIntent, unknown>> = {}): WithdrawalIntent {
  return {
    version: 1,
    kind: 'withdrawal',
    network: evmNetworkId,
    asset: caip19('USDT', system.evm),
    amount: parseUnits('20', 6).toString(),
    destination: `0x${randomBytes(20).toString('hex')}`,
    memo: null,
    customer: customer.id,
    fee_max: parseUnits('2', 6).toString(),
    expires_at: new Date(Date.now() + 3_600_000).toISOString(),
    nonce: randomBytes(12).toString('hex'),
    ...change_,
  } as WithdrawalIntent;
}
const body = (
  intent: WithdrawalIntent,
  clientReference = `wd-${randomBytes(8).toString('hex')}`,
): CreateWithdrawalBody => ({ client_reference: clientReference, ...system.authorize(intent) });
const bitcoin = (destination: string, amount = '1000000'): Partial<WithdrawalIntent> => ({
  network: bitcoinNetworkId,
  asset: caip19('BTC', system.evm),
  destination,
  amount,
  fee_max: '100000',
});

const at = (pointer: string, status: number, code: string) => ({ status, code, pointer, retryable: false });
type Change = () =>
  | Partial<Record<keyof WithdrawalIntent, unknown>>
  | Promise<Partial<Record<keyof WithdrawalIntent, unknown>>>;
type Row = readonly [name: string, change: Change, expected: ReturnType<typeof at>];

/** The text with the letter case of its last letter turned. */
const turned = (address: string): string =>
  address.replace(
    /([a-fA-F])([^a-fA-F]*)$/,
    (_, letter: string, rest: string) =>
      (letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase()) + rest,
  );
const mistyped = (address: string): string => address.slice(0, -1) + (address.endsWith('q') ? 'p' : 'q');
const destination = '/intent/destination';
const amount = '/intent/amount';

const addresses: readonly Row[] = [
  ['39 hex digits', () => ({ destination: `0x${'a'.repeat(39)}` }), at(destination, 400, 'invalid-address')],
  ['no 0x', () => ({ destination: 'a'.repeat(40) }), at(destination, 400, 'invalid-address')],
  ['a name', () => ({ destination: 'vitalik.eth' }), at(destination, 400, 'invalid-address')],
  ['a blank around it', () => ({ destination: ` 0x${'a'.repeat(40)}` }), at(destination, 400, 'invalid-address')],
  ['nothing', () => ({ destination: '' }), at(destination, 400, 'invalid-address')],
  ['the zero address', () => ({ destination: `0x${'0'.repeat(40)}` }), at(destination, 400, 'invalid-address')],
  [
    'a wrong EIP-55 checksum',
    () => ({ destination: turned(system.evm.splitter) }),
    at(destination, 400, 'invalid-address'),
  ],
  [
    'a Bitcoin address on an EVM network',
    async () => ({ destination: await outsideAddress(system, 'BTC') }),
    at(destination, 400, 'network-mismatch'),
  ],
  ['an EVM address on Bitcoin', () => bitcoin(`0x${'ab'.repeat(20)}`), at(destination, 400, 'network-mismatch')],
  [
    'an address of Bitcoin mainnet',
    () => bitcoin('bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4'),
    at(destination, 400, 'network-mismatch'),
  ],
  [
    'an old address of Bitcoin mainnet',
    () => bitcoin('1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2'),
    at(destination, 400, 'network-mismatch'),
  ],
  [
    'a wrong bech32 checksum',
    async () => bitcoin(mistyped(await outsideAddress(system, 'BTC'))),
    at(destination, 400, 'invalid-address'),
  ],
  [
    'a wrong bech32m checksum',
    () => bitcoin(mistyped(other.addresses.get(bitcoinNetworkId)!)),
    at(destination, 400, 'invalid-address'),
  ],
  [
    'a witness version that anyone can spend',
    () => bitcoin(encodeSegwit({ prefix: 'bcrt', version: 2, program: new Uint8Array(32) })),
    at(destination, 400, 'invalid-address'),
  ],
];

const ours: readonly (readonly [string, () => Partial<WithdrawalIntent>])[] = [
  ['the customer’s own deposit address', () => ({ destination: customer.addresses.get(evmNetworkId)! })],
  ['another customer’s, in lower case', () => ({ destination: other.addresses.get(evmNetworkId)!.toLowerCase() })],
  ['the vault', () => ({ destination: system.evm.safe })],
  ['the MultiSend contract', () => ({ destination: system.evm.multiSend })],
  ['the registry', () => ({ destination: system.evm.registry })],
  ['the emergency desk, which only the policy names', () => ({ destination: system.evm.desk.toLowerCase() })],
  ['the sealed cold Safe', () => ({ destination: system.evm.coldSafe })],
  ['the forwarder factory', () => ({ destination: system.evm.factory })],
  ['the token itself', () => ({ destination: system.evm.usdt })],
  ['a Bitcoin deposit address', () => bitcoin(other.addresses.get(bitcoinNetworkId)!)],
  ['a Bitcoin deposit address in upper case', () => bitcoin(other.addresses.get(bitcoinNetworkId)!.toUpperCase())],
  ['a Bitcoin change address', () => bitcoin(change)],
];

const amountRows: readonly Row[] = [
  ...(['0', '-1', '+1', '1.5', '1e6', '007', '', ' 1', '0x10', '9'.repeat(79)] as const).map((text): Row => [
    JSON.stringify(text),
    () => ({ amount: text }),
    at(amount, 400, 'invalid-amount'),
  ]),
  ['a number', () => ({ amount: 20_000_000 }), at(amount, 400, 'invalid-amount')],
  ['null', () => ({ amount: null }), at(amount, 400, 'invalid-amount')],
  ['more than the balance', () => ({ amount: parseUnits('501', 6).toString() }), at(amount, 422, 'insufficient-funds')],
  [
    'the balance, with nothing left for the fee',
    () => ({ amount: parseUnits('500', 6).toString() }),
    at(amount, 422, 'insufficient-funds'),
  ],
  ['below the minimum', () => ({ amount: parseUnits('4.999999', 6).toString() }), at(amount, 422, 'below-minimum')],
  [
    'above the maximum of one withdrawal',
    () => ({ amount: parseUnits('1000000.000001', 6).toString() }),
    at(amount, 422, 'limit-exceeded'),
  ],
];

const others: readonly Row[] = [
  ['an unknown network', () => ({ network: 'eip155:999' }), at('/intent/network', 400, 'unknown-network')],
  [
    'an unknown asset',
    () => ({ asset: `${evmNetworkId}/erc20:0x${'12'.repeat(20)}` }),
    at('/intent/asset', 400, 'unknown-asset'),
  ],
  [
    'an asset of another network',
    () => ({ asset: caip19('BTC', system.evm) }),
    at('/intent/asset', 400, 'unknown-asset'),
  ],
  ['a fee_max below the fee', () => ({ fee_max: '999999' }), at('/intent/fee_max', 422, 'fee-above-maximum')],
  [
    'an expired intent',
    () => ({ expires_at: new Date(Date.now() - 1_000).toISOString() }),
    at('/intent/expires_at', 422, 'intent-expired'),
  ],
  [
    'an intent that expires too soon to be signed',
    () => ({ expires_at: new Date(Date.now() + 5_000).toISOString() }),
    at('/intent/expires_at', 422, 'intent-expired'),
  ],
  [
    'an intent for ever',
    () => ({ expires_at: '2999-01-01T00:00:00.000Z' }),
    at('/intent/expires_at', 400, 'invalid-request'),
  ],
  [
    'a day that is in no calendar',
    () => ({ expires_at: '2030-13-45T00:00:00.000Z' }),
    at('/intent/expires_at', 400, 'invalid-request'),
  ],
  ['a memo where the network has none', () => ({ memo: '42' }), at('/intent/memo', 400, 'invalid-request')],
  [
    'an unknown customer',
    () => ({ customer: `cus_${'0'.repeat(8)}-0000-7000-8000-${'0'.repeat(12)}` }),
    at('/intent/customer', 404, 'not-found'),
  ],
];

describe.each([
  ['a destination that is', addresses],
  ['a destination of ours:', ours.map(([name, of]): Row => [name, of, at(destination, 422, 'destination-refused')])],
  ['an amount that is', amountRows],
  ['', others],
])('%s', (_title, rows) => {
  it.each(rows)('%s is refused and leaves nothing behind', async (_name, of, expected) => {
    const before = await traces();
    expect(await refusal(system.client.createWithdrawal(body(intentOf(await of()))))).toEqual(expected);
    expect(await traces()).toEqual(before);
  });
});

describe('evidence that does not fit', () => {
  const signature = '/authorization/signature';
  it.each([
    [
      'a key that is not the integrator’s',
      () => {
        const intent = intentOf();
        const stranger = generateKeyPairSync('ed25519')
          .privateKey.export({ format: 'der', type: 'pkcs8' })
          .subarray(-32)
          .toString('hex');
        return {
          ...body(intent),
          authorization: authorizeIntent(intent, { keyId: 'integrator', privateKey: stranger }),
        };
      },
      signature,
    ],
    [
      'a signature of zeros',
      () => ({ ...body(intentOf()), authorization: { key_id: 'integrator', signature: '00'.repeat(64) } }),
      signature,
    ],
    [
      'another amount than was signed',
      () => {
        const signed = body(intentOf());
        return { ...signed, intent: { ...signed.intent, amount: parseUnits('21', 6).toString() } };
      },
      signature,
    ],
    [
      'another destination than was signed',
      () => {
        const signed = body(intentOf());
        return { ...signed, intent: { ...signed.intent, destination: `0x${'ab'.repeat(20)}` } };
      },
      signature,
    ],
    [
      'another customer than was signed',
      () => {
        const signed = body(intentOf({ customer: other.id }));
        return { ...signed, intent: { ...signed.intent, customer: customer.id } };
      },
      signature,
    ],
    [
      'an unknown key',
      () => {
        const signed = body(intentOf());
        return { ...signed, authorization: { ...signed.authorization, key_id: 'nobody' } };
      },
      '/authorization/key_id',
    ],
  ])('%s is refused and leaves nothing behind', async (_, make, pointer) => {
    const before = await traces();
    expect(await refusal(system.client.createWithdrawal(make()))).toEqual(at(pointer, 403, 'authorization-invalid'));
    expect(await traces()).toEqual(before);
  });
});

describe('an address for', () => {
  it.each([
    [
      'an unknown network',
      () => ({ customer: customer.id, network: 'eip155:1' }),
      at('/network', 400, 'unknown-network'),
    ],
    [
      'an unknown customer',
      () => ({ customer: `cus_${'0'.repeat(8)}-0000-7000-8000-${'0'.repeat(12)}`, network: evmNetworkId }),
      at('/customer', 404, 'not-found'),
    ],
  ])('%s is refused and leaves nothing behind', async (_, make, expected) => {
    const before = await traces();
    expect(await refusal(system.client.issueDepositAddress(make()))).toEqual(expected);
    expect(await traces()).toEqual(before);
  });
});

describe('a second request', () => {
  it('with the same key is the first one, with another body it is refused, and one hold was made', async () => {
    const idempotencyKey = randomBytes(12).toString('hex');
    const before = await system.balance(customer, 'USDT');
    // Nothing may pay it meanwhile.
    for (const id of ['signer-1', 'signer-2']) await system.signer(id).stop();
    const first = body(intentOf());
    const made = await system.client.createWithdrawal(first, { idempotencyKey });
    const repeated = await system.client.createWithdrawal(first, { idempotencyKey });
    expect(repeated.id).toBe(made.id);
    const held = await system.balance(customer, 'USDT');
    expect(BigInt(before.available) - BigInt(held.available)).toBe(parseUnits('21', 6));

    const after = { ...((await traces()) as object), counts: undefined };
    expect(await refusal(system.client.createWithdrawal(body(intentOf()), { idempotencyKey }))).toEqual({
      status: 422,
      code: 'idempotency-key-reused',
      pointer: undefined,
      retryable: false,
    });
    const renamed = { ...first, client_reference: 'another-name' };
    expect(await refusal(system.client.createWithdrawal(renamed))).toEqual(
      at('/intent/nonce', 409, 'client-reference-taken'),
    );
    expect(await refusal(system.client.createWithdrawal(body(intentOf(), first.client_reference)))).toEqual(
      at('/client_reference', 409, 'client-reference-taken'),
    );
    expect({ ...((await traces()) as object), counts: undefined }).toEqual(after);
    expect(
      (await system.client.listWithdrawals({ customer: customer.id, asset: 'USDT', limit: 200 })).data.map(
        ({ id }) => id,
      ),
    ).toEqual([made.id]);
  });
});
