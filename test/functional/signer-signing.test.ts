import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { hexToBytes } from '@noble/hashes/utils.js';
import { inspectBitcoinTransaction } from '@holdfast/core/chains/bitcoin/inspect.ts';
import { taprootSighashes } from '@holdfast/core/chains/bitcoin/sighash.ts';
import { safeTransactionHash } from '@holdfast/core/chains/evm/safe-transaction.ts';
import type { AuthorizedIntent } from '@holdfast/core/signing/intent.ts';
import type { NonceCommitment, SignBitcoinRequest, SignEvmRequest } from '@holdfast/core/signing/messages.ts';
import { aggregateInputs } from '@holdfast/server/signers/aggregate.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  alice,
  aliceBitcoin,
  bitcoinNetwork,
  bitcoinRequest,
  bitcoinWithdrawal,
  bob,
  btcAsset,
  customer,
  ethAsset,
  evmNetwork,
  evmRequest,
  registry,
  safe,
  startStage,
  usdc,
  usdcAsset,
  withdrawal,
  type SignerStage,
  type StageCoin,
} from '../support/signer-stage.ts';
import type { SignerProcess } from '../support/signers.ts';

let stage: SignerStage;
let signers: readonly SignerProcess[];
/** Every test pays with its own coin and, on EVM, at its own nonce. */
let nextIndex = 10;

beforeAll(async () => {
  stage = await startStage();
  signers = stage.cluster.signers;
});
afterAll(async () => stage?.stop());

function coin(amountSats = 200_000n): StageCoin {
  nextIndex += 1;
  return stage.addCoin([0, nextIndex], amountSats);
}

function nextNonce(): bigint {
  stage.node.safeNonce += 1n;
  return stage.node.safeNonce;
}

async function refusedByAll(ask: (signer: SignerProcess) => Promise<unknown>, code: string, message = /./): Promise<void> {
  for (const signer of signers) {
    await expect(ask(signer), signer.id).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  }
}

const signEvm = (request: SignEvmRequest) => async (signer: SignerProcess) => signer.client.call('/v1/sign/evm', request);
const commit = (request: SignBitcoinRequest) => async (signer: SignerProcess) => signer.client.call('/v1/sign/bitcoin/commit', request);

/** Both rounds with the given signers, aggregated and verified as the server does it. */
async function signBitcoin(request: SignBitcoinRequest, quorum: readonly SignerProcess[]): Promise<Uint8Array[]> {
  const sessions = await Promise.all(quorum.map(commit(request)));
  const lists = request.input_paths.map((_, at) => sessions.map((session) => session.commitments[at] as NonceCommitment));
  const shares = await Promise.all(
    quorum.map((signer, at) =>
      signer.client.call('/v1/sign/bitcoin/share', { session: sessions[at]?.session ?? '', commitments: lists }),
    ),
  );
  return aggregate(request, lists, sessions.map((session, at) => ({ identifier: session.commitments[0]?.identifier ?? '', shares: shares[at]?.shares ?? [] })));
}

function aggregate(
  request: SignBitcoinRequest,
  lists: NonceCommitment[][],
  shares: { identifier: string; shares: string[] }[],
): Uint8Array[] {
  const tx = inspectBitcoinTransaction(request.raw_tx);
  const prevouts = tx.inputs.map(({ txid, vout }) => stage.node.coins.get(`${txid}:${vout}`) as { script: string; amountSats: bigint });
  const sighashes = taprootSighashes(request.raw_tx, prevouts);
  const inputs = request.input_paths.map((path, at) => ({ sighash: sighashes[at] as Uint8Array, tweak: stage.derive(path).tweak }));
  return aggregateInputs(stage.wallet, inputs, lists, shares, 2, 3);
}

