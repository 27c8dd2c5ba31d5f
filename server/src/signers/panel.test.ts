import type { ErrorCode } from '@holdfast/core/contract/error-codes.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { frostTweak, tweakPublic, tweakSecret } from '@holdfast/core/keys/tweak-frost.ts';
import type {
  NonceCommitment,
  SignBitcoinRequest,
  SignerPath,
  SignerRequest,
  SignerResponse,
} from '@holdfast/core/signing/messages.ts';
import { QuorumRefusal } from '@holdfast/core/withdrawals/quorum-refusal.ts';
import type { FrostSecret, Nonces } from '@noble/curves/abstract/frost.js';
import { schnorr, schnorr_FROST, secp256k1, secp256k1_FROST } from '@noble/curves/secp256k1.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import { ed25519 } from '@noble/curves/ed25519.js';
import { addr } from 'micro-eth-signer';
import { describe, expect, it } from 'vitest';
import type { WalletKey } from '../store/wallet-keys.ts';
import { signerPanel, type SignerClient } from './panel.ts';

const network = 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328';
const dealt = secp256k1_FROST.trustedDealer({ min: 2, max: 3 });
const secrets = Object.values(dealt.secretShares).toSorted((a, b) => (a.identifier < b.identifier ? -1 : 1));
const groupKey = dealt.public.commitments[0]!;
const chainCode = new Uint8Array(32).fill(7);
const key: WalletKey = {
  network,
  epoch: 1,
  group_key: bytesToHex(groupKey),
  chain_code: bytesToHex(chainCode),
  commitments: dealt.public.commitments.map((point) => bytesToHex(point)),
  verifying_shares: Object.entries(dealt.public.verifyingShares).map(([identifier, point]) => ({
    identifier,
    point: bytesToHex(point),
  })),
};
const tweaks = [0, 1].map((index) => frostTweak({ groupKey, chainCode }, [0, index], new Uint8Array(32)));
const sighashes = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
const wallet = { key, inputs: sighashes.map((sighash, i) => ({ sighash, tweak: tweaks[i]! })) };
const bitcoinRequest: SignBitcoinRequest = {
  network,
  raw_tx: '00',
  input_paths: [
    [0, 0],
    [0, 1],
  ],
  change: [],
  intents: [],
};

type Fault = ErrorCode | 'nonsense';

