import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Failure } from '@holdfast/core/failure.ts';
import type { BitcoinNetworkPolicy, EvmNetworkPolicy } from '@holdfast/core/policy/policy.ts';
import type { AuthorizedIntent } from '@holdfast/core/signing/intent.ts';
import type { SignEvmRequest } from '@holdfast/core/signing/messages.ts';
import { createOwnerSecret, ownerKey } from '@holdfast/signer/keys/owner-key.ts';
import { createRpc } from '@holdfast/signer/nodes/json-rpc.ts';
import { createEvmWallet, type EvmWallet } from '@holdfast/signer/wallets/evm-wallet.ts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type LoneSigner, openLoneSigner } from '../support/lone-signer.ts';
import {
  alice,
  ethAsset,
  evmNetwork,
  evmRequest,
  multiSend,
  registry,
  safe,
  stagePolicy,
  withdrawal,
} from '../support/signer-stage.ts';
import { startStubNode, type StubNode } from '../support/stub-nodes.ts';

/** One signer's wallets in this process: the same Safe address on two networks. */
const otherNetwork = 'eip155:31338';
const otherAsset = `${otherNetwork}/slip44:60`;
const owner = ownerKey(createOwnerSecret());
const refused = { code: 'already-paid-by' };
const owners = [owner.address, alice, registry];
let folder: string;
let lone: LoneSigner;
let journal: LoneSigner['journal'];
let node: StubNode;
let otherNode: StubNode;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-burial-'));
  lone = await openLoneSigner(folder);
  journal = lone.journal;
  [node, otherNode] = await Promise.all([startStubNode(), startStubNode()]);
  otherNode.chainId = 31_338n;
  for (const one of [node, otherNode]) Object.assign(one, { owners, safeNonce: 5n });
});
afterEach(async () => {
  await Promise.all([lone.close(), node.stop(), otherNode.stop()]);
  rmSync(folder, { recursive: true });
});

function wallet(change: Partial<EvmNetworkPolicy> = {}, chain = node, endpoints = 2, key = owner): EvmWallet {
  const network = change.network ?? evmNetwork;
  const policy = stagePolicy(owners);
  const [evm, bitcoin] = policy.networks as [EvmNetworkPolicy, BitcoinNetworkPolicy];
  const assets = evm.assets.slice(0, 1).map((asset) => ({ ...asset, asset: `${network}/slip44:60` }));
  policy.networks = [{ ...evm, assets, ...change }, bitcoin];
  const rpcs = chain.urls.slice(0, endpoints).map((url) => createRpc(url, 5_000));
  return createEvmWallet(network, key, rpcs, lone.deps(policy));
}

/** Another transaction takes the Safe's nonce, and the block of it becomes final. */
function executeAnother(chain = node, log: object = {}): void {
  chain.height += 1;
  chain.executions.push({ height: chain.height, safeTxHash: 'ee'.repeat(32), log });
  chain.height += 64;
  chain.safeNonce += 1n;
}

const request = (intents: AuthorizedIntent[], chain = node) => evmRequest(intents, chain.safeNonce);
const buried = () => journal.state.buried.size;

describe('an owner key that takes its time, as one in an HSM', () => {
  const asked = () => request([withdrawal()]);
  const signedBy = async (sign: typeof owner.sign, what = asked()) =>
    wallet({}, node, 2, { ...owner, sign }).sign(what);

  test('a halt that comes while it signs holds the signature back', async () => {
    const signing = signedBy(async (hash) => {
      const scope = { network: null, asset: null };
      const statement = { version: 1, kind: 'halt', scope, reason: 'drill', nonce: 'nonce-0001' } as const;
      await journal.append({
        kind: 'halt',
        body: { digest: 'aa'.repeat(32), statement, by: 'signer-2', evidence: null },
      });
      return owner.sign(hash);
    });
    await expect(signing).rejects.toMatchObject({ code: 'halted' });
    expect(journal.state.signed.size).toBe(0);
  });

  test('an intent that expires while it signs holds the signature back', async () => {
    const expiresAt = new Date(Date.now() + 2_000).toISOString();
    const signing = signedBy(
      async (hash) => {
        await expect.poll(() => journal.nowMs(), { timeout: 5_000 }).toBeGreaterThanOrEqual(Date.parse(expiresAt));
        return owner.sign(hash);
      },
      request([withdrawal({ expires_at: expiresAt })]),
    );
    await expect(signing).rejects.toMatchObject({ code: 'intent-expired' });
    expect(journal.state.signed.size).toBe(0);
  });

  test('one that fails leaves no record of a signature, and the same transaction is signed later', async () => {
    const same = asked();
    const failing = signedBy(async () => {
      throw new Failure('hsm-unavailable', 'the HSM could not sign: CKR_DEVICE_REMOVED');
    }, same);
    await expect(failing).rejects.toMatchObject({ code: 'hsm-unavailable' });
    expect(journal.state.signed.size).toBe(0);
    await expect(wallet().sign(same)).resolves.toMatchObject({ owner: owner.address });
    expect(journal.state.signed.size).toBe(1);
  });
});

