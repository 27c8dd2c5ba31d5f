import { expect, test } from 'vitest';
import { ceremonyDigest, type CeremonyTranscript } from './ceremony.ts';

const signer = (identifier: number) => ({
  signer: `signer-${identifier}`,
  identifier,
  fingerprint: `${identifier}`.repeat(64),
  owner_address: `0x${'aB'.repeat(20)}`,
  statement_key: `${identifier + 3}`.repeat(64),
});
const transcript: CeremonyTranscript = {
  version: 1,
  quorum: 2,
  signers: [signer(1), signer(2), signer(3)],
  server_fingerprint: '9'.repeat(64),
  policy: '7'.repeat(64),
};

test('is one at all signers, in whatever order each lists itself and its peers', () => {
  const lower = transcript.signers.map((entry) => ({ ...entry, owner_address: entry.owner_address.toLowerCase() }));
  expect(ceremonyDigest({ ...transcript, signers: lower.toReversed() })).toBe(ceremonyDigest(transcript));
  expect(ceremonyDigest(transcript)).toMatch(/^[0-9a-f]{64}$/);
});

test('differs as soon as one signer was told anything else', () => {
  const [first, ...others] = transcript.signers;
  const told: CeremonyTranscript[] = [
    { ...transcript, quorum: 1 },
    { ...transcript, server_fingerprint: '8'.repeat(64) },
    { ...transcript, policy: '8'.repeat(64) },
    { ...transcript, signers: others },
    ...[
      { signer: 'signer-x' },
      { identifier: 4 },
      { fingerprint: '8'.repeat(64) },
      { owner_address: `0x${'cd'.repeat(20)}` },
      { statement_key: '8'.repeat(64) },
    ].map((change) => ({ ...transcript, signers: [{ ...first!, ...change }, ...others] })),
  ];
  expect(new Set([transcript, ...told].map(ceremonyDigest)).size).toBe(told.length + 1);
});
