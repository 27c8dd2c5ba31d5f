import { coldWallet } from '@holdfast/core/cold/cold-wallet.ts';
import { canonicalText } from '@holdfast/core/cold/parse-canonical.ts';
import { parseBitcoinTransaction } from '@holdfast/core/chains/bitcoin/parse-transaction.ts';
import { type ColdRequest, requestDigest } from '@holdfast/core/cold/request.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Ceremony,
  coldSafe,
  etherDraft,
  evmNetwork,
  fakePayment,
  holdCeremony,
  hotSafe,
  otherAddress,
  readRequest,
  refillDraft,
  registry,
} from './cold.test-support.ts';

let stage: Ceremony;
beforeAll(async () => {
  stage = await holdCeremony();
}, 60_000);
afterAll(() => stage?.end());

describe('a refill of Bitcoin', () => {
  test('is shown in full, signed by three custodians and made into a transaction', async () => {
    const file = await stage.request('refill', refillDraft(stage, 150_000_000n, 100_000_000n, 100_000_001n));
    const { out } = await stage.cold('show', file, '--keys', stage.path('ada'));
    const wallet = coldWallet(stage.setup);
    const hot = wallet.hotAddress([1, 7]);
    expect(out).toMatch(/^what +REFILL: Bitcoin from the cold wallet to the hot wallet$/m);
    expect(out).toMatch(/^spends +2\.00000001 BTC \(200000001 base units\) in 2 coins$/m);
    expect(out).toContain(`1.5 BTC (150000000 base units) to the hot wallet, ${hot.address}, path 1/7, derived here`);
    expect(out).toMatch(new RegExp(`^change .* back to the cold wallet, ${wallet.address}$`, 'm'));
    expect(out).toMatch(/^fee .* 5\.00 sat\/vB of at most [0-9]+ vbytes; the setup allows [0-9]+$/m);
    const digest = requestDigest(readRequest(file));
    expect(out.replaceAll(' ', '')).toContain(`digest${digest}`);
    const partials = ['eve', 'ada', 'cyd'].map((name) => [name, stage.fresh(`${name}.partial`)] as const);
    for (const [name, partial] of partials) expect((await stage.sign(name, file, partial)).err).toBe('');
    const done = stage.path(stage.fresh('done'));
    const setup = ['--setup', stage.path('setup.json'), '--out', done, '--json'];
    const said = await stage.cold('combine', file, ...partials.map(([, name]) => stage.path(name)), ...setup);
    expect(said.err).toBe('');
    const { raw, txid } = JSON.parse(said.out) as { raw: string; txid: string };
    const parsed = parseBitcoinTransaction(raw);
    expect(parsed.txid).toBe(txid);
    expect(parsed.outputs[0]).toEqual({ script: hot.script, amountSats: 150_000_000n });
    expect(parsed.outputs[1]?.script).toBe(wallet.script);
  });

  test('of a request that was altered anywhere is refused', async () => {
    const good = readRequest(await stage.request('refill', refillDraft(stage, 1_000_000n, 2_000_000n)));
    expect(await stage.refusalOf(good)).toBe('shown');
    const payload = good.payload as { psbt: string; paths: [0 | 1, number][] };
    const withPsbt = (edit: (hex: string) => string): unknown => ({
      ...good,
      payload: {
        ...payload,
        psbt: Buffer.from(edit(Buffer.from(payload.psbt, 'base64').toString('hex')), 'hex').toString('base64'),
      },
    });
    const wallet = coldWallet(stage.setup);
    const hot = wallet.hotAddress([1, 7]).script;
    const rows: [string, unknown][] = [
      ['cold-request-invalid', canonicalText(good).slice(0, -20)],
      ['cold-request-invalid', `${canonicalText(good)} `],
      ['cold-request-invalid', JSON.stringify(good, null, 2)],
      ['cold-request-invalid', { ...good, note: 'x' }],
      ['cold-request-invalid', { ...good, kind: 'governance' }],
      ['cold-request-invalid', { ...good, expires_at: '2999-01-01T00:00:00.000Z' }],
      ['cold-request-invalid', { ...good, expires_at: good.created_at }],
      [
        'cold-request-invalid',
        {
          ...good,
          payload: {
            ...payload,
            paths: [
              [1, 7],
              [1, 7],
            ],
          },
        },
      ],
      ['cold-setup-differs', { ...good, setup: '00'.repeat(32) }],
      ['unknown-network', { ...good, network: 'bip122:000000000019d6689c085ae165831e93' }],
      ['output-unaccounted', { ...good, payload: { ...payload, paths: [[1, 8]] } }],
      ['output-unaccounted', { ...good, payload: { ...payload, paths: [[0, 7]] } }],
      [
        'payment-missing',
        {
          ...good,
          payload: {
            ...payload,
            paths: [
              [1, 7],
              [1, 8],
            ],
          },
        },
      ],
      // Cut, longer, another recipient, a signature more, a field more, no previous transaction.
      ['transaction-malformed', withPsbt((hex) => hex.slice(0, -2))],
      ['transaction-malformed', withPsbt((hex) => `${hex}00`)],
      ['output-unaccounted', withPsbt((hex) => hex.replace(hot, `5120${'ab'.repeat(32)}`))],
      ['transaction-malformed', withPsbt((hex) => hex.replace(/0000$/, '0103040100000000'))],
      ['transaction-malformed', withPsbt((hex) => hex.replace('70736274ff0100', '70736274fe0100'))],
    ];
    for (const [code, value] of rows) expect([code, await stage.refusalOf(value)]).toEqual([code, code]);
  });

  test('of foreign coins, or with a fee above either bound, is not even written', async () => {
    const foreign = {
      ...refillDraft(stage, 1_000_000n),
      coins: [{ raw: fakePayment(`0014${'11'.repeat(20)}`, 2_000_000n), vout: 1 }],
    };
    await expect(stage.request('refill', foreign)).rejects.toThrow('no coin of the cold wallet');
    await expect(
      stage.request('refill', { ...refillDraft(stage, 1_000_000n, 2_000_000n), fee_rate_sat_vb: 51 }),
    ).rejects.toThrow('a fee of');
    // Each coin costs 139 vbytes; the absolute bound comes first.
    const many = refillDraft(stage, 1_000_000n, ...Array.from({ length: 60 }, () => 1_000_000n));
    await expect(stage.request('refill', { ...many, fee_rate_sat_vb: 20 })).rejects.toThrow('at most 100000');
    await expect(stage.request('refill', refillDraft(stage, 2_000_000n, 2_000_000n))).rejects.toThrow(
      'the coins hold 2000000 sats',
    );
    await expect(stage.request('refill', refillDraft(stage, 100n, 2_000_000n))).rejects.toThrow('dust');
  });
});

