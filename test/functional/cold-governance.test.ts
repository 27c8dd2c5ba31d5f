import { buildRequest, buildSafeGovernance } from '@holdfast/core/cold/build-request.ts';
import type { GovernanceDraft } from '@holdfast/core/cold/draft.ts';
import type { CalledKind } from '@holdfast/core/cold/governance-calls.ts';
import { requestDigest } from '@holdfast/core/cold/request.ts';
import type { ColdSetup } from '@holdfast/core/cold/setup.ts';
import { addressOfKey, devnetKeys } from '@holdfast/devnet/evm/accounts.ts';
import type { EvmDeployment } from '@holdfast/devnet/evm/deploy-vault.ts';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import { sendAndWait } from '@holdfast/devnet/evm/send-transaction.ts';
import { type AnvilNode, startAnvil } from '@holdfast/devnet/evm/start-anvil.ts';
import { addr } from 'micro-eth-signer';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { deployTestVault, ownerKeys, safeNonce } from '../support/anvil.ts';
import { codeOf, type Custodians, type CustodianName, startCustodians } from '../support/custodians.ts';

const network = 'eip155:31337';
/** vault() of the registry, limitOf(address) of the guard, isOwner(address) of the Safe. */
const selectors = { vault: '0xfbfa77cf', limitOf: '0x546a2ca4', isOwner: '0x2f54bf6e' } as const;
/** Of the time lock, seconds. */
const delayS = 5;

let custodians: Custodians;
let setup: ColdSetup;
let anvil: AnvilNode;
let vault: EvmDeployment;

beforeAll(async () => {
  [custodians, anvil] = await Promise.all([startCustodians(), startAnvil()]);
  vault = await deployTestVault(anvil.url, {
    coldThreshold: 3,
    governanceOwners: custodians.cards.map(({ evm }) => evm),
    governanceDelayS: delayS,
  });
  setup = await custodians.holdCeremony({
    bitcoin: null,
    evm: [
      {
        network,
        coin: 'ETH',
        cold_safe: vault.governanceSafe,
        hot_safe: vault.safe,
        tokens: [{ contract: vault.usdt, code: 'USDT', decimals: 6 }],
        contracts: [
          { kind: 'timelock', address: vault.timelock },
          { kind: 'vault-registry', address: vault.registry },
          { kind: 'vault-guard', address: vault.guard },
        ],
      },
    ],
  });
});
afterAll(async () => {
  await anvil?.stop();
  custodians?.end();
});

/** A call without effect; its answer as 0x hex. */
function ask(contract: string, selector: string, argument = ''): Promise<string> {
  const data =
    selector +
    argument
      .replace('0x', '')
      .toLowerCase()
      .padStart(argument === '' ? 0 : 64, '0');
  return rpcCall<string>(anvil.url, 'eth_call', [{ to: contract, data }, 'latest']);
}
const vaultNow = async (): Promise<string> => `0x${(await ask(vault.registry, selectors.vault)).slice(-40)}`;

const salt = '5a'.repeat(32);
/** A call that the time lock is to make, in the custodians' words. */
const scheduled = async (contract: CalledKind, name: string, ...values: string[]) => ({
  network,
  nonce: (await safeNonce(anvil.url, vault.governanceSafe)).toString(),
  call: { contract, name, values },
  timelock: { action: 'schedule' as const, delay_s: String(delayS), salt },
});
const draftOf = (name: string, ...values: string[]) => scheduled('vault-registry', name, ...values);

/** Signed by a quorum and sent by somebody who holds no key of the Safe. */
async function carryOut(name: string, digest: string, quorum: readonly CustodianName[]): Promise<void> {
  const finished = await custodians.finish(name, digest, quorum);
  if (finished.family !== 'evm') throw new Error('not of EVM');
  await sendAndWait({ rpcUrl: anvil.url, key: devnetKeys.spare, to: finished.to, data: finished.data });
}

const devnetVault = (seed: number): string => addressOfKey(`0x${String(seed).padStart(64, '9')}`);