/** A signer with a real share whose answers a test spoils, by path; `log` has every call. */
function fake(at: number, log: string[], faults: Partial<Record<SignerPath, Fault | Fault[]>> = {}): SignerClient {
  const id = `signer-${at + 1}`;
  const sessions = new Map<string, { nonces: Nonces; commitment: NonceCommitment }[]>();
  const secret = secrets[at] as FrostSecret;
  const ownerKey = new Uint8Array(32).fill(at + 1);
  const next = (path: SignerPath): Fault | undefined => {
    const planned = faults[path];
    return Array.isArray(planned) ? planned.shift() : planned;
  };
  const answers: { [P in SignerPath]?: (request: SignerRequest<P>, spoilt: boolean) => SignerResponse<P> } = {
    '/v1/sign/bitcoin/commit': () => {
      const drawn = sighashes.map(() => {
        const { nonces, commitments } = schnorr_FROST.commit(secret);
        return {
          nonces,
          commitment: {
            identifier: commitments.identifier,
            hiding: bytesToHex(commitments.hiding),
            binding: bytesToHex(commitments.binding),
          },
        };
      });
      const session = `${id}/${sessions.size}`;
      sessions.set(session, drawn);
      return { session, commitments: drawn.map((one) => one.commitment) };
    },
    '/v1/sign/bitcoin/share': ({ session, commitments }, spoilt) => {
      const drawn = sessions.get(session);
      if (!drawn) throw new Failure('session-unknown', 'no such session');
      sessions.set(session, []);
      const shares = drawn.map(({ nonces }, i) => {
        const list = commitments[i]!.map((one) => ({
          identifier: one.identifier,
          hiding: Uint8Array.from(hexToBytes(one.hiding)),
          binding: Uint8Array.from(hexToBytes(one.binding)),
        }));
        return bytesToHex(
          schnorr_FROST.signShare(
            tweakSecret(secret, tweaks[i]!),
            tweakPublic(dealt.public, tweaks[i]!),
            nonces,
            list,
            sighashes[i]!,
          ),
        );
      });
      return { shares: spoilt ? shares.map(() => '01'.padStart(64, '0')) : shares };
    },
    '/v1/sign/evm': (_request, spoilt) => {
      const hash = '11'.repeat(32);
      const signing = spoilt ? new Uint8Array(32).fill(99) : ownerKey;
      const [recovery, ...rs] = secp256k1.sign(hexToBytes(hash), signing, { prehash: false, format: 'recovered' });
      return {
        owner: ownerOf(at),
        safe_tx_hash: hash,
        signature: bytesToHex(Uint8Array.of(...rs, recovery! + 27)),
      };
    },
    '/v1/address': (request, spoilt) => {
      const statement = {
        version: 1,
        network: request.network,
        customer: request.customer,
        address: 'bcrt1address',
        epoch: 1,
      };
      const signature = ed25519.sign(
        statementDigest('address', statement),
        spoilt ? new Uint8Array(32).fill(99) : statementSecret(at),
      );
      return { address: 'bcrt1address', epoch: 1, statement: bytesToHex(signature) };
    },
  };
  return {
    id,
    identifier: at + 1,
    async call<P extends SignerPath>(path: P, request: SignerRequest<P>): Promise<SignerResponse<P>> {
      log.push(`${id} ${path.split('/').at(-1)}`);
      const fault = next(path);
      if (fault !== undefined && fault !== 'nonsense') throw new Failure(fault, `${id} says ${fault}`);
      const answer = answers[path] as (request: SignerRequest<P>, spoilt: boolean) => SignerResponse<P>;
      return answer(request, fault === 'nonsense');
    },
  };
}

const statementSecret = (at: number): Uint8Array => new Uint8Array(32).fill(at + 51);
const statementKeys = new Map(
  [0, 1, 2].map((at) => [`signer-${at + 1}`, bytesToHex(ed25519.getPublicKey(statementSecret(at)))]),
);
const ownerOf = (at: number): string => addr.fromPrivateKey(new Uint8Array(32).fill(at + 1));
const owners = [0, 1, 2].map((at) => ownerOf(at).toLowerCase());
const evmRequest = {
  network: 'eip155:31337',
  safe_transaction: { to: ownerOf(0), value: '1', data: '0x', operation: 0 as const, nonce: '0' },
  intents: [],
};
const expected = { safeTxHash: '11'.repeat(32), owners };

type Faults = Partial<Record<SignerPath, Fault | Fault[]>>;
function panelOf(...faults: (Faults | undefined)[]) {
  const log: string[] = [];
  return {
    log,
    panel: signerPanel(
      [0, 1, 2].map((at) => fake(at, log, faults[at])),
      2,
      statementKeys,
    ),
  };
}

const failure = async (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'no failure',
    (error: unknown) => error,
  );
const verifies = (signatures: readonly Uint8Array[]): boolean[] =>
  signatures.map((signature, i) => schnorr.verify(signature, sighashes[i]!, tweaks[i]!.outputKeyXOnly));

