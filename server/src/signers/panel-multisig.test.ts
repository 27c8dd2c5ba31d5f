import { Failure } from '@holdfast/core/failure.ts';
import type { SignBitcoinRequest, SignerResponse } from '@holdfast/core/signing/messages.ts';
import { QuorumRefusal } from '@holdfast/core/withdrawals/quorum-refusal.ts';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { describe, expect, test } from 'vitest';
import { signerPanel, type SignerClient } from './panel.ts';

type Answer = SignerResponse<'/v1/sign/bitcoin/multisig'>;

const network = 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328';
const request: SignBitcoinRequest = { network, raw_tx: '00', input_paths: [[0, 0]], change: [], intents: [] };
const sighashes = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
const secretOf = (at: number): Uint8Array => new Uint8Array(32).fill(at + 1);
const keyOf = (at: number): string => bytesToHex(secp256k1.getPublicKey(secretOf(at), true));
const wallet = { keys: [0, 1, 2].map(keyOf), sighashes };
const { Fn } = secp256k1.Point;

function answerOf(at: number, hashes = sighashes): Answer {
  const sign = (hash: Uint8Array): string => bytesToHex(secp256k1.sign(hash, secretOf(at), { prehash: false }));
  return { key: keyOf(at), signatures: hashes.map(sign) };
}

/** Three signers, of which the first to be asked answers otherwise. */
function panelOf(spoilt: (() => Answer) | undefined, others: (at: number) => Answer = answerOf) {
  const clients = [0, 1, 2].map((at): SignerClient => {
    const answer = async (): Promise<never> => (at === 1 && spoilt ? spoilt() : others(at)) as never;
    return { id: `signer-${at + 1}`, identifier: at + 1, call: answer };
  });
  return signerPanel(clients, 2, new Map());
}

const highS = (signature: string): string => {
  const { r, s } = secp256k1.Signature.fromBytes(hexToBytes(signature), 'compact');
  return new secp256k1.Signature(r, Fn.neg(s)).toHex('compact');
};

test('is made of two signers’ signatures of every input', async () => {
  expect((await panelOf(undefined).signMultisig(request, wallet)).map(({ key }) => key)).toEqual([keyOf(1), keyOf(2)]);
});

describe('a third signer stands in for one that answers with', () => {
  test.each<[string, () => Answer]>([
    ['a stranger’s signatures', () => answerOf(8)],
    ['a stranger’s signatures under a key of the wallet', () => ({ ...answerOf(8), key: keyOf(1) })],
    ['signatures of other bytes', () => answerOf(1, [sighashes[0]!, new Uint8Array(32).fill(9)])],
    ['too few signatures', () => answerOf(1, sighashes.slice(1))],
    ['too many signatures', () => answerOf(1, [...sighashes, new Uint8Array(32)])],
    ['a high s, which no node relays', () => ({ ...answerOf(1), signatures: answerOf(1).signatures.map(highS) })],
    ['zeros', () => ({ key: keyOf(1), signatures: sighashes.map(() => '00'.repeat(64)) })],
    [
      'that it is away',
      () => {
        throw new Failure('hsm-unavailable', 'x');
      },
    ],
  ])('%s', async (_, answer) => {
    const signed = await panelOf(answer).signMultisig(request, wallet);
    expect(signed.map(({ key }) => key)).toEqual([keyOf(2), keyOf(0)]);
  });
});

test('the same key from two signers is one signature', async () => {
  const panel = panelOf(undefined, () => answerOf(1));
  await expect(panel.signMultisig(request, wallet)).rejects.toMatchObject({ code: 'signers-unavailable' });
});

test('two that refuse are a verdict, two that are away are not', async () => {
  const says = async (code: 'limit-exceeded' | 'hsm-unavailable') =>
    panelOf(undefined, () => {
      throw new Failure(code, 'x');
    })
      .signMultisig(request, wallet)
      .catch((error: unknown) => error);
  expect(await says('limit-exceeded')).toBeInstanceOf(QuorumRefusal);
  expect(await says('hsm-unavailable')).toMatchObject({ code: 'signers-unavailable' });
});