const newVault = addressOfKey(devnetKeys.faucet);

/** Anybody executes what has waited for the delay. */
async function whenItIsTime(draft: GovernanceDraft): Promise<void> {
  const [evm] = setup.evm;
  if (!evm || draft.timelock?.action !== 'schedule') throw new Error('not a scheduled call');
  const { to, data } = buildSafeGovernance({ ...draft, timelock: { action: 'execute', salt } }, evm);
  const execute = () => sendAndWait({ rpcUrl: anvil.url, key: devnetKeys.spare, to, data });
  await expect(execute()).rejects.toThrow('revert');
  await rpcCall(anvil.url, 'evm_increaseTime', [delayS + 1]);
  await execute();
}

test('a governance change by three custodians of five takes effect on the chain after the delay', async () => {
  const draft = await draftOf('setVault', newVault);
  const digest = await custodians.request('governance', 'set-vault', draft);
  const shown = await custodians.offline('show', custodians.path('set-vault'), '--keys', custodians.path('dee'));
  const { lines } = JSON.parse(shown.out) as { lines: [string, string][] };
  expect(lines.find(([label]) => label === 'effect')?.[1]).toContain(newVault);
  await carryOut('set-vault', digest, ['ben', 'cyd', 'dee']);
  expect((await vaultNow()).toLowerCase()).toBe(vault.safe.toLowerCase());
  await whenItIsTime(draft);
  expect((await vaultNow()).toLowerCase()).toBe(newVault.toLowerCase());
});

test('the guard’s limits and the hot Safe’s owners are changed by governance', async () => {
  const limit = await scheduled('vault-guard', 'setLimit', vault.usdt, '7000000', '3');
  await carryOut('limit', await custodians.request('governance', 'limit', limit), ['ada', 'ben', 'cyd']);
  await whenItIsTime(limit);
  const words = (await ask(vault.guard, selectors.limitOf, vault.usdt)).slice(2);
  expect([BigInt(`0x${words.slice(0, 64)}`), BigInt(`0x${words.slice(64)}`)]).toEqual([7_000_000n, 3n]);

  const [gone, came] = [addressOfKey(ownerKeys[0]!), devnetVault(3)];
  // The deployment added the owners one by one at the head of the list, after the first.
  const before = `0x${'1'.padStart(40, '0')}`;
  const previous = (await ask(vault.safe, '0xa0e67e2b')).slice(2).match(/.{64}/g)!.slice(2);
  const at = previous.indexOf(gone.slice(2).toLowerCase().padStart(64, '0'));
  const prevOwner = at === 0 ? before : addr.addChecksum(`0x${previous[at - 1]!.slice(24)}`);
  const swap = await scheduled('hot-safe', 'swapOwner', prevOwner, gone, came);
  await carryOut('swap', await custodians.request('governance', 'swap', swap), ['ada', 'dee', 'eve']);
  await whenItIsTime(swap);
  expect(BigInt(await ask(vault.safe, selectors.isOwner, came))).toBe(1n);
  expect(BigInt(await ask(vault.safe, selectors.isOwner, gone))).toBe(0n);
});

test('an aborted change gives its nonce to another, and never counts after that', async () => {
  const before = await vaultNow();
  const first = await custodians.request('governance', 'first', await draftOf('setVault', devnetVault(1)));
  const quorum = ['ada', 'ben', 'cyd'] as const;
  const kept = await custodians.finish('first', first, quorum);
  const back = await draftOf('setVault', vault.safe);
  const second = await custodians.request('governance', 'second', back);
  expect(codeOf(await custodians.sign('ada', 'second', second))).toBe('cold-already-signed');
  const aborted = await Promise.all(
    quorum.map((name) => custodians.offline('abort', first, '--keys', custodians.path(name))),
  );
  expect(aborted.map(({ code }) => code)).toEqual([0, 0, 0]);
  expect(await vaultNow()).toBe(before);
  await carryOut('second', second, quorum);
  await whenItIsTime(back);
  expect((await vaultNow()).toLowerCase()).toBe(vault.safe.toLowerCase());
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
