import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseBitcoinAddress } from '@holdfast/core/chains/bitcoin/address.ts';
import { deriveMultisigAddress } from '@holdfast/core/chains/bitcoin/multisig.ts';
import { buildBatch } from '@holdfast/core/chains/bitcoin/build.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { BitcoinNetworkPolicy } from '@holdfast/core/policy/policy.ts';
import type { SignBitcoinRequest } from '@holdfast/core/signing/messages.ts';
import type { DigestSigner } from '@holdfast/signer/keys/digest-signer.ts';
import { ownerKey } from '@holdfast/signer/keys/owner-key.ts';
import { createRpc } from '@holdfast/signer/nodes/json-rpc.ts';
import { createMultisigWallet, type MultisigWallet } from '@holdfast/signer/wallets/multisig-wallet.ts';
import { networkView } from '@holdfast/signer/wallets/network-view.ts';
import { hexToBytes } from '@noble/hashes/utils.js';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openLoneSigner, type LoneSigner } from '../support/lone-signer.ts';
import { multisigOf } from '../support/multisig-stage.ts';
import {
  alice,
  aliceBitcoin,
  bitcoinNetwork,
  bitcoinWithdrawal,
  params,
  stagePolicy,
} from '../support/signer-stage.ts';
import { startStubNode, type StubNode } from '../support/stub-nodes.ts';

/** One signer's wallet in this process, whose key fails when a test says so. */
const keys = [1, 2, 3].map((byte) => ownerKey(new Uint8Array(32).fill(byte)));
const owner = keys[0]!;
const named = multisigOf(keys.map(({ publicKey }) => Buffer.from(publicKey).toString('hex')));
const policy = stagePolicy([alice], {
  policy: (changed) => ((changed.networks[1] as BitcoinNetworkPolicy).wallet = named),
});
const address = deriveMultisigAddress({ ...named, chainCode: hexToBytes(named.chain_code) }, [1, 0], params);
let folder: string;
let lone: LoneSigner;
let node: StubNode;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-multisig-'));
  lone = await openLoneSigner(folder);
  node = await startStubNode();
});
afterEach(async () => {
  await Promise.all([lone.close(), node.stop()]);
  rmSync(folder, { recursive: true });
});

const walletWith = (sign: DigestSigner['sign']): MultisigWallet =>
  createMultisigWallet(
    bitcoinNetwork,
    { ...owner, sign },
    keys.map((key) => key.address),
    node.urls.map((url) => createRpc(url, 5_000)),
    lone.deps(policy),
  );

const coin = () => ({ ...node.addCoin({ amountSats: 60_000n, script: address.script }), amountSats: 60_000n });

/** Two coins of the wallet to one withdrawal. */
function request(): SignBitcoinRequest {
  const coins = [coin(), coin()];
  const intent = bitcoinWithdrawal({ destination: aliceBitcoin, amount: '100000' });
  const built = buildBatch({
    coins: coins.map((one) => ({ ...one, witnessBytes: address.witnessBytes })),
    payouts: [{ script: '0014751e76e8199196d454941c45d1b3a323f1433bd6', amountSats: 100_000n }],
    changeScript: address.script,
    feeRateSatVb: 5,
  });
  const change = built.changeOutput === null ? [] : [{ output: built.changeOutput, index: 0 }];
  return {
    network: bitcoinNetwork,
    raw_tx: built.rawTx,
    input_paths: [
      [1, 0],
      [1, 0],
    ],
    change,
    intents: [intent],
  };
}

const recorded = (): string[] =>
  readFileSync(join(folder, 'journal.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { kind: string }).kind)
    .filter((kind) => kind === 'accepted' || kind === 'signed');

test('an HSM that fails at the second input leaves no record of a signature, and the same bytes are signed later', async () => {
  let signed = 0;
  const failing = walletWith(async (digest) => {
    signed += 1;
    if (signed === 2) throw new Failure('hsm-unavailable', 'the token is gone');
    return owner.sign(digest);
  });
  const asked = request();
  await expect(failing.sign(asked)).rejects.toMatchObject({ code: 'hsm-unavailable' });
  expect(recorded()).toEqual(['accepted']);
  expect((await failing.sign(asked)).signatures).toHaveLength(2);
  expect(recorded()).toEqual(['accepted', 'signed']);
  // Again, as after a lost answer: nothing is charged or recorded twice.
  await failing.sign(asked);
  expect(recorded()).toEqual(['accepted', 'signed']);
});

test('acceptance is on the disk before the key is asked', async () => {
  let before: string[] = [];
  const wallet = walletWith(async (digest) => {
    before = recorded();
    return owner.sign(digest);
  });
  await wallet.sign(request());
  expect(before).toEqual(['accepted']);
});

test.each<Partial<SignBitcoinRequest>>([{ epoch: 1 }, { epoch: 2 }, { sweep: 2 }, { epoch: 2, sweep: 1 }])(
  'keys of an epoch, and a sweep to one, are another kind of wallet’s: %j',
  async (named) => {
    const wallet = walletWith(owner.sign);
    const asked = { ...request(), ...named };
    await expect(wallet.sign(asked)).rejects.toMatchObject({ code: 'invalid-request' });
    const by = { policy, nowMs: lone.journal.nowMs(), isFact: true } as const;
    await expect(wallet.judge(asked, by)).rejects.toMatchObject({ code: 'invalid-request' });
    expect(recorded()).toEqual([]);
  },
);

const halt = async (): Promise<void> => {
  const scope = { network: null, asset: null };
  const statement = { version: 1, kind: 'halt', scope, reason: 'drill', nonce: 'nonce-0001' } as const;
  const body = { digest: 'ab'.repeat(32), statement, by: 'signer-1', evidence: null };
  await lone.journal.append({ kind: 'halt', body });
};

test('what an HSM has signed does not leave when a halt came meanwhile', async () => {
  const wallet = walletWith(async (digest) => {
    if (lone.journal.state.halts.size === 0) await halt();
    return owner.sign(digest);
  });
  await expect(wallet.sign(request())).rejects.toMatchObject({ code: 'halted' });
  expect(recorded()).toEqual(['accepted']);
});

test('a halted signer signs an evacuation to the policy’s cold address, and to no other', async () => {
  await halt();
  const wallet = walletWith(owner.sign);
  const [cold = ''] = (policy.networks[1] as BitcoinNetworkPolicy).cold_addresses;
  const evacuation = (script: string): SignBitcoinRequest => {
    const built = buildBatch({ coins: [coin()], payouts: [], changeScript: script, feeRateSatVb: 5 });
    const asked = { network: bitcoinNetwork, raw_tx: built.rawTx, intents: [], evacuation: true as const };
    return { ...asked, input_paths: [[1, 0]], change: [] };
  };
  const sealed = parseBitcoinAddress(cold, params).script;
  expect((await wallet.sign(evacuation(sealed))).signatures).toHaveLength(1);
  // Its own change address is not sealed.
  await expect(wallet.sign(evacuation(address.script))).rejects.toMatchObject({ code: 'evacuation-refused' });
});

test('a spend of the wallet’s own coins is seen before any change was made', async () => {
  const { transcripts } = lone.deps(policy);
  const endpoints = node.urls.map((url) => createRpc(url, 5_000));
  const { state } = lone.journal;
  const view = networkView(bitcoinNetwork, endpoints, { policy: () => policy, state, transcripts });
  const txid = node.addSpend(coin());
  expect(await view.outflows(node.height - 12, await view.tip())).toContain(txid);
});
