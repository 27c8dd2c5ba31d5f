import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { schnorr_FROST } from '@noble/curves/secp256k1.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { Policy } from '@holdfast/core/policy/policy.ts';
import { decideCustomerRecord } from '@holdfast/core/signing/decide-customer-record.ts';
import type { NonceCommitment, SigningRequest } from '@holdfast/core/signing/messages.ts';
import { frostKey } from '@holdfast/signer/keys/frost-key.ts';
import type { DigestSigner } from '@holdfast/signer/keys/digest-signer.ts';
import { createOwnerSecret, ownerKey } from '@holdfast/signer/keys/owner-key.ts';
import { createSigningSessions, type SigningSessions } from '@holdfast/signer/keys/signing-sessions.ts';
import { walletChildren } from '@holdfast/signer/keys/wallet-children.ts';
import { createRpc } from '@holdfast/signer/nodes/json-rpc.ts';
import { bitcoinPolicyOf } from '@holdfast/signer/review/review-context.ts';
import { createBitcoinWallet } from '@holdfast/signer/wallets/bitcoin-wallet.ts';
import { createEvmWallet } from '@holdfast/signer/wallets/evm-wallet.ts';
import { createShareDesk } from '@holdfast/signer/wallets/release-shares.ts';
import type { WalletDeps } from '@holdfast/signer/wallets/wallet.ts';
import { opensslVerifiers } from '@holdfast/transport/openssl-verifiers.ts';
import { generateKeys } from '../../test/support/frost.ts';
import { openLoneSigner } from '../../test/support/lone-signer.ts';
import { bitcoinNetwork, evmNetwork, type SignerStage } from '../../test/support/signer-stage.ts';
import { startStubNode } from '../../test/support/stub-nodes.ts';
import type { Batch } from './review-batches.ts';

/** Where the time of one signature goes besides the review, milliseconds. */
export interface Parts {
  readonly nodes: number;
  readonly disk: number;
  readonly signing: number;
}

/** The wallets of one signer in this process, with a stub chain of its own and peers that reserve at once. */
export interface LoneWallets extends Pick<SignerStage, 'node' | 'derive'> {
  readonly policy: Policy;
  enrol(batch: Batch): Promise<void>;
  sign(request: SigningRequest): Promise<Parts>;
  stop(): Promise<void>;
}

/** @param policyOf version 1, for these owners of the Safe. */
export async function openLoneWallets(policyOf: (owners: readonly string[]) => Policy): Promise<LoneWallets> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-review-'));
  const [lone, node] = await Promise.all([openLoneSigner(folder), startStubNode()]);
  const [owner, ...others] = [0, 1, 2].map(() => ownerKey(createOwnerSecret())) as [
    DigestSigner,
    DigestSigner,
    DigestSigner,
  ];
  node.owners = [owner, ...others].map(({ address }) => address);
  const policy = policyOf(node.owners);
  const { frostPublic, secrets } = generateKeys();
  const [own, other] = secrets as [(typeof secrets)[0], (typeof secrets)[0]];
  const key = frostKey(
    { network: bitcoinNetwork, epoch: 1, session: '00'.repeat(16) },
    { public: frostPublic, secret: own },
    new Uint8Array(32),
  );
  const children = walletChildren(bitcoinPolicyOf(policy, bitcoinNetwork), key);

  const clock = stopwatch();
  const rpcs = node.urls.map((url) => clock.around('nodes', createRpc(url, 5_000)));
  const deps = timedDeps(lone.deps(policy), clock);
  const sessions = timedSessions(
    createSigningSessions(() => performance.now()),
    clock,
  );
  const shares = createShareDesk(sessions, deps);
  const evm = createEvmWallet(evmNetwork, { ...owner, sign: clock.around('signing', owner.sign) }, rpcs, deps);
  const bitcoin = createBitcoinWallet(
    bitcoinNetwork,
    { active: () => key, at: () => key },
    rpcs,
    sessions,
    shares,
    deps,
  );

  const sign = async (request: SigningRequest): Promise<Parts> => {
    clock.reset();
    if (request.family === 'evm') {
      await evm.sign(request.body);
      return clock.spent();
    }
    const { session, commitments } = await bitcoin.commit(request.body);
    const lists = commitments.map((mine) => [mine, commitmentOf(other)]);
    await shares.share(session, lists);
    return clock.spent();
  };
  const enrol = async ({ enrolments }: Batch): Promise<void> => {
    const { journal } = lone;
    const nowMs = journal.nowMs();
    for (const one of enrolments) {
      const entry = decideCustomerRecord(journal.state, one, { policy, verifiers: opensslVerifiers, nowMs });
      if (entry) await journal.append(entry);
    }
  };
  const stop = async (): Promise<void> => {
    await Promise.all([lone.close(), node.stop()]);
    rmSync(folder, { recursive: true, force: true });
  };
  return { node, policy, derive: children.address, enrol, sign, stop };
}

/** Times spans by name; spans of one name that overlap count once. */
function stopwatch() {
  const running = { nodes: 0, disk: 0, signing: 0 };
  const sinceMs = { nodes: 0, disk: 0, signing: 0 };
  let spentMs = { nodes: 0, disk: 0, signing: 0 };
  const start = (name: keyof Parts): void => {
    if (running[name] === 0) sinceMs[name] = performance.now();
    running[name] += 1;
  };
  const end = (name: keyof Parts): void => {
    running[name] -= 1;
    if (running[name] === 0) spentMs[name] += performance.now() - sinceMs[name];
  };
  return {
    reset: (): void => void (spentMs = { nodes: 0, disk: 0, signing: 0 }),
    spent: (): Parts => ({ ...spentMs }),
    around:
      <A extends unknown[], T>(name: keyof Parts, run: (...given: A) => Promise<T>) =>
      async (...given: A): Promise<T> => {
        start(name);
        try {
          return await run(...given);
        } finally {
          end(name);
        }
      },
    inside:
      <A extends unknown[], T>(name: keyof Parts, run: (...given: A) => T) =>
      (...given: A): T => {
        start(name);
        try {
          return run(...given);
        } finally {
          end(name);
        }
      },
  };
}

type Stopwatch = ReturnType<typeof stopwatch>;

function timedDeps(deps: WalletDeps, { around }: Stopwatch): WalletDeps {
  const { journal, transcripts } = deps;
  return {
    ...deps,
    journal: { ...journal, append: around('disk', journal.append), flushed: around('disk', journal.flushed) },
    transcripts: { ...transcripts, append: around('disk', transcripts.append) },
  };
}

function timedSessions({ commit, share }: SigningSessions, { inside }: Stopwatch): SigningSessions {
  return { commit: inside('signing', commit), share: inside('signing', share) };
}

function commitmentOf(secret: Parameters<typeof schnorr_FROST.commit>[0]): NonceCommitment {
  const { identifier, hiding, binding } = schnorr_FROST.commit(secret).commitments;
  return { identifier, hiding: bytesToHex(hiding), binding: bytesToHex(binding) };
}
