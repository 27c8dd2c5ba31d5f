import { inspectBitcoinTransaction } from '@holdfast/core/chains/bitcoin/inspect.ts';
import type { NonceCommitment } from '@holdfast/core/signing/messages.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { commit, refusedByAll, signBitcoin } from '../support/signer-rounds.ts';
import {
  bitcoinNetwork,
  bitcoinRequest,
  bitcoinWithdrawal,
  customer,
  evmNetwork,
  startStage,
  type SignerStage,
  type StageCoin,
} from '../support/signer-stage.ts';
import type { SignerProcess } from '../support/signers.ts';

let stage: SignerStage;
let signers: readonly SignerProcess[];

beforeAll(async () => {
  stage = await startStage();
  signers = stage.cluster.signers;
});
afterAll(async () => stage?.stop());

/** Every test pays with a coin of its own. */
let nextIndex = 10;
function coin(amountSats = 200_000n): StageCoin {
  nextIndex += 1;
  return stage.addCoin([0, nextIndex], amountSats);
}

test.each([[[0, 1]], [[1, 2]], [[0, 2]], [[0, 1, 2]]])(
  'signers %j sign two inputs on both branches, and the signatures verify',
  async (quorum) => {
    const coins = [coin(), stage.addCoin([1, nextIndex], 80_000n)];
    const request = bitcoinRequest(stage, coins, [bitcoinWithdrawal(), bitcoinWithdrawal({ amount: '60000' })], {
      changeIndex: nextIndex,
    });
    const signatures = await signBitcoin(
      stage,
      request,
      quorum.map((at) => signers[at] as SignerProcess),
    );
    expect(signatures).toHaveLength(2);
  },
);

test('of racing transactions for one withdrawal a signer accepts exactly one', async () => {
  const [first] = signers as [SignerProcess];
  for (let round = 0; round < 5; round += 1) {
    const intents = [bitcoinWithdrawal()];
    const racing = [coin(), coin(), coin()].map(async (one) => commit(bitcoinRequest(stage, [one], intents))(first));
    const outcomes = await Promise.allSettled(racing);
    const refusals = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
    expect(refusals).toEqual([
      expect.objectContaining({ code: 'already-paid-by' }),
      expect.objectContaining({ code: 'already-paid-by' }),
    ]);
  }
});

test('one signer down, the other two sign; two down, nobody does', async () => {
  const [first, second, third] = signers as [SignerProcess, SignerProcess, SignerProcess];
  await third.stop('SIGKILL');
  const request = bitcoinRequest(stage, [coin()], [bitcoinWithdrawal()]);
  await signBitcoin(stage, request, [first, second]);
  await expect(signBitcoin(stage, request, [first, third])).rejects.toMatchObject({ code: 'signers-unavailable' });
  await third.start();
  await signBitcoin(stage, request, [first, third]);
});

test('a restart in the middle of a session ends the session; the same bytes are signed in a new one', async () => {
  const [first, second] = signers as [SignerProcess, SignerProcess];
  const request = bitcoinRequest(stage, [coin()], [bitcoinWithdrawal()]);
  const sessions = await Promise.all([first, second].map(commit(request)));
  await second.stop('SIGKILL');
  await second.start();
  const lists = [sessions.map((session) => session.commitments[0] as NonceCommitment)];
  const share = second.client.call('/v1/sign/bitcoin/share', {
    session: sessions[1]?.session ?? '',
    commitments: lists,
  });
  await expect(share).rejects.toMatchObject({ code: 'session-unknown' });
  await signBitcoin(stage, request, [first, second]);
});

test('a session gives one share, and none for commitments that were changed', async () => {
  const [first, second] = signers as [SignerProcess, SignerProcess];
  const request = bitcoinRequest(stage, [coin()], [bitcoinWithdrawal()]);
  const ask = async (change: (mine: NonceCommitment, theirs: NonceCommitment) => NonceCommitment[]) => {
    const [a, b] = await Promise.all([first, second].map(commit(request)));
    const list = change(a?.commitments[0] as NonceCommitment, b?.commitments[0] as NonceCommitment);
    const call = async () =>
      first.client.call('/v1/sign/bitcoin/share', { session: a?.session ?? '', commitments: [list] });
    return [await call().catch((error: unknown) => error), await call().catch((error: unknown) => error)];
  };
  const invalid = expect.objectContaining({ code: 'commitments-invalid' });
  const spent = expect.objectContaining({ code: 'session-unknown' });
  expect(await ask((mine, theirs) => [mine, theirs])).toEqual([{ shares: [expect.any(String)] }, spent]);
  expect(await ask((mine, theirs) => [{ ...mine, hiding: theirs.hiding }, theirs])).toEqual([invalid, spent]);
  expect(await ask((_mine, theirs) => [theirs, theirs])).toEqual([invalid, spent]);
  expect(await ask((mine) => [mine, mine])).toEqual([invalid, spent]);
  expect(await ask((mine, theirs) => [mine, { ...theirs, identifier: `${'0'.repeat(63)}9` }])).toEqual([
    invalid,
    spent,
  ]);
  expect(await ask((mine, theirs) => [mine, { ...theirs, hiding: `02${'f'.repeat(64)}` }])).toEqual([invalid, spent]);
});

test('a paid withdrawal is refused with other coins and replaced with the same', async () => {
  const intents = [bitcoinWithdrawal()];
  const spent = coin();
  const request = bitcoinRequest(stage, [spent], intents);
  const { txid } = inspectBitcoinTransaction(request.raw_tx);
  await Promise.all(signers.map(commit(request)));
  await refusedByAll(stage, commit(bitcoinRequest(stage, [coin()], intents)), 'already-paid-by', new RegExp(txid));
  await signBitcoin(stage, bitcoinRequest(stage, [spent, coin()], intents, { feeRateSatVb: 20 }), signers.slice(0, 2));
});

describe('addresses', () => {
  test('every signer derives the same address, and an index stays its customer’s', async () => {
    const other = 'cus_01890000-0000-7000-8000-000000000002';
    for (const network of [evmNetwork, bitcoinNetwork]) {
      const ask = (who: string, index: number) => async (signer: SignerProcess) =>
        signer.client.call('/v1/address', { network, customer: who, index });
      const answers = await Promise.all(signers.map(ask(customer, 1)));
      expect(new Set(answers.map(({ address }) => address)).size).toBe(1);
      await refusedByAll(stage, ask(other, 1), 'address-index-taken');
      expect(await Promise.all(signers.map(ask(customer, 1)))).toEqual(answers);
      const second = await Promise.all(signers.map(ask(other, 2)));
      expect(second[0]?.address).not.toBe(answers[0]?.address);
    }
    expect((await addressOf(signers[0] as SignerProcess, 1)).address).toBe(stage.derive([0, 1]).address);
  });

  test('no signer binds an index far above the highest so far', async () => {
    const far = async (signer: SignerProcess) => addressOf(signer, 50_000);
    await refusedByAll(stage, far, 'invalid-request');
  });

  test('no signer pays an address that it handed out', async () => {
    const { address } = await addressOf(signers[0] as SignerProcess, 1);
    const request = commit(bitcoinRequest(stage, [coin()], [bitcoinWithdrawal({ destination: address })]));
    await expect(request(signers[0] as SignerProcess)).rejects.toMatchObject({ code: 'destination-refused' });
  });
});

async function addressOf(signer: SignerProcess, index: number): Promise<{ address: string }> {
  return signer.client.call('/v1/address', { network: bitcoinNetwork, customer, index });
}
