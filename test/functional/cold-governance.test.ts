import { buildRequest, buildSafeGovernance } from '@holdfast/core/cold/build-request.ts';
import { requestDigest } from '@holdfast/core/cold/request.ts';
import type { ColdSetup } from '@holdfast/core/cold/setup.ts';
import { addressOfKey, devnetKeys } from '@holdfast/devnet/evm/accounts.ts';
import type { EvmDeployment } from '@holdfast/devnet/evm/deploy-vault.ts';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import { sendAndWait } from '@holdfast/devnet/evm/send-transaction.ts';
import { type AnvilNode, startAnvil } from '@holdfast/devnet/evm/start-anvil.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { deployTestVault, safeNonce } from '../support/anvil.ts';
import { codeOf, type Custodians, type CustodianName, startCustodians } from '../support/custodians.ts';

const network = 'eip155:31337';
/** vault(), pendingOwner(), owner() of the registry. */
const selectors = { vault: '0xfbfa77cf', pendingOwner: '0xe30c3978', owner: '0x8da5cb5b' } as const;

let custodians: Custodians;
let setup: ColdSetup;
let anvil: AnvilNode;
let vault: EvmDeployment;

beforeAll(async () => {
  [custodians, anvil] = await Promise.all([startCustodians(), startAnvil()]);
  vault = await deployTestVault(anvil.url, {
    coldOwners: custodians.cards.map(({ evm }) => evm),
    coldThreshold: 3,
    governanceOwners: custodians.cards.map(({ evm }) => evm),
  });
  setup = await custodians.holdCeremony({
    bitcoin: null,
    evm: [
      {
        network,
        coin: 'ETH',
        cold_safe: vault.coldSafe,
        hot_safe: vault.safe,
        tokens: [],
        contracts: [{ kind: 'vault-registry', address: vault.registry }],
      },
    ],
  });
});
afterAll(async () => {
  await anvil?.stop();
  custodians?.end();
});

async function registrySays(what: keyof typeof selectors): Promise<string> {
  const word = await rpcCall<string>(anvil.url, 'eth_call', [{ to: vault.registry, data: selectors[what] }, 'latest']);
  return `0x${word.slice(-40)}`;
}

const callOf = (name: string, ...values: string[]) => ({ contract: 'vault-registry' as const, name, values });
const draftOf = async (name: string, ...values: string[]) => ({
  network,
  nonce: (await safeNonce(anvil.url, vault.coldSafe)).toString(),
  call: callOf(name, ...values),
  timelock: null,
});

/** Signed by a quorum and sent by somebody who holds no key of the Safe. */
async function carryOut(name: string, digest: string, quorum: readonly CustodianName[]): Promise<void> {
  const finished = await custodians.finish(name, digest, quorum);
  if (finished.family !== 'evm') throw new Error('not of EVM');
  await sendAndWait({ rpcUrl: anvil.url, key: devnetKeys.spare, to: finished.to, data: finished.data });
}

const devnetVault = (seed: number): string => addressOfKey(`0x${String(seed).padStart(64, '9')}`);

const newVault = addressOfKey(devnetKeys.faucet);

test('a governance change by three custodians of five takes effect on the chain', async () => {
  const digest = await custodians.request('governance', 'set-vault', await draftOf('setVault', newVault));
  const shown = await custodians.offline('show', custodians.path('set-vault'), '--keys', custodians.path('dee'));
  const { lines } = JSON.parse(shown.out) as { lines: [string, string][] };
  expect(lines.find(([label]) => label === 'effect')?.[1]).toContain(newVault);
  expect((await registrySays('vault')).toLowerCase()).toBe(vault.safe.toLowerCase());
  await carryOut('set-vault', digest, ['ben', 'cyd', 'dee']);
  expect((await registrySays('vault')).toLowerCase()).toBe(newVault.toLowerCase());
});

test('the registry changes hands in two steps', async () => {
  const offer = await custodians.request('governance', 'offer', await draftOf('transferOwnership', vault.coldSafe));
  await carryOut('offer', offer, ['ada', 'ben', 'cyd']);
  expect((await registrySays('pendingOwner')).toLowerCase()).toBe(vault.coldSafe.toLowerCase());
  const accept = await custodians.request('governance', 'accept', await draftOf('acceptOwnership'));
  await carryOut('accept', accept, ['ada', 'dee', 'eve']);
  expect(BigInt(await registrySays('pendingOwner'))).toBe(0n);
  expect((await registrySays('owner')).toLowerCase()).toBe(vault.coldSafe.toLowerCase());
});

test('an aborted change gives its nonce to another, and never counts after that', async () => {
  const before = await registrySays('vault');
  const first = await custodians.request('governance', 'first', await draftOf('setVault', devnetVault(1)));
  const quorum = ['ada', 'ben', 'cyd'] as const;
  const kept = await custodians.finish('first', first, quorum);
  const second = await custodians.request('governance', 'second', await draftOf('setVault', vault.safe));
  expect(codeOf(await custodians.sign('ada', 'second', second))).toBe('cold-already-signed');
  const aborted = await Promise.all(
    quorum.map((name) => custodians.offline('abort', first, '--keys', custodians.path(name))),
  );
  expect(aborted.map(({ code }) => code)).toEqual([0, 0, 0]);
  expect(await registrySays('vault')).toBe(before);
  await carryOut('second', second, quorum);
  expect((await registrySays('vault')).toLowerCase()).toBe(vault.safe.toLowerCase());
  if (kept.family !== 'evm') throw new Error('not of EVM');
  const late = sendAndWait({ rpcUrl: anvil.url, key: devnetKeys.spare, to: kept.to, data: kept.data });
  // GS026: the signatures are over another nonce.
  await expect(late).rejects.toThrow('GS026');
});

test('an expired request and one of another ceremony are signed by nobody', async () => {
  const evm = setup.evm[0];
  if (!evm) throw new Error('the setup has a network');
  const tx = buildSafeGovernance(await draftOf('setVault', devnetVault(2)), evm);
  const dayMs = 86_400_000;
  const times = { createdMs: Date.now() - 2 * dayMs, expiresMs: Date.now() - dayMs };
  const expired = buildRequest('governance', network, { safe_transaction: tx }, setup, times);
  const foreign = { ...expired, setup: '00'.repeat(32), expires_at: new Date(Date.now() + dayMs).toISOString() };
  custodians.write('expired', expired);
  custodians.write('foreign', foreign);
  expect(codeOf(await custodians.sign('ada', 'expired', requestDigest(expired)))).toBe('cold-request-expired');
  expect(codeOf(await custodians.sign('ada', 'foreign', requestDigest(foreign)))).toBe('cold-setup-differs');
  expect(() => custodians.read('expired.ada')).toThrow('ENOENT');
  expect(JSON.parse(custodians.read('ada/register.json'))).not.toMatchObject({
    entries: expect.arrayContaining([expect.objectContaining({ request: requestDigest(expired) })]) as unknown,
  });
});
