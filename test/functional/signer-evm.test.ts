import { secp256k1 } from '@noble/curves/secp256k1.js';
import { hexToBytes } from '@noble/hashes/utils.js';
import { safeTransactionHash } from '@holdfast/core/chains/evm/safe-transaction.ts';
import type { AuthorizedIntent } from '@holdfast/core/signing/intent.ts';
import type { SignEvmRequest } from '@holdfast/core/signing/messages.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { refusedByAll, signEvm } from '../support/signer-rounds.ts';
import {
  alice,
  bob,
  evmRequest,
  registry,
  safe,
  startStage,
  usdc,
  usdcAsset,
  withdrawal,
  type SignerStage,
} from '../support/signer-stage.ts';
import type { SignerProcess } from '../support/signers.ts';

let stage: SignerStage;
let signers: readonly SignerProcess[];

/** Every test signs at a nonce of its own. */
function nextNonce(): bigint {
  stage.node.safeNonce += 1n;
  return stage.node.safeNonce;
}

const one = () => [withdrawal()];

describe.each([
  ['software', false],
  ['an HSM', true],
])('with its owner key in %s', (_, hsm) => {
  beforeAll(async () => {
    stage = await startStage({ hsm });
    signers = stage.cluster.signers;
  });
  afterAll(async () => stage?.stop());

  test('each signer signs an honest batch with its owner key', async () => {
    const request = evmRequest(
      [withdrawal(), withdrawal({ asset: usdcAsset, destination: bob, amount: '7' })],
      nextNonce(),
    );
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

  test.each<[string, string, () => [AuthorizedIntent[], (request: SignEvmRequest) => SignEvmRequest]]>([
    [
      'swaps the recipient',
      'payment-mismatch',
      () => [one(), (r) => ({ ...r, safe_transaction: { ...r.safe_transaction, to: bob } })],
    ],
    [
      'raises the amount',
      'payment-mismatch',
      () => [one(), (r) => ({ ...r, safe_transaction: { ...r.safe_transaction, value: '1001' } })],
    ],
    [
      'pays ether instead of the token',
      'payment-mismatch',
      () => [
        [withdrawal({ asset: usdcAsset })],
        (r) => ({ ...r, safe_transaction: { ...r.safe_transaction, to: alice, value: '1000', data: '0x' } }),
      ],
    ],
    [
      'adds a payment',
      'output-unaccounted',
      () => [[...one(), ...one()], (r) => ({ ...r, intents: r.intents.slice(0, 1) })],
    ],
    [
      'leaves a payment out',
      'payment-missing',
      () => [one(), (r) => ({ ...r, intents: [...r.intents, withdrawal()] })],
    ],
    [
      'calls another contract',
      'contract-not-allowed',
      () => [one(), (r) => ({ ...r, safe_transaction: { ...r.safe_transaction, data: '0xa9059cbb' } })],
    ],
    [
      'delegates to another contract',
      'contract-not-allowed',
      () => [one(), (r) => ({ ...r, safe_transaction: { ...r.safe_transaction, operation: 1 } })],
    ],
    [
      'skips a nonce',
      'nonce-mismatch',
      () => [
        one(),
        (r) => ({ ...r, safe_transaction: { ...r.safe_transaction, nonce: String(stage.node.safeNonce + 1n) } }),
      ],
    ],
    [
      'uses a nonce again',
      'nonce-mismatch',
      () => [
        one(),
        (r) => ({ ...r, safe_transaction: { ...r.safe_transaction, nonce: String(stage.node.safeNonce - 1n) } }),
      ],
    ],
    [
      'brings an expired intent',
      'intent-expired',
      () => [[withdrawal({ expires_at: '2020-01-01T00:00:00.000Z' })], (r) => r],
    ],
    [
      'signs evidence with another key',
      'authorization-invalid',
      () => [[withdrawal({}, new Uint8Array(32).fill(1))], (r) => r],
    ],
    ['names a key that is not pinned', 'authorization-invalid', () => [[withdrawal({}, undefined, 'other')], (r) => r]],
    ['goes above the limit of a payment', 'limit-exceeded', () => [[withdrawal({ amount: '1000001' })], (r) => r]],
    ['pays the vault', 'destination-refused', () => [[withdrawal({ destination: safe })], (r) => r]],
    ['pays the registry', 'destination-refused', () => [[withdrawal({ destination: registry })], (r) => r]],
    ['pays a token contract', 'destination-refused', () => [[withdrawal({ destination: usdc })], (r) => r]],
    [
      'brings a bad destination',
      'invalid-address',
      () => [one(), (r) => ({ ...r, intents: [withdrawal({ destination: `${alice}00` })] })],
    ],
    [
      'brings an intent of another network',
      'network-mismatch',
      () => [one(), (r) => ({ ...r, intents: [withdrawal({ network: 'eip155:1' })] })],
    ],
    [
      'brings one intent twice',
      'payment-mismatch',
      () => [one(), (r) => ({ ...r, intents: [...r.intents, ...r.intents] })],
    ],
  ])('every signer refuses a server that %s', async (_name, code, make) => {
    const nonce = nextNonce();
    const [intents, change] = make();
    await refusedByAll(stage, signEvm(change(evmRequest(intents, nonce))), code);
  });

  test('a paid withdrawal is refused at another nonce, by a restarted signer too', async () => {
    const intents = [withdrawal()];
    const paid = await Promise.all(signers.map(signEvm(evmRequest(intents, nextNonce()))));
    const replay = signEvm(evmRequest(intents, nextNonce()));
    await refusedByAll(stage, replay, 'already-paid-by', new RegExp(paid[0]?.safe_tx_hash ?? ''));
    const [first] = signers as [SignerProcess];
    await first.stop('SIGKILL');
    await first.start();
    await expect(replay(first)).rejects.toMatchObject({ code: 'already-paid-by' });
  });

  test('a withdrawal left out of the batch that used its nonce is signed again once that is final, not before', async () => {
    const intents = [withdrawal()];
    const nonce = nextNonce();
    const [dropped] = await Promise.all(signers.map(signEvm(evmRequest(intents, nonce))));
    const [rival] = await Promise.all(signers.map(signEvm(evmRequest([withdrawal({ amount: '999' })], nonce))));
    stage.node.height += 1;
    stage.node.executions.push({ height: stage.node.height, safeTxHash: rival?.safe_tx_hash ?? '' });
    const again = evmRequest(intents, nextNonce());
    await refusedByAll(stage, signEvm(again), 'already-paid-by', new RegExp(dropped?.safe_tx_hash ?? ''));
    stage.node.height += 64;
    // A node that has lost logs proves nothing.
    const [lost] = stage.node.executions.splice(0);
    await refusedByAll(stage, signEvm(again), 'already-paid-by');
    if (lost) stage.node.executions.push(lost);
    await Promise.all(signers.map(signEvm(again)));
    const third = evmRequest(intents, nextNonce());
    await refusedByAll(stage, signEvm(third), 'already-paid-by');
  });

  test('a withdrawal whose own transaction used the nonce is never signed again', async () => {
    const intents = [withdrawal()];
    const [paid] = await Promise.all(signers.map(signEvm(evmRequest(intents, nextNonce()))));
    stage.node.height += 1;
    stage.node.executions.push({ height: stage.node.height, safeTxHash: paid?.safe_tx_hash ?? '' });
    stage.node.height += 64;
    await refusedByAll(stage, signEvm(evmRequest(intents, nextNonce())), 'already-paid-by');
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
    await refusedByAll(stage, signEvm(request), 'node-unavailable');
    stage.node.down = false;
    await signEvm(request)(signers[0] as SignerProcess);
  });
});
