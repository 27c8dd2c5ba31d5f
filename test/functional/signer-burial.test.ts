import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ed25519 } from '@noble/curves/ed25519.js';
import type { AuthorizedIntent } from '@holdfast/core/signing/intent.ts';
import type { SignEvmRequest } from '@holdfast/core/signing/messages.ts';
import type { EvmNetwork } from '@holdfast/signer/config.ts';
import { createJournalFile, openJournal, type Journal } from '@holdfast/signer/journal/journal.ts';
import { createOwnerSecret, ownerKey } from '@holdfast/signer/keys/owner-key.ts';
import { createRpc } from '@holdfast/signer/nodes/json-rpc.ts';
import { createEvmWallet, type EvmWallet } from '@holdfast/signer/wallets/evm-wallet.ts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  ethAsset,
  evmNetwork,
  evmRequest,
  factory,
  integratorSecret,
  multiSend,
  registry,
  safe,
  withdrawal,
} from '../support/signer-stage.ts';
import { startStubNode, type StubNode } from '../support/stub-nodes.ts';

/** One signer's wallets in this process: the same Safe address on two networks. */
const otherNetwork = 'eip155:31338';
const otherAsset = `${otherNetwork}/slip44:60`;
const owner = ownerKey(createOwnerSecret());
const refused = { code: 'already-paid-by' };
let folder: string;
let journal: Journal;
let node: StubNode;
let otherNode: StubNode;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-burial-'));
  const path = join(folder, 'journal.jsonl');
  createJournalFile(path, 'signer-1', Date.now());
  journal = await openJournal(path, Date.now, () => performance.now());
  [node, otherNode] = await Promise.all([startStubNode(), startStubNode()]);
  otherNode.chainId = 31_338n;
  for (const one of [node, otherNode]) Object.assign(one, { owners: [owner.address, safe, registry], safeNonce: 5n });
});
afterEach(async () => {
  await Promise.all([journal.close(), node.stop(), otherNode.stop()]);
  rmSync(folder, { recursive: true });
});

function wallet(
  change: Partial<EvmNetwork> = {},
  chain = node,
  endpoints = 2,
  burial: Pick<EvmNetwork, 'burial_endpoints_min'> = { burial_endpoints_min: 2 },
): EvmWallet {
  const network = change.network ?? evmNetwork;
  const config: EvmNetwork = {
    network,
    family: 'evm',
    rpc_urls: [...chain.urls],
    safe,
    multi_send: multiSend,
    forwarder_factory: factory,
    forwarder_init_code_hash: '77'.repeat(32),
    registry,
    ...burial,
    assets: [
      { asset: `${network}/slip44:60`, contract: null, per_transaction_max: '1000000', per_day_max: '1000000000' },
    ],
    ...change,
  };
  const rpcs = chain.urls.slice(0, endpoints).map((url) => createRpc(url, 5_000));
  const keys = new Map([['exchange', ed25519.getPublicKey(integratorSecret)]]);
  return createEvmWallet(config, owner, rpcs, { journal, keys, clock: Date.now, expiryAheadMsMax: 86_400_000 });
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

  test('not on the word of one endpoint, nor of two where three are wanted, which is the default', async () => {
    executeAnother();
    await expect(wallet({}, node, 1).sign(request(intents))).rejects.toMatchObject(refused);
    await expect(wallet({}, node, 2, {}).sign(request(intents))).rejects.toMatchObject(refused);
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

test.each(['1.3.0', '1.4.1', '1.5.1', ''])('signs for no Safe of version %j', async (version) => {
  node.version = version;
  await expect(wallet().sign(request([withdrawal()]))).rejects.toMatchObject({ code: 'chain-mismatch' });
  node.version = '1.5.0';
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