describe('EVM', () => {
  test('each signer signs an honest batch with its owner key', async () => {
    const request = evmRequest([withdrawal(), withdrawal({ asset: usdcAsset, destination: bob, amount: '7' })], nextNonce());
    const hash = safeTransactionHash({ chainId: 31_337n, safe, tx: request.safe_transaction });
    for (const signer of signers) {
      const answer = await signEvm(request)(signer);
      const signature = hexToBytes(answer.signature);
      const recovered = Uint8Array.of((signature[64] ?? 0) - 27, ...signature.subarray(0, 64));
      const publicKey = secp256k1.recoverPublicKey(recovered, hash, { prehash: false });
      expect(answer.owner).toBe(signer.card.owner_address);
      expect(secp256k1.verify(signature.subarray(0, 64), hash, publicKey, { prehash: false, lowS: true })).toBe(true);
      expect(answer.safe_tx_hash).toBe(Buffer.from(hash).toString('hex'));
    }
  });

  const one = () => [withdrawal()];
  test.each<[string, string, () => [AuthorizedIntent[], (request: SignEvmRequest) => SignEvmRequest]]>([
    ['swaps the recipient', 'payment-mismatch', () => [one(), (r) => ({ ...r, safe_transaction: { ...r.safe_transaction, to: bob } })]],
    ['raises the amount', 'payment-mismatch', () => [one(), (r) => ({ ...r, safe_transaction: { ...r.safe_transaction, value: '1001' } })]],
    [
      'pays ether instead of the token',
      'payment-mismatch',
      () => [[withdrawal({ asset: usdcAsset })], (r) => ({ ...r, safe_transaction: { ...r.safe_transaction, to: alice, value: '1000', data: '0x' } })],
    ],
    ['adds a payment', 'output-unaccounted', () => [[...one(), ...one()], (r) => ({ ...r, intents: r.intents.slice(0, 1) })]],
    ['leaves a payment out', 'payment-missing', () => [one(), (r) => ({ ...r, intents: [...r.intents, withdrawal()] })]],
    ['calls another contract', 'contract-not-allowed', () => [one(), (r) => ({ ...r, safe_transaction: { ...r.safe_transaction, data: '0xa9059cbb' } })]],
    ['delegates to another contract', 'contract-not-allowed', () => [one(), (r) => ({ ...r, safe_transaction: { ...r.safe_transaction, operation: 1 } })]],
    ['skips a nonce', 'nonce-mismatch', () => [one(), (r) => ({ ...r, safe_transaction: { ...r.safe_transaction, nonce: String(stage.node.safeNonce + 1n) } })]],
    ['uses a nonce again', 'nonce-mismatch', () => [one(), (r) => ({ ...r, safe_transaction: { ...r.safe_transaction, nonce: String(stage.node.safeNonce - 1n) } })]],
    ['brings an expired intent', 'intent-expired', () => [[withdrawal({ expires_at: '2020-01-01T00:00:00.000Z' })], (r) => r]],
    ['signs evidence with another key', 'authorization-invalid', () => [[withdrawal({}, new Uint8Array(32).fill(1))], (r) => r]],
    ['names a key that is not pinned', 'authorization-invalid', () => [[withdrawal({}, undefined, 'other')], (r) => r]],
    ['goes above the limit of a payment', 'limit-exceeded', () => [[withdrawal({ amount: '1000001' })], (r) => r]],
    ['pays the vault', 'destination-refused', () => [[withdrawal({ destination: safe })], (r) => r]],
    ['pays the registry', 'destination-refused', () => [[withdrawal({ destination: registry })], (r) => r]],
    ['pays a token contract', 'destination-refused', () => [[withdrawal({ destination: usdc })], (r) => r]],
    ['brings a bad destination', 'invalid-address', () => [one(), (r) => ({ ...r, intents: [withdrawal({ destination: `${alice}00` })] })]],
    ['brings an intent of another network', 'network-mismatch', () => [one(), (r) => ({ ...r, intents: [withdrawal({ network: 'eip155:1' })] })]],
    ['brings one intent twice', 'payment-mismatch', () => [one(), (r) => ({ ...r, intents: [...r.intents, ...r.intents] })]],
  ])('every signer refuses a server that %s', async (_name, code, make) => {
    const nonce = nextNonce();
    const [intents, change] = make();
    await refusedByAll(signEvm(change(evmRequest(intents, nonce))), code);
  });

  test('a paid withdrawal is refused at another nonce, by a restarted signer too', async () => {
    const intents = [withdrawal()];
    const paid = await Promise.all(signers.map(signEvm(evmRequest(intents, nextNonce()))));
    const replay = signEvm(evmRequest(intents, nextNonce()));
    await refusedByAll(replay, 'already-paid-by', new RegExp(paid[0]?.safe_tx_hash ?? ''));
    const [first] = signers as [SignerProcess];
    await first.stop('SIGKILL');
    await first.start();
    await expect(replay(first)).rejects.toMatchObject({ code: 'already-paid-by' });
  });

  test('at the same nonce a batch may be built again without one of its payments', async () => {
    const keeps = withdrawal();
    const nonce = nextNonce();
    await Promise.all(signers.map(signEvm(evmRequest([keeps, withdrawal()], nonce))));
    await Promise.all(signers.map(signEvm(evmRequest([keeps], nonce))));
  });

  test('a node that is down stops the signer until it is back', async () => {
    const request = evmRequest([withdrawal()], nextNonce());
    stage.node.down = true;
    await refusedByAll(signEvm(request), 'node-unavailable');
    stage.node.down = false;
    await signEvm(request)(signers[0] as SignerProcess);
  });
});