describe('two networks, one Safe address', () => {
  test('what was signed on one network is not judged by the nodes of the other', async () => {
    const intents = [withdrawal({ network: otherNetwork, asset: otherAsset })];
    const onOther = (): SignEvmRequest => ({ ...request(intents, otherNode), network: otherNetwork });
    await wallet({ network: otherNetwork }, otherNode).sign(onOther());
    // Here the nonce went to another transaction; there it is still to be executed.
    executeAnother();
    const asked = node.asked.length;
    await expect(wallet().sign(request(intents))).rejects.toMatchObject({ code: 'network-mismatch' });
    expect(node.asked).toHaveLength(asked);
    expect(buried()).toBe(0);
    otherNode.safeNonce += 1n;
    await expect(wallet({ network: otherNetwork }, otherNode).sign(onOther())).rejects.toMatchObject(refused);
  });

  test('a nonce of one network is another conflict than the same nonce of the other', async () => {
    await wallet().sign(request([withdrawal()]));
    const intents = [withdrawal({ network: otherNetwork, asset: otherAsset })];
    await wallet({ network: otherNetwork }, otherNode).sign({ ...request(intents, otherNode), network: otherNetwork });
    const keys = [...journal.state.transactions.values()].flatMap((one) => [...one.conflictKeys]);
    expect(new Set(keys).size).toBe(2);
  });
});

describe('an earlier transaction counts as dead', () => {
  const intents = [withdrawal()];
  beforeEach(async () => void (await wallet().sign(request(intents))));

  test('when two endpoints agree', async () => {
    executeAnother();
    await wallet().sign(request(intents));
    expect(buried()).toBe(1);
    expect(readFileSync(join(folder, 'journal.jsonl'), 'utf8')).toContain('"kind":"buried"');
  });

  test('not on the word of one endpoint, nor of two where three are wanted', async () => {
    executeAnother();
    await expect(wallet({}, node, 1).sign(request(intents))).rejects.toMatchObject(refused);
    await expect(wallet({ burial_endpoints_min: 3 }).sign(request(intents))).rejects.toMatchObject(refused);
    expect(buried()).toBe(0);
  });

  test('not when one of two endpoints lies', async () => {
    const [paid] = [...journal.state.transactions.values()];
    executeAnother();
    node.executions[0] = { height: node.executions[0]?.height ?? 0, safeTxHash: paid?.txid ?? '' };
    const lie = {
      address: safe,
      blockNumber: '0xc9',
      topics: ['0x442e715f626346e8c54381002da614f62bee8d27386535b2521ec8540898556e', `0x${'ee'.repeat(32)}`],
    };
    node.lie = (method, truth) => (method === 'eth_getLogs' ? [lie] : truth);
    await expect(wallet().sign(request(intents))).rejects.toMatchObject(refused);
    expect(buried()).toBe(0);
  });

  const success = '0x442e715f626346e8c54381002da614f62bee8d27386535b2521ec8540898556e';
  test.each<[string, object]>([
    ['has the hash unindexed, as up to Safe 1.3.0', { topics: [success] }],
    ['has a topic too many', { topics: [success, `0x${'ee'.repeat(32)}`, `0x${'00'.repeat(32)}`] }],
    ['has a short hash', { topics: [success, '0xee'] }],
    ['is of another event', { topics: [`0x${'11'.repeat(32)}`, `0x${'ee'.repeat(32)}`] }],
    ['is of another contract', { address: registry }],
    ['was removed', { removed: true }],
    ['is of a block that was not asked for', { blockNumber: '0x1' }],
    ['has no block', { blockNumber: null }],
  ])('not by a log that %s', async (_name, log) => {
    executeAnother(node, log);
    await expect(wallet().sign(request(intents))).rejects.toMatchObject(refused);
    expect(buried()).toBe(0);
  });

  test('not before the node calls the block final, however deep it lies', async () => {
    executeAnother();
    node.finalized = 200;
    await expect(wallet().sign(request(intents))).rejects.toMatchObject(refused);
    node.finalized = 201;
    await wallet().sign(request(intents));
  });
});

test.each<[string, Partial<StubNode>]>([
  ['another singleton', { singleton: registry }],
  ['a guard', { guard: registry }],
  ['a fallback handler', { handler: registry }],
  ['a module', { modules: [registry] }],
  ['a module guard', { moduleGuard: registry }],
  ['a lower threshold', { threshold: 1n }],
  ['another owner', { owners: [owner.address, alice, safe] }],
  ['an owner more', { owners: [...owners, multiSend] }],
])('signs for no Safe that has %s', async (_name, change) => {
  const before = { ...node };
  node.height += 1;
  Object.assign(node, change);
  await expect(wallet().sign(request([withdrawal()]))).rejects.toMatchObject({ code: 'chain-mismatch' });
  node.height += 1;
  Object.assign(node, { ...before, height: node.height });
  await wallet().sign(request([withdrawal()]));
});

test('asks no node before the evidence holds', async () => {
  const forged = withdrawal({}, new Uint8Array(32).fill(1));
  await expect(wallet().sign(request([forged]))).rejects.toMatchObject({ code: 'authorization-invalid' });
  await expect(wallet().sign(request([withdrawal({ asset: otherAsset })]))).rejects.toMatchObject({
    code: 'unknown-asset',
  });
  expect(node.asked).toEqual([]);
  await wallet().sign(request([withdrawal({ asset: ethAsset })]));
  expect(node.asked).not.toEqual([]);
});
