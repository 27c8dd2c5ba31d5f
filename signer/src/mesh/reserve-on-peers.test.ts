import { Failure } from '@holdfast/core/failure.ts';
import type { ErrorCode } from '@holdfast/core/contract/error-codes.ts';
import type { SigningRequest } from '@holdfast/core/signing/messages.ts';
import { nobleVerifiers as verifiers } from '@holdfast/core/signing/noble-verifiers.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import { expect, test } from 'vitest';
import { createStatementSecret, statementKey } from '../keys/statement-key.ts';
import type { CallPeer } from '../transport/peer-client.ts';
import { reserveOnPeers } from './reserve-on-peers.ts';

const signer = 'signer-1';
const request: SigningRequest = {
  family: 'evm',
  body: {
    network: 'eip155:1',
    safe_transaction: { to: `0x${'11'.repeat(20)}`, value: '1', data: '0x', operation: 0, nonce: '0' },
    intents: [],
  },
};

/** A journal that grows by one record at every look. */
function growing() {
  let seq = 0;
  return { head: () => ({ seq: (seq += 1), hash: 'aa'.repeat(32), atMs: 0 }), flushed: async () => undefined };
}

type Answer = 'yes' | 'forged' | ErrorCode;

/** @param answers one a call, the last again and again. */
function peer(name: string, ...answers: Answer[]) {
  const key = statementKey(createStatementSecret());
  const heads: number[] = [];
  const call = async (_: string, body: { head: { seq: number; hash: string } }) => {
    heads.push(body.head.seq);
    await new Promise((resolve) => setTimeout(resolve, heads.length % 3));
    const answer = (answers.length > 1 ? answers.shift() : answers[0]) ?? 'yes';
    if (answer !== 'yes' && answer !== 'forged') throw new Failure(answer, `${name} refuses`);
    const of = answer === 'forged' ? 'signer-9' : signer;
    return { countersignature: key.sign(statementDigest('head', { version: 1, signer: of, head: body.head })) };
  };
  return { signer: name, statementKey: key.publicKey, call: call as unknown as CallPeer, heads };
}

const reserve = (...peers: ReturnType<typeof peer>[]) =>
  reserveOnPeers({ signer, peers, journal: growing(), verifiers, monotonicMs: () => performance.now() });

test('tells who has reserved and who could not be asked', async () => {
  const asked = await reserve(peer('signer-2', 'yes'), peer('signer-3', 'signers-unavailable'))(
    request,
    '00'.repeat(32),
  );
  expect(asked).toEqual({ reserved: ['signer-2'], unreachable: ['signer-3'] });
});

test('one refusal is a refusal, with its own code', async () => {
  const asked = reserve(peer('signer-2', 'yes'), peer('signer-3', 'already-paid-by'))(request, '00'.repeat(32));
  await expect(asked).rejects.toMatchObject({ code: 'already-paid-by' });
});

test('a countersignature that does not hold is a refusal', async () => {
  await expect(reserve(peer('signer-2', 'forged'))(request, '00'.repeat(32))).rejects.toMatchObject({
    code: 'reservation-refused',
  });
});

test('tries again once, because a connection may have outlived its peer', async () => {
  const asked = await reserve(peer('signer-2', 'signers-unavailable', 'yes'))(request, '00'.repeat(32));
  expect(asked.reserved).toEqual(['signer-2']);
});

test('never shows a peer an earlier end of the journal after a later one, and goes on after a refusal', async () => {
  const two = peer('signer-2', 'yes', 'yes', 'limit-exceeded', 'yes');
  const ask = reserve(two);
  await Promise.allSettled(Array.from({ length: 20 }, () => ask(request, '00'.repeat(32))));
  expect(two.heads).toHaveLength(20);
  expect(two.heads).toEqual(two.heads.toSorted((a, b) => a - b));
});
