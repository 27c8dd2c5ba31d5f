import { inspectBitcoinTransaction } from '@holdfast/core/chains/bitcoin/inspect.ts';
import { sortedMultisig } from '@holdfast/core/chains/bitcoin/multisig.ts';
import { multisigWitness, withWitnesses } from '@holdfast/core/chains/bitcoin/witness.ts';
import type { SignBitcoinRequest, SignerResponse } from '@holdfast/core/signing/messages.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startBitcoinDevnet, type BitcoinDevnet } from '../support/bitcoind.ts';
import { multisigRequest, startMultisigStage, type MultisigStage, type OwnCoin } from '../support/multisig-stage.ts';
import { aliceBitcoin, bitcoinNetwork, bitcoinWithdrawal, customer } from '../support/signer-stage.ts';
import type { SignerProcess } from '../support/signers.ts';

let devnet: BitcoinDevnet;
let stage: MultisigStage;
let signers: readonly SignerProcess[];

const sign =
  (request: SignBitcoinRequest) =>
  async (signer: SignerProcess): Promise<SignerResponse<'/v1/sign/bitcoin/multisig'>> =>
    signer.client.call('/v1/sign/bitcoin/multisig', request);

async function refusedByAll(request: SignBitcoinRequest, code: string, message = /./): Promise<void> {
  for (const signer of signers) {
    const refusal = { code, message: expect.stringMatching(message) };
    await expect(sign(request)(signer), signer.id).rejects.toMatchObject(refusal);
  }
}

beforeAll(async () => {
  devnet = await startBitcoinDevnet();
});
afterAll(async () => devnet?.stop());

