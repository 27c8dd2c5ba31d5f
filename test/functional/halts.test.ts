import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HaltScope, SignedHalt } from '@holdfast/core/signing/halt.ts';
import { statementDigestHex } from '@holdfast/core/signing/statement.ts';
import { bitcoinNetworkId, caip19, evmNetworkId } from '@holdfast/devnet/configure.ts';
import { type Customer, outsideAddress, payDeposit, requestWithdrawal } from '@holdfast/devnet/story/actors.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import {
  drainTo,
  execute,
  hotAddresses,
  hotCoins,
  payOut,
  safeNonce,
  sendBitcoin,
  signBitcoin,
} from '../drills/attack-tools-chains.ts';
import { awaitAlarm, awaitNoAlarm, holdingOf } from '../support/chain-steps.ts';
import { fund, mineUntilAll, received, units } from '../support/payouts.ts';
import { callSigners } from '../support/signers-direct.ts';
import { type System, startSystem } from '../support/system.ts';

const everything: HaltScope = { network: null, asset: null };
let system: System;
let customer: Customer;
let direct: ReturnType<typeof callSigners>;

beforeAll(async () => {
  system = await startSystem();
  direct = callSigners(system);
  customer = await system.newCustomer('halts');
  await fund(system, customer, { ETH: '20', USDC: '9000', BTC: '2' });
});
afterAll(async () => {
  direct?.close();
  await system?.stop();
});

const digestOf = ({ statement }: SignedHalt): string => statementDigestHex('halt', statement);

/** Which signers hold a halt, by their own word. */
async function holders(digest: string): Promise<string[]> {
  const statuses = await Promise.all(
    direct.signers.map(async (signer) => {
      const status = await signer.call('/v1/status', {}).catch(() => null);
      return status?.halts.some((halt) => halt.digest === digest) ? [signer.id] : [];
    }),
  );
  return statuses.flat();
}

const heldBy = (digest: string, count: number) =>
  awaitCondition(`halt at ${count} signers`, async () => (await holders(digest)).length === count, 15_000, 30);

/** Halts everything that is covered, at every signer and known to the server. */
async function halt(signed: SignedHalt): Promise<string> {
  await system.client.halt(signed);
  await heldBy(digestOf(signed), 3);
  await awaitAlarm(system, 'halted');
  return digestOf(signed);
}

async function resume(...digests: string[]): Promise<void> {
  await system.client.resume(system.resumption(digests, 'looked at'));
  for (const digest of digests) await heldBy(digest, 0);
  await awaitNoAlarm(system, 'halted');
}

async function ask(asset: 'ETH' | 'USDC' | 'BTC', coins: string) {
  const to = await outsideAddress(system, asset);
  const { id } = await requestWithdrawal(system, customer, asset, coins, to);
  return { id, to, asset, coins };
}

type Asked = Awaited<ReturnType<typeof ask>>;

async function paid(...payouts: Asked[]): Promise<void> {
  await mineUntilAll(
    system,
    payouts.map(({ id }) => id),
    'settled',
  );
  for (const { asset, coins, to } of payouts) expect(await received(system, asset, to)).toBe(units(asset, coins));
}

/** Not even after all loops have come round. */
async function unpaid(...payouts: Asked[]): Promise<void> {
  await new Promise((done) => setTimeout(done, 1_500));
  for (const { id } of payouts) {
    const { state, txid } = await system.client.getWithdrawal({ id });
    expect({ waits: state === 'queued' || state === 'signing', txid }).toEqual({ waits: true, txid: null });
  }
}

describe('a halt of everything', () => {
  it('makes payments wait with an alarm while deposits are credited and addresses issued, until a quorum resumes', async () => {
    const token = system.haltToken(everything, 'something looks wrong');
    const digest = await halt(token);
    await awaitAlarm(system, 'halted', 'something looks wrong (halt-token-1)');
    expect((await system.client.listHalts()).data).toMatchObject([
      { digest, by: 'halt-token-1', signers: [{ signer: 'signer-1' }, { signer: 'signer-2' }, { signer: 'signer-3' }] },
    ]);
    const waiting = [await ask('ETH', '1'), await ask('BTC', '0.1')];
    const newcomer = await system.newCustomer('meanwhile');
    await payDeposit(system, newcomer, 'BTC', '0.2');
    await system.mineUntil('credit', async () => (await system.available(newcomer, 'BTC')) === '0.2');
    await unpaid(...waiting);

    const resumption = system.resumption([digest], 'looked at');
    const refusals = {
      'one approver': system.resumption([digest], 'looked at', 1),
      'one approver twice': { ...resumption, approvals: [resumption.approvals[0]!, resumption.approvals[0]!] },
      'another reason than was signed': { ...resumption, statement: { ...resumption.statement, reason: 'other' } },
      'an expired statement': {
        ...resumption,
        statement: { ...resumption.statement, expires_at: '2020-01-01T00:00:00.000Z' },
      },
    };
    for (const [what, signed] of Object.entries(refusals)) {
      await expect(system.client.resume(signed), what).rejects.toMatchObject({
        code: expect.stringMatching(/^(resume-invalid|approval-invalid)$/),
      });
    }
    await expect(system.client.resume(system.resumption([digest], ''))).rejects.toMatchObject({
      code: 'invalid-request',
    });
    // One that names another halt lifts nothing.
    await system.client.resume(system.resumption(['ab'.repeat(32)], 'looked at'));
    expect(await holders(digest)).toHaveLength(3);
    await resume(digest);
    await paid(...waiting);

    // A token counts once.
    await expect(system.client.halt(token)).rejects.toMatchObject({ code: 'halt-invalid' });
    expect(await holders(digest)).toEqual([]);
  });

  it('comes from an operator’s passkey too, and from nobody else’s', async () => {
    const genuine = system.operatorHalt(everything, 'operator');
    const approver = system.parties.approvers[0]!.passkey.credentialId;
    const forgeries: SignedHalt[] = [
      { ...genuine, statement: { ...genuine.statement, reason: 'other' } },
      { ...genuine, evidence: { ...genuine.evidence, credential_id: approver } },
      { ...system.haltToken(everything, 'x'), evidence: { key_id: 'watcher-1', signature: 'ab'.repeat(64) } },
    ];
    for (const forged of forgeries)
      await expect(system.client.halt(forged)).rejects.toMatchObject({ code: 'halt-invalid' });
    expect((await system.client.listHalts()).data).toEqual([]);
    await resume(await halt(genuine));
  });
});