describe('Bitcoin', () => {
  test.each([[[0, 1]], [[1, 2]], [[0, 2]], [[0, 1, 2]]])('signers %j sign two inputs on both branches, and the signatures verify', async (quorum) => {
    const coins = [coin(), stage.addCoin([1, nextIndex], 80_000n)];
    const request = bitcoinRequest(stage, coins, [bitcoinWithdrawal(), bitcoinWithdrawal({ amount: '60000' })], { changeIndex: nextIndex });
    const signatures = await signBitcoin(request, quorum.map((at) => signers[at] as SignerProcess));
    expect(signatures).toHaveLength(2);
  });

  test('of racing transactions for one withdrawal a signer accepts exactly one', async () => {
    const [first] = signers as [SignerProcess];
    for (let round = 0; round < 5; round += 1) {
      const intents = [bitcoinWithdrawal()];
      const racing = [coin(), coin(), coin()].map(async (one) => commit(bitcoinRequest(stage, [one], intents))(first));
      const outcomes = await Promise.allSettled(racing);
      const refusals = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
      expect(refusals).toEqual([expect.objectContaining({ code: 'already-paid-by' }), expect.objectContaining({ code: 'already-paid-by' })]);
    }
  });

  test('one signer down, the other two sign; two down, nobody does', async () => {
    const [first, second, third] = signers as [SignerProcess, SignerProcess, SignerProcess];
    await third.stop('SIGKILL');
    const request = bitcoinRequest(stage, [coin()], [bitcoinWithdrawal()]);
    await signBitcoin(request, [first, second]);
    await expect(signBitcoin(request, [first, third])).rejects.toMatchObject({ code: 'signers-unavailable' });
    await third.start();
    await signBitcoin(request, [first, third]);
  });

  test('a restart in the middle of a session ends the session; the same bytes are signed in a new one', async () => {
    const [first, second] = signers as [SignerProcess, SignerProcess];
    const request = bitcoinRequest(stage, [coin()], [bitcoinWithdrawal()]);
    const sessions = await Promise.all([first, second].map(commit(request)));
    await second.stop('SIGKILL');
    await second.start();
    const lists = [sessions.map((session) => session.commitments[0] as NonceCommitment)];
    const share = second.client.call('/v1/sign/bitcoin/share', { session: sessions[1]?.session ?? '', commitments: lists });
    await expect(share).rejects.toMatchObject({ code: 'session-unknown' });
    await signBitcoin(request, [first, second]);
  });

  test('a session gives one share, and none for commitments that were changed', async () => {
    const [first, second] = signers as [SignerProcess, SignerProcess];
    const request = bitcoinRequest(stage, [coin()], [bitcoinWithdrawal()]);
    const ask = async (change: (mine: NonceCommitment, theirs: NonceCommitment) => NonceCommitment[]) => {
      const [a, b] = await Promise.all([first, second].map(commit(request)));
      const list = change(a?.commitments[0] as NonceCommitment, b?.commitments[0] as NonceCommitment);
      const call = async () => first.client.call('/v1/sign/bitcoin/share', { session: a?.session ?? '', commitments: [list] });
      return [await call().catch((error: unknown) => error), await call().catch((error: unknown) => error)];
    };
    const invalid = expect.objectContaining({ code: 'commitments-invalid' });
    const spent = expect.objectContaining({ code: 'session-unknown' });
    expect(await ask((mine, theirs) => [mine, theirs])).toEqual([{ shares: [expect.any(String)] }, spent]);
    expect(await ask((mine, theirs) => [{ ...mine, hiding: theirs.hiding }, theirs])).toEqual([invalid, spent]);
    expect(await ask((_mine, theirs) => [theirs, theirs])).toEqual([invalid, spent]);
    expect(await ask((mine) => [mine, mine])).toEqual([invalid, spent]);
    expect(await ask((mine, theirs) => [mine, { ...theirs, identifier: `${'0'.repeat(63)}9` }])).toEqual([invalid, spent]);
    expect(await ask((mine, theirs) => [mine, { ...theirs, hiding: `02${'f'.repeat(64)}` }])).toEqual([invalid, spent]);
  });

  test.each<[string, string, () => SignBitcoinRequest]>([
    ['swaps an output', 'payment-mismatch', () => swapIntents(bitcoinRequest(stage, [coin()], [bitcoinWithdrawal({ destination: otherAddress() })]), [bitcoinWithdrawal()])],
    ['changes an amount', 'payment-mismatch', () => swapIntents(bitcoinRequest(stage, [coin()], [bitcoinWithdrawal({ amount: '50001' })]), [bitcoinWithdrawal()])],
    ['adds an output', 'output-unaccounted', () => dropLastIntent(bitcoinRequest(stage, [coin()], [bitcoinWithdrawal(), bitcoinWithdrawal({ destination: otherAddress() })]))],
    ['leaves a payment out', 'payment-missing', () => addIntent(bitcoinRequest(stage, [coin()], [bitcoinWithdrawal()]))],
    ['raises the fee rate', 'fee-too-high', () => bitcoinRequest(stage, [coin()], [bitcoinWithdrawal()], { feeRateSatVb: 101 })],
    ['burns the change as a fee', 'fee-too-high', () => bitcoinRequest(stage, [coin()], [bitcoinWithdrawal()], { feeRateSatVb: 900 })],
    ['changes the change address', 'change-not-ours', () => bitcoinRequest(stage, [coin()], [bitcoinWithdrawal()], { changeScript: `0014${'ab'.repeat(20)}` })],
    ['names another change index', 'change-not-ours', () => rename(bitcoinRequest(stage, [coin()], [bitcoinWithdrawal()]))],
    ['hides a stranger’s output behind the change', 'output-unaccounted', () => ({ ...bitcoinRequest(stage, [coin()], [bitcoinWithdrawal()], { changeScript: `0014${'ab'.repeat(20)}` }), change: [] })],
    ['spends an unknown coin', 'input-not-ours', () => bitcoinRequest(stage, [{ ...coin(), txid: 'ee'.repeat(32) }], [bitcoinWithdrawal()])],
    ['spends a coin of another path', 'input-not-ours', () => ({ ...bitcoinRequest(stage, [coin()], [bitcoinWithdrawal()]), input_paths: [[0, 3]] })],
    ['spends an unconfirmed coin', 'input-not-ours', () => bitcoinRequest(stage, [confirmations(coin(), 0)], [bitcoinWithdrawal()])],
    ['brings an expired intent', 'intent-expired', () => bitcoinRequest(stage, [coin()], [bitcoinWithdrawal({ expires_at: '2020-01-01T00:00:00.000Z' })])],
    ['brings evidence of another key', 'authorization-invalid', () => bitcoinRequest(stage, [coin()], [forged()])],
    ['cuts a byte off', 'transaction-malformed', () => cutByte(bitcoinRequest(stage, [coin()], [bitcoinWithdrawal()]))],
    ['sets a lock time above the tip', 'transaction-malformed', () => lockTime(bitcoinRequest(stage, [coin()], [bitcoinWithdrawal()]))],
    ['makes it irreplaceable', 'transaction-malformed', () => irreplaceable(bitcoinRequest(stage, [coin()], [bitcoinWithdrawal()]))],
  ])('every signer refuses a server that %s', async (_name, code, make) => {
    await refusedByAll(commit(make()), code);
  });

  test('a paid withdrawal is refused with other coins and replaced with the same', async () => {
    const intents = [bitcoinWithdrawal()];
    const spent = coin();
    const request = bitcoinRequest(stage, [spent], intents);
    const { txid } = inspectBitcoinTransaction(request.raw_tx);
    await Promise.all(signers.map(commit(request)));
    await refusedByAll(commit(bitcoinRequest(stage, [coin()], intents)), 'already-paid-by', new RegExp(txid));
    await signBitcoin(bitcoinRequest(stage, [spent, coin()], intents, { feeRateSatVb: 20 }), signers.slice(0, 2));
  });
});