describe('a quorum of owner signatures', () => {
  it('asks two, each signer in turn the spare one', async () => {
    const { panel, log } = panelOf();
    for (let round = 0; round < 3; round++) expect(await panel.signEvm(evmRequest, expected)).toHaveLength(2);
    expect(log).toEqual([2, 3, 3, 1, 1, 2].map((at) => `signer-${at} evm`));
  });

  it.each(['signers-unavailable', 'limit-exceeded', 'nonsense'] as const)(
    'asks the third for one that answers %s',
    async (fault) => {
      const { panel, log } = panelOf(undefined, { '/v1/sign/evm': fault });
      const signed = await panel.signEvm(evmRequest, expected);
      expect(signed.map((one) => one.owner).toSorted()).toEqual([ownerOf(2), ownerOf(0)].toSorted());
      expect(log).toEqual([2, 3, 1].map((at) => `signer-${at} evm`));
    },
  );

  it('does not take two signatures of a key that is no owner', async () => {
    const { panel } = panelOf();
    expect(await failure(panel.signEvm(evmRequest, { ...expected, owners: owners.slice(0, 1) }))).toMatchObject({
      code: 'signers-unavailable',
    });
  });

  it('does not take an answer for another transaction', async () => {
    const { panel } = panelOf();
    expect(await failure(panel.signEvm(evmRequest, { ...expected, safeTxHash: '22'.repeat(32) }))).toMatchObject({
      code: 'signers-unavailable',
    });
  });
});

const away: Fault = 'signers-unavailable';
const refusing: Fault = 'limit-exceeded';
const verdicts: { faults: (Fault | undefined)[]; code: ErrorCode; refusal: boolean }[] = [
  { faults: [away, away, undefined], code: 'signers-unavailable', refusal: false },
  { faults: [away, away, away], code: 'signers-unavailable', refusal: false },
  // The one that is away might sign with the one that does.
  { faults: [refusing, away, undefined], code: 'signers-unavailable', refusal: false },
  { faults: [refusing, refusing, undefined], code: 'limit-exceeded', refusal: true },
  { faults: [refusing, refusing, away], code: 'limit-exceeded', refusal: true },
  { faults: ['intent-expired', 'intent-expired', undefined], code: 'intent-expired', refusal: true },
  { faults: ['intent-expired', 'intent-expired', refusing], code: 'intent-expired', refusal: true },
  // Not enough say that it has expired: another reason may pass.
  { faults: ['intent-expired', refusing, undefined], code: 'limit-exceeded', refusal: true },
  { faults: ['nonce-mismatch', 'nonce-mismatch', undefined], code: 'signers-unavailable', refusal: false },
  { faults: ['hsm-key-missing', 'hsm-pin-refused', undefined], code: 'signers-unavailable', refusal: false },
  // Whose PIN file cannot be read.
  { faults: ['hsm-pin-refused', 'hsm-pin-refused', undefined], code: 'signers-unavailable', refusal: false },
];

describe('too few signers', () => {
  it.each(verdicts)('$faults end as $code, an abandonment: $refusal', async ({ faults, code, refusal }) => {
    const evm = panelOf(...faults.map((fault) => (fault === undefined ? undefined : { '/v1/sign/evm': fault })));
    const bitcoin = panelOf(
      ...faults.map((fault) => (fault === undefined ? undefined : { '/v1/sign/bitcoin/commit': fault })),
    );
    for (const error of [
      await failure(evm.panel.signEvm(evmRequest, expected)),
      await failure(bitcoin.panel.signBitcoin(bitcoinRequest, wallet)),
    ]) {
      expect(error).toMatchObject({ code });
      expect(error instanceof QuorumRefusal).toBe(refusal);
    }
  });
});