describe.each([
  ['software', false],
  ['HSMs', true],
])('a 2-of-3 wallet with its keys in %s', (_, hsm) => {
  beforeAll(async () => {
    stage = await startMultisigStage(devnet, hsm);
    signers = stage.cluster.signers;
  });
  afterAll(async () => stage?.stop());

  const accepted = async (raw: string) => {
    const [verdict] = await devnet.nodes[0].rpc<{ allowed: boolean; vsize: number; 'reject-reason'?: string }[]>(
      'testmempoolaccept',
      [[raw]],
    );
    return verdict;
  };

  test('pays a withdrawal from a deposit and a coin of its own, and bitcoind takes it', async () => {
    const coins = [await stage.fund([0, 7], 150_000n), await stage.fund([1, 0], 80_000n)];
    const { request, prevouts, vsize } = multisigRequest(stage.wallet, coins, [
      bitcoinWithdrawal({ amount: '200000' }),
    ]);
    const { raw, txid } = await stage.wallet.sign(request, prevouts);
    const verdict = await accepted(raw);
    expect(verdict).toMatchObject({ allowed: true });
    // A signature is a byte shorter half of the times.
    expect(vsize - (verdict?.vsize ?? 0)).toBeGreaterThanOrEqual(0);
    expect(vsize - (verdict?.vsize ?? 0)).toBeLessThanOrEqual(1);
    expect(await devnet.nodes[0].rpc('sendrawtransaction', [raw])).toBe(txid);
    await devnet.miners[0].mine(1);
    const vout = inspectBitcoinTransaction(request.raw_tx).outputs.findIndex(
      ({ amountSats }) => amountSats === 200_000n,
    );
    const paid = await devnet.nodes[0].rpc('gettxout', [txid, vout, false]);
    expect(paid).toMatchObject({ confirmations: 1, scriptPubKey: { address: aliceBitcoin } });
  });

  test('the signatures of one signer pay nothing, and any two pay', async () => {
    const coin = await stage.fund([1, 0], 90_000n);
    const { request } = multisigRequest(stage.wallet, [coin], [bitcoinWithdrawal()]);
    const answers = await Promise.all(signers.map(sign(request)));
    expect(answers.map(({ key }) => key)).toEqual(signers.map(({ card }) => card.owner_key));
    const script = sortedMultisig(
      2,
      answers.map(({ key }) => key),
    );
    const inOrder = answers.toSorted((a, b) => (a.key < b.key ? -1 : 1)).map(({ signatures }) => signatures[0]!);
    const [first, second, third] = inOrder as [string, string, string];
    const raw = (signatures: string[]): string => withWitnesses(request.raw_tx, [multisigWitness(script, signatures)]);
    for (const pair of [
      [first, second],
      [first, third],
      [second, third],
    ])
      expect(await accepted(raw(pair))).toMatchObject({ allowed: true });
    // Not twice the same, and not in another order than that of the keys.
    for (const pair of [
      [first, first],
      [second, first],
    ])
      expect(await accepted(raw(pair))).toMatchObject({ allowed: false });
  });

  describe('every signer refuses a server that', () => {
    let coin: OwnCoin;
    beforeAll(async () => {
      coin = await stage.fund([0, 3], 120_000n);
    });
    const honest = (options: Parameters<typeof multisigRequest>[3] = {}): SignBitcoinRequest =>
      multisigRequest(stage.wallet, [coin], [bitcoinWithdrawal()], options).request;
    const stranger = `0014${'ab'.repeat(20)}`;

    test.each<[string, string, () => SignBitcoinRequest]>([
      [
        'swaps the amount',
        'payment-mismatch',
        () => ({ ...honest(), intents: [bitcoinWithdrawal({ amount: '49999' })] }),
      ],
      ['sends the change elsewhere', 'change-not-ours', () => honest({ changeScript: stranger })],
      [
        'hides it behind no change at all',
        'output-unaccounted',
        () => ({ ...honest({ changeScript: stranger }), change: [] }),
      ],
      [
        'sends the change to the FROST path’s script',
        'change-not-ours',
        () => honest({ changeScript: `5120${'ab'.repeat(32)}` }),
      ],
      ['names another path of the coin', 'input-not-ours', () => ({ ...honest(), input_paths: [[0, 4]] })],
      ['spends a coin that is not there', 'input-not-ours', () => withOtherCoin(honest())],
      ['claims a larger coin', 'transaction-malformed', () => claim(coin, 500_000n)],
      ['burns the change as a fee', 'fee-too-high', () => honest({ feeRateSatVb: 400 })],
      [
        'pays the wallet itself',
        'destination-refused',
        () => {
          const { address } = stage.wallet.derive([1, 0]);
          return multisigRequest(stage.wallet, [coin], [bitcoinWithdrawal({ destination: address })]).request;
        },
      ],
      [
        'brings an expired intent',
        'intent-expired',
        () =>
          multisigRequest(stage.wallet, [coin], [bitcoinWithdrawal({ expires_at: '2020-01-01T00:00:00.000Z' })])
            .request,
      ],
    ])('%s', async (_name, code, make) => {
      await refusedByAll(make(), code);
    });

    test('asks for a FROST signature of it', async () => {
      for (const { client } of signers) {
        await expect(client.call('/v1/sign/bitcoin/commit', honest())).rejects.toMatchObject({
          code: 'invalid-request',
          message: expect.stringContaining('wsh-sortedmulti'),
        });
      }
    });
  });

  /** The inputs are worth less than the outputs say. */
  const claim = (coin: OwnCoin, amountSats: bigint): SignBitcoinRequest =>
    multisigRequest(stage.wallet, [{ ...coin, amountSats }], [bitcoinWithdrawal({ amount: '400000' })]).request;

  test('a withdrawal is paid once: other coins are refused, the same bytes and a replacement are not, also after a kill', async () => {
    const [spent, other] = [await stage.fund([0, 11], 150_000n), await stage.fund([1, 0], 150_000n)];
    const intents = [bitcoinWithdrawal()];
    const { request, prevouts } = multisigRequest(stage.wallet, [spent], intents);
    await stage.wallet.sign(request, prevouts);
    await refusedByAll(multisigRequest(stage.wallet, [other], intents).request, 'already-paid-by');
    await signers[0]!.stop('SIGKILL');
    await signers[0]!.start();
    await refusedByAll(multisigRequest(stage.wallet, [other], intents).request, 'already-paid-by');
    await stage.wallet.sign(request, prevouts);
    const dearer = multisigRequest(stage.wallet, [spent], intents, { feeRateSatVb: 20 });
    const { raw } = await stage.wallet.sign(dearer.request, dearer.prevouts);
    expect(await accepted(raw)).toMatchObject({ allowed: true });
  });

  test('no FROST key is made beside it', async () => {
    for (const { client } of signers) expect((await client.call('/v1/status', {})).frost_wallets).toEqual([]);
  });

  test('every signer vouches for the same deposit address, of which each customer has another', async () => {
    const ask = async (index: number) =>
      Promise.all(
        signers.map(async ({ client }) => client.call('/v1/address', { network: bitcoinNetwork, customer, index })),
      );
    const [first, second] = [await ask(1), await ask(2)];
    expect(new Set(first.map(({ address }) => address))).toEqual(new Set([stage.wallet.derive([0, 1]).address]));
    expect(second[0]?.address).toBe(stage.wallet.derive([0, 2]).address);
    expect(second[0]?.address).not.toBe(first[0]?.address);
  });
});

function withOtherCoin(request: SignBitcoinRequest): SignBitcoinRequest {
  // Version and input count come before the txid.
  return { ...request, raw_tx: `${request.raw_tx.slice(0, 10)}${'ee'.repeat(32)}${request.raw_tx.slice(74)}` };
}