describe('on EVM', () => {
  test('shows a refill of a token in units and base units', async () => {
    const file = await stage.request('refill', { network: evmNetwork, asset: 'USDT', amount: '2500000', nonce: '9' });
    const { out } = await stage.cold('show', file, '--setup', stage.path('setup.json'));
    expect(out).toMatch(new RegExp(`^pays +2\\.5 USDT \\(2500000 base units\\) to the hot Safe, ${hotSafe}$`, 'm'));
    expect(out).toMatch(new RegExp(`^by +the cold Safe, ${coldSafe}, chain id 31337, nonce 9$`, 'm'));
  });

  test('shows a governance change through the timelock, and one that is made at once', async () => {
    const call = { contract: 'vault-registry', name: 'setVault', values: [otherAddress] };
    const scheduled = await stage.request('governance', {
      network: evmNetwork,
      nonce: '10',
      call,
      timelock: { action: 'schedule', delay_s: '172800', salt: '5a'.repeat(32) },
    });
    const shown = (await stage.cold('show', scheduled, '--setup', stage.path('setup.json'))).out;
    expect(shown).toMatch(
      /^schedules +to be executed no sooner than 172800 seconds \(2 days 0 hours\) after it is scheduled$/m,
    );
    expect(shown).toMatch(new RegExp(`^calls +${registry} \\(the vault-registry\\)$`, 'm'));
    expect(shown).toMatch(/^function +setVault\(address\)$/m);
    expect(shown).toContain(
      `every deposit address sweeps to ${otherAddress} (AN ADDRESS THAT THE SETUP DOES NOT KNOW)`,
    );
    expect(shown).toMatch(new RegExp(`^UNKNOWN +the setup does not know ${otherAddress}\\n\\ndigest `, 'm'));
    const executed = await stage.request('governance', {
      network: evmNetwork,
      nonce: '11',
      call,
      timelock: { action: 'execute', salt: '5a'.repeat(32) },
    });
    const operation = /^operation +(0x[0-9a-f]{64})$/m;
    const id = operation.exec(shown)?.[1];
    expect(operation.exec((await stage.cold('show', executed, '--setup', stage.path('setup.json'))).out)?.[1]).toBe(id);
    const cancelled = await stage.request('governance', {
      network: evmNetwork,
      nonce: '11',
      call: null,
      timelock: { action: 'cancel', operation: id },
    });
    expect((await stage.cold('show', cancelled, '--setup', stage.path('setup.json'))).out).toContain(`operation ${id}`);
    const direct = await stage.request('governance', {
      network: evmNetwork,
      nonce: '12',
      call: { ...call, values: [hotSafe] },
      timelock: null,
    });
    expect((await stage.cold('show', direct, '--setup', stage.path('setup.json'))).out).toContain(
      `sweeps to ${hotSafe} (the hot Safe) from then on`,
    );
  });

  test('refuses what it cannot account for', async () => {
    const refill = readRequest(await stage.request('refill', etherDraft('20')));
    const token = readRequest(
      await stage.request('refill', { network: evmNetwork, asset: 'USDT', amount: '5', nonce: '20' }),
    );
    const governance = readRequest(
      await stage.request('governance', {
        network: evmNetwork,
        nonce: '20',
        call: { contract: 'vault-registry', name: 'setVault', values: [hotSafe] },
        timelock: null,
      }),
    );
    type Tx = { to: string; value: string; data: string; operation: 0 | 1; nonce: string };
    const txOf = (one: ColdRequest): Tx => (one.payload as { safe_transaction: Tx }).safe_transaction;
    const edit = (one: ColdRequest, change: Partial<Tx>): ColdRequest => ({
      ...one,
      payload: { safe_transaction: { ...txOf(one), ...change } },
    });
    const recipient = hotSafe.slice(2).toLowerCase();
    const thief = otherAddress.slice(2).toLowerCase();
    const rows: [string, ColdRequest][] = [
      ['output-unaccounted', edit(refill, { to: otherAddress })],
      ['transaction-malformed', edit(refill, { value: '0' })],
      ['contract-not-allowed', edit(refill, { operation: 1 })],
      ['contract-not-allowed', edit(refill, { data: '0x00' })],
      ['output-unaccounted', edit(token, { data: txOf(token).data.replace(recipient, thief) })],
      ['contract-not-allowed', edit(token, { to: otherAddress })],
      ['contract-not-allowed', edit(token, { data: txOf(token).data.replace('a9059cbb', '095ea7b3') })],
      ['transaction-malformed', edit(token, { value: '1' })],
      ['transaction-malformed', edit(token, { data: `${txOf(token).data}00` })],
      ['transaction-malformed', edit(token, { data: txOf(token).data.slice(0, -2) })],
      // The Safe's own functions, a contract outside the setup, an unknown function, value, a longer call.
      ['contract-not-allowed', edit(governance, { to: coldSafe })],
      ['contract-not-allowed', edit(governance, { to: otherAddress })],
      ['contract-not-allowed', edit(governance, { data: `0x715018a6` })],
      ['transaction-malformed', edit(governance, { value: '1' })],
      ['transaction-malformed', edit(governance, { data: `${txOf(governance).data}00` })],
      ['contract-not-allowed', edit(governance, { operation: 1 })],
      ['transaction-malformed', { ...refill, kind: 'governance' }],
      ['contract-not-allowed', { ...governance, kind: 'refill' }],
      ['cold-request-invalid', { ...refill, kind: 'recovery' }],
      ['unknown-network', { ...refill, network: 'eip155:1' }],
    ];
    for (const [code, value] of rows) expect([code, await stage.refusalOf(value)]).toEqual([code, code]);
  });
});