describe('addresses', () => {
  test('every signer derives the same address, and an index stays its customer’s', async () => {
    const other = 'cus_01890000-0000-7000-8000-000000000002';
    for (const network of [evmNetwork, bitcoinNetwork]) {
      const ask = (who: string, index: number) => async (signer: SignerProcess) => signer.client.call('/v1/address', { network, customer: who, index });
      const answers = await Promise.all(signers.map(ask(customer, 1)));
      expect(new Set(answers.map(({ address }) => address)).size).toBe(1);
      await refusedByAll(ask(other, 1), 'address-index-taken');
      expect(await Promise.all(signers.map(ask(customer, 1)))).toEqual(answers);
      const second = await Promise.all(signers.map(ask(other, 2)));
      expect(second[0]?.address).not.toBe(answers[0]?.address);
    }
    expect((await addressOf(signers[0] as SignerProcess, 1)).address).toBe(stage.derive([0, 1]).address);
  });

  test('no signer pays an address that it handed out', async () => {
    const { address } = await addressOf(signers[0] as SignerProcess, 1);
    const request = commit(bitcoinRequest(stage, [coin()], [bitcoinWithdrawal({ destination: address })]));
    await expect(request(signers[0] as SignerProcess)).rejects.toMatchObject({ code: 'destination-refused' });
  });
});

