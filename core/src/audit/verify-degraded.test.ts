import { expect, test } from 'vitest';
import { accept, append, btc, intent, n, nowMs, plain, transaction } from '../signing/acceptance.test-support.ts';
import type { ReviewedTransaction } from '../signing/decide-acceptance.ts';
import { emptyHead, encodeRecord } from '../signing/journal-record.ts';
import { nobleVerifiers as verifiers } from '../signing/noble-verifiers.ts';
import { createSignerLog, type SignerLog } from './signer-log.ts';
import { verifyRecord } from './verify-record.ts';

/** The log of one of two signers that both must sign, with a transaction that was accepted and looked at. */
function logOf(reviewed: ReviewedTransaction): SignerLog {
  const files = { folder: 'f', journal: [], request: () => null, policy: () => null, ceremony: null, checkpoints: [] };
  const log = createSignerLog(files);
  log.ceremony = { version: 1, quorum: 2, signers: [1, 2].map(signerOf), server_fingerprint: '', policy: '' };
  log.policies.set(plain.version, { policy: plain, effectiveAtMs: 0 });
  accept(log.state, reviewed);
  const { network, txid, conflictKeys, intents, evacuation } = reviewed;
  log.transactions.set(`${network} ${txid}`, {
    seq: 1,
    atMs: nowMs,
    network,
    txid,
    by: 'signer-1',
    request: '77'.repeat(32),
    policy: plain.version,
    conflictKeys,
    digests: intents.map(({ digest }) => digest),
    kind: evacuation ? 'evacuation' : 'payment',
    payments: [],
    change: [],
    intents,
  });
  return log;
}

function signerOf(identifier: number) {
  const signer = `signer-${identifier}`;
  return { signer, identifier, fingerprint: '', owner_address: '', statement_key: '' };
}

/** Verifies the record that charges so much of the coin to the degraded budget. */
function verify(log: SignerLog, txid: string, amount: string | null): void {
  const charges = amount === null ? [] : [{ asset: `${btc} degraded`, amount }];
  const { record } = encodeRecord(emptyHead, { kind: 'degraded', body: { network: n, txid, charges } }, nowMs);
  const readTransaction = () => expect.unreachable('the transaction was looked at before');
  verifyRecord(log, record, { verifiers, readTransaction });
}

test('what leaves without a peer is charged with its fee', () => {
  const paid = transaction('01', ['x'], [intent('aa', 100n)], 20n);
  expect(() => verify(logOf(paid), paid.txid, '120')).not.toThrow();
  for (const wrong of ['100', '119', '121', null]) {
    expect(() => verify(logOf(paid), paid.txid, wrong)).toThrow(/leads to other contents/);
  }
});

test('a fee takes the degraded limit too', () => {
  const log = logOf(transaction('02', ['y'], [intent('bb', 1n)], 20n));
  append(log.state, {
    kind: 'degraded',
    body: { network: n, txid: '01'.repeat(32), charges: [{ asset: `${btc} degraded`, amount: '130' }] },
  });
  expect(() => verify(log, '02'.repeat(32), '21')).toThrow(expect.objectContaining({ code: 'degraded-limit' }));
});

test('an evacuation is charged nothing', () => {
  const evacuation = { ...transaction('01', ['x'], [], 70n), evacuation: true };
  expect(() => verify(logOf(evacuation), evacuation.txid, null)).not.toThrow();
  expect(() => verify(logOf(evacuation), evacuation.txid, '70')).toThrow(/leads to other contents/);
});