describe('a halt of an asset', () => {
  it('leaves the other assets of the network and other networks paying', async () => {
    const digest = await halt(
      system.haltToken({ network: evmNetworkId, asset: caip19('USDC', system.evm) }, 'issuer trouble'),
    );
    const waiting = await ask('USDC', '100');
    await paid(await ask('ETH', '0.5'), await ask('BTC', '0.05'));
    await unpaid(waiting);
    await resume(digest);
    await paid(waiting);
  });
});

describe('halted signers', () => {
  it('stay halted over a restart, and one that was away learns of it from the others', async () => {
    await system.signer('signer-3').stop();
    const signed = system.haltToken({ network: bitcoinNetworkId, asset: null }, 'nodes look odd');
    const { answers } = await system.client.halt(signed);
    expect(answers.map(({ state }) => state)).toEqual(['accepted', 'accepted', 'unreachable']);
    const digest = digestOf(signed);
    await heldBy(digest, 2);
    await Promise.all(
      ['signer-1', 'signer-2'].map(async (id) => {
        system.signer(id).kill('SIGKILL');
        await system.signer(id).exited;
        await system.startSigner(id);
      }),
    );
    await heldBy(digest, 2);
    await system.startSigner('signer-3');
    await heldBy(digest, 3);
    const waiting = await ask('BTC', '0.02');
    await paid(await ask('ETH', '0.1'));
    await unpaid(waiting);
    await resume(digest);
    await paid(waiting);
  });

  it('sign an evacuation to the cold addresses and nothing else', async () => {
    // The last test: the wallet is empty afterwards.
    await halt(system.haltToken(everything, 'evacuate'));
    const pair = direct.signers.slice(0, 2);
    const { coldSafe } = system.evm;

    const hot = await holdingOf(system, null, system.evm.safe);
    const nonce = await safeNonce(system);
    const toThief = payOut(system, await outsideAddress(system, 'ETH'), hot, nonce);
    const toCold = payOut(system, coldSafe, hot, nonce);
    const request = { network: evmNetworkId, intents: [], evacuation: true } as const;
    for (const signer of direct.signers) {
      await expect(
        signer.call('/v1/sign/evm', { ...request, safe_transaction: toThief, intents: [] }),
      ).rejects.toMatchObject({ code: 'evacuation-refused' });
      await expect(
        signer.call('/v1/sign/evm', { network: evmNetworkId, safe_transaction: toCold, intents: [] }),
      ).rejects.toMatchObject({
        code: expect.stringMatching(/^(halted|payment-mismatch|output-unaccounted|payment-missing)$/),
      });
    }
    const signatures = await Promise.all(
      pair.map(async (signer) => signer.call('/v1/sign/evm', { ...request, safe_transaction: toCold, intents: [] })),
    );
    const before = await holdingOf(system, null, coldSafe);
    expect(await execute(system, toCold, signatures)).toBe('executed');
    expect(await holdingOf(system, null, coldSafe)).toBe(before + hot);

    const derive = await hotAddresses(system, direct.signers[0]!);
    const coins = await hotCoins(system, derive);
    expect(coins.length).toBeGreaterThan(0);
    const bitcoin = system.first.policy.networks.find(({ family }) => family === 'bitcoin')!;
    const cold = bitcoin.cold_addresses[0]!;
    const draining = (to: string, wasteSats = 0n) => ({
      network: bitcoinNetworkId,
      // What the builder is not told of goes to the miners.
      raw_tx: drainTo(
        coins.map((coin, at) => (at === 0 ? { ...coin, amountSats: coin.amountSats - wasteSats } : coin)),
        to,
      ).rawTx,
      input_paths: coins
        .toSorted((a, b) => (a.txid < b.txid ? -1 : a.txid > b.txid ? 1 : a.vout - b.vout))
        .map(({ path }) => [...path] as [number, number]),
      change: [],
      intents: [],
      evacuation: true as const,
    });
    const theft = draining(await outsideAddress(system, 'BTC'));
    const waste = draining(cold, units('BTC', '0.25'));
    for (const signer of direct.signers) {
      await expect(signer.call('/v1/sign/bitcoin/commit', theft)).rejects.toMatchObject({ code: 'evacuation-refused' });
      await expect(signer.call('/v1/sign/bitcoin/commit', waste)).rejects.toMatchObject({
        code: expect.stringMatching(/^(fee-too-high|limit-exceeded)$/),
      });
    }
    const all = coins.reduce((sum, { amountSats }) => sum + amountSats, 0n);
    expect(await sendBitcoin(system, await signBitcoin(pair, draining(cold), coins))).toBe('accepted');
    const arrived = await received(system, 'BTC', cold);
    expect(all - arrived).toBeGreaterThan(0n);
    expect(all - arrived).toBeLessThanOrEqual(10_000n);
    expect(await hotCoins(system, derive)).toEqual([]);
  });
});