test('logs and journals hold no secret, and refusals are journalled', () => {
  for (const signer of signers) {
    const journal = readFileSync(join(signer.dataDir, 'journal.jsonl'), 'utf8');
    expect(journal).toContain('"code":"fee-too-high"');
    for (const text of [journal, JSON.stringify(signer.log)]) expect(text).not.toMatch(/PRIVATE|correct horse|signing_share/);
  }
});

async function addressOf(signer: SignerProcess, index: number): Promise<{ address: string }> {
  return signer.client.call('/v1/address', { network: bitcoinNetwork, customer, index });
}

function otherAddress(): string {
  return '2N9hLwkSqr1cPQAPxbrGVUjxyjD11G2e1he';
}

function swapIntents(request: SignBitcoinRequest, intents: AuthorizedIntent[]): SignBitcoinRequest {
  return { ...request, intents };
}

function dropLastIntent(request: SignBitcoinRequest): SignBitcoinRequest {
  return { ...request, intents: request.intents.slice(0, -1) };
}

function addIntent(request: SignBitcoinRequest): SignBitcoinRequest {
  return { ...request, intents: [...request.intents, bitcoinWithdrawal({ amount: '123', asset: btcAsset, destination: aliceBitcoin })] };
}

function rename(request: SignBitcoinRequest): SignBitcoinRequest {
  return { ...request, change: request.change.map((change) => ({ ...change, index: 99 })) };
}

function forged(): AuthorizedIntent {
  const { intent } = bitcoinWithdrawal();
  return { intent, authorization: withdrawal({ asset: ethAsset }).authorization };
}

function confirmations(found: StageCoin, count: number): StageCoin {
  const key = `${found.txid}:${found.vout}`;
  const known = stage.node.coins.get(key);
  if (known) stage.node.coins.set(key, { ...known, confirmations: count });
  return found;
}

function cutByte(request: SignBitcoinRequest): SignBitcoinRequest {
  return { ...request, raw_tx: request.raw_tx.slice(0, -2) };
}

function lockTime(request: SignBitcoinRequest): SignBitcoinRequest {
  return { ...request, raw_tx: `${request.raw_tx.slice(0, -8)}c9000000` };
}

function irreplaceable(request: SignBitcoinRequest): SignBitcoinRequest {
  return { ...request, raw_tx: request.raw_tx.replace('fdffffff', 'ffffffff') };
}