describe('a threshold signature', () => {
  it('is made by two signers in one round', async () => {
    const { panel, log } = panelOf();
    expect(verifies(await panel.signBitcoin(bitcoinRequest, wallet))).toEqual([true, true]);
    expect(log).toEqual(['signer-2 commit', 'signer-3 commit', 'signer-2 share', 'signer-3 share']);
  });

  it.each(['signers-unavailable', 'limit-exceeded'] as const)(
    'is made with the third when one commits %s, without a second commitment of the other',
    async (fault) => {
      const { panel, log } = panelOf(undefined, { '/v1/sign/bitcoin/commit': fault });
      expect(verifies(await panel.signBitcoin(bitcoinRequest, wallet))).toEqual([true, true]);
      expect(log.filter((call) => call === 'signer-3 commit')).toHaveLength(1);
      expect(log.slice(-2)).toEqual(['signer-3 share', 'signer-1 share']);
    },
  );

  it.each(['signers-unavailable', 'session-unknown', 'commitments-invalid', 'nonsense'] as const)(
    'begins again with others when a share fails with %s',
    async (fault) => {
      const { panel, log } = panelOf(undefined, undefined, { '/v1/sign/bitcoin/share': fault });
      expect(verifies(await panel.signBitcoin(bitcoinRequest, wallet))).toEqual([true, true]);
      expect(log.slice(-2)).toEqual(['signer-2 share', 'signer-1 share']);
      // Nonces are used once: every share belongs to a commitment of its own.
      const calls = (name: string): number => log.filter((call) => call === name).length;
      for (const at of [1, 2, 3]) expect(calls(`signer-${at} share`)).toBeLessThanOrEqual(calls(`signer-${at} commit`));
    },
  );

  it('is waited for, not given up, when a round fails after a quorum has accepted', async () => {
    const broken: Faults = { '/v1/sign/bitcoin/share': 'commitments-invalid' };
    const error = await failure(panelOf(broken, broken, broken).panel.signBitcoin(bitcoinRequest, wallet));
    expect(error).toMatchObject({ code: 'signers-unavailable' });
    expect(error).not.toBeInstanceOf(QuorumRefusal);
  });

  it('is waited for when one fails in the round and another refuses: the first has accepted', async () => {
    const { panel } = panelOf(
      { '/v1/sign/bitcoin/commit': 'limit-exceeded' },
      { '/v1/sign/bitcoin/share': 'signers-unavailable' },
    );
    const error = await failure(panel.signBitcoin(bitcoinRequest, wallet));
    expect(error).toMatchObject({ code: 'signers-unavailable' });
    expect(error).not.toBeInstanceOf(QuorumRefusal);
  });
});

describe('a deposit address', () => {
  const request = { network, customer: 'cus_01980000-0000-7000-8000-000000000000', index: 0 };

  it('is vouched for by every signer that answers', async () => {
    const { panel } = panelOf(undefined, { '/v1/address': 'signers-unavailable' });
    const { address, statements } = await panel.attestAddress(request);
    expect(address).toBe('bcrt1address');
    expect(statements.map(({ signer }) => signer)).toEqual(['signer-1', 'signer-3']);
  });

  it('is none when fewer than a quorum answer', async () => {
    const { panel } = panelOf({ '/v1/address': 'signers-unavailable' }, { '/v1/address': 'signers-unavailable' });
    expect(await failure(panel.attestAddress(request))).toMatchObject({ code: 'signers-unavailable' });
  });

  it('is none when one refuses: another one may be wrong', async () => {
    const { panel } = panelOf(undefined, { '/v1/address': 'address-index-taken' });
    expect(await failure(panel.attestAddress(request))).toMatchObject({ code: 'address-index-taken' });
  });

  it('is none when a statement is by another key than the pinned one', async () => {
    const { panel } = panelOf(undefined, { '/v1/address': 'nonsense' });
    expect(await failure(panel.attestAddress(request))).toMatchObject({ code: 'attestation-invalid' });
  });
});

describe('the wallet’s public key', () => {
  const reporting = (keys: (WalletKey | null)[]) =>
    signerPanel(
      keys.map((reported, at) => ({
        id: `signer-${at + 1}`,
        identifier: at + 1,
        call: async () => ({ frost_wallets: reported === null ? [] : [reported] }) as never,
      })),
      2,
      statementKeys,
    );

  it('is what all signers report', async () => {
    const reordered = Object.fromEntries(Object.entries(key).toReversed()) as unknown as WalletKey;
    expect(await reporting([key, reordered, key]).frostWallet(network)).toEqual(key);
  });

  it.each([0, 1, 2])('is none when signer %i reports another', async (at) => {
    const keys = [key, key, key].map((one, i) => (i === at ? { ...one, chain_code: '00'.repeat(32) } : one));
    expect(await failure(reporting(keys).frostWallet(network))).toMatchObject({ code: 'derivation-mismatch' });
  });

  it('is not there before every signer has it', async () => {
    expect(await failure(reporting([key, null, key]).frostWallet(network))).toMatchObject({ code: 'key-missing' });
  });
});
