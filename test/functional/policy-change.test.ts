import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Policy, policyDigest } from '@holdfast/core/policy/policy.ts';
import { signPolicy } from '@holdfast/devnet/policy.ts';
import { type Customer, outsideAddress, requestWithdrawal } from '@holdfast/devnet/story/actors.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { fund, mineUntilAll, received, units } from '../support/payouts.ts';
import { awaitRefusal, journalMark, signerIds } from '../support/signers-direct.ts';
import { relaxPolicy, type System, startSystem } from '../support/system.ts';

const delays = { tighten_s: 1, loosen_s: 4 };
let system: System;
let customer: Customer;
/** The newest version. */
let newest: Policy;

beforeAll(async () => {
  system = await startSystem({
    policy: (policy) => {
      relaxPolicy(policy);
      policy.delays = { ...delays };
    },
  });
  newest = system.first.policy;
  customer = await system.newCustomer('policy');
  await fund(system, customer, { ETH: '10' });
});
afterAll(() => system?.stop());

/** The next version, with another ceiling of one ether payment. */
function withCeiling(ether: string, base: Policy = newest): Policy {
  const next = structuredClone(base);
  next.version += 1;
  next.previous = policyDigest(base);
  for (const network of next.networks) {
    for (const asset of network.family === 'evm' ? network.assets : []) {
      if (asset.code !== 'ETH') continue;
      asset.limits.per_transaction_max = units('ETH', ether).toString();
      asset.integrator_limits.per_transaction_max = units('ETH', ether).toString();
    }
  }
  return next;
}

const signed = (policy: Policy, ...administrators: number[]) =>
  signPolicy(
    policy,
    administrators.map((at) => system.parties.administrators[at]!),
  );

/** Waits until these signers have a version in force. @returns milliseconds since the call. */
async function inForce(version: number, signers: readonly string[] = signerIds): Promise<number> {
  const startedAtMs = performance.now();
  await awaitCondition(
    `version ${version} in force`,
    async () => {
      const { data } = await system.client.listPolicies();
      return signers.every((signer) => data.find((one) => one.signer === signer)?.version === version);
    },
    20_000,
    50,
  );
  return performance.now() - startedAtMs;
}

async function ask(coins: string) {
  const to = await outsideAddress(system, 'ETH');
  return { ...(await requestWithdrawal(system, customer, 'ETH', coins, to)), to };
}

describe('a new version of the policy', () => {
  it('needs its administrators, their exact bytes and its predecessor', async () => {
    const next = withCeiling('2');
    const good = signed(next, 0, 2);
    const stranger = { ...good.signatures[0]!, key_id: 'administrator-9' };
    const refusals = {
      one: signed(next, 1),
      twice: { ...good, signatures: [good.signatures[0]!, good.signatures[0]!] },
      stranger: { ...good, signatures: [good.signatures[0]!, stranger] },
      changed: { ...good, policy: { ...good.policy, intent_s_max: 60 } },
    };
    for (const [what, proposal] of Object.entries(refusals))
      await expect(system.client.proposePolicy(proposal), what).rejects.toMatchObject({ code: 'policy-invalid' });
    for (const other of [
      { ...next, version: 3 },
      { ...next, previous: 'ab'.repeat(32) },
      { ...next, version: 1 },
    ]) {
      await expect(system.client.proposePolicy(signed(other, 0, 1))).rejects.toMatchObject({ code: 'policy-rollback' });
    }
    expect((await system.client.listPolicies()).data.map(({ version, pending }) => [version, pending])).toEqual(
      Array(3).fill([1, null]),
    );
  });

  it('tightens soon, and what it forbids waits from then on', async () => {
    const next = withCeiling('2');
    const { answers } = await system.client.proposePolicy(signed(next, 0, 2));
    expect(answers.map(({ state }) => state)).toEqual(['accepted', 'accepted', 'accepted']);
    newest = next;
    expect(await inForce(2)).toBeLessThan(delays.loosen_s * 1_000);
    const mark = journalMark(system);
    const large = await ask('3');
    expect(await awaitRefusal(system, 'limit-exceeded', mark)).toEqual(new Set(['limit-exceeded']));

    // Proposed again it is the same; the version before is refused for good.
    await system.client.proposePolicy(signed(next, 1, 2));
    await expect(system.client.proposePolicy(system.first)).resolves.toMatchObject({
      answers: expect.arrayContaining([expect.objectContaining({ state: 'accepted' })]),
    });
    await inForce(2);
    await expect(
      system.client.proposePolicy(signed({ ...system.first.policy, intent_s_max: 3_600 }, 0, 1)),
    ).rejects.toMatchObject({ code: 'policy-rollback' });

    // Loosened again it takes longer, also for a signer that was away; then the payment goes.
    await system.signer('signer-3').stop();
    const looser = withCeiling('5');
    const startedAtMs = performance.now();
    await system.client.proposePolicy(signed(looser, 0, 1));
    newest = looser;
    const [one] = (await system.client.listPolicies()).data;
    expect(one).toMatchObject({ version: 2, pending: { version: 3, digest: policyDigest(looser) } });
    expect((await system.client.getWithdrawal({ id: large.id })).txid).toBeNull();
    await inForce(3, ['signer-1', 'signer-2']);
    expect(performance.now() - startedAtMs).toBeGreaterThan(delays.loosen_s * 1_000 - 200);
    await mineUntilAll(system, [large.id], 'settled');
    expect(await received(system, 'ETH', large.to)).toBe(units('ETH', '3'));
    await system.startSigner('signer-3');
    await inForce(3);
    await system.signer('signer-1').stop();
    const { id } = await ask('4');
    await mineUntilAll(system, [id], 'settled');
    await system.startSigner('signer-1');
  });

  it('is still there after a restart, and a signer whose folder holds an older one in its place does not start', async () => {
    const folder = join(system.folder, 'signer-3', 'policies');
    await Promise.all(signerIds.map(async (id) => system.signer(id).stop()));
    const third = readFileSync(join(folder, '3.json'));
    copyFileSync(join(folder, '1.json'), join(folder, '3.json'));
    await Promise.all(['signer-1', 'signer-2'].map(async (id) => system.startSigner(id)));
    await expect(system.startSigner('signer-3')).rejects.toThrow('signer-3');
    expect(readFileSync(join(system.folder, 'logs', 'signer-3.log'), 'utf8')).toContain('policy-rollback');
    writeFileSync(join(folder, '3.json'), third);
    await system.startSigner('signer-3');
    await inForce(3);
    const second = withCeiling('9', system.first.policy);
    await expect(system.client.proposePolicy(signed(second, 0, 1))).rejects.toMatchObject({ code: 'policy-rollback' });
  });
});
