import { hexToBytes } from '@noble/hashes/utils.js';
import { familyOf } from '@holdfast/core/money/network.ts';
import type { Policy, SignedPolicy } from '@holdfast/core/policy/policy.ts';
import type { MeshHello, SignerStatus } from '@holdfast/core/signing/messages.ts';
import { opensslVerifiers as verifiers } from '@holdfast/transport/openssl-verifiers.ts';
import { createCheckpoints, type Checkpoints } from './audit/checkpoints.ts';
import { openCeremony } from './ceremony/open-ceremony.ts';
import { quorumDefault, type SignerConfig } from './config.ts';
import { createPauseDesk, type PauseDesk } from './emergency/pause-desk.ts';
import { createHaltDesk } from './halts/halt-desk.ts';
import { createSpread } from './halts/spread.ts';
import type { unlockSigner } from './init.ts';
import type { Journal } from './journal/journal.ts';
import { openKeyring, type Keyring } from './keys/keyring.ts';
import { createSigningSessions } from './keys/signing-sessions.ts';
import { cosignOrHalt } from './mesh/cosign-or-halt.ts';
import { greetedFirst, peersBuildJudge } from './mesh/greeted-first.ts';
import { judgeBuild } from './mesh/judge-build.ts';
import type { Standing } from './mesh/judge-peer.ts';
import { openMesh } from './mesh/open-mesh.ts';
import { reserveOnPeers } from './mesh/reserve-on-peers.ts';
import { createRollbackGuard } from './mesh/rollback-guard.ts';
import { meshRoutes } from './mesh-routes.ts';
import { createRpc, type SendRpc } from './nodes/json-rpc.ts';
import { watchPeers } from './peer-watch.ts';
import { acceptPolicy } from './policy/accept-policy.ts';
import { openPolicyStore, type PolicyStore } from './policy/policy-store.ts';
import { signerStatus } from './signer-status.ts';
import type { TranscriptStore } from './transcripts/transcript-store.ts';
import type { CallPeer } from './transport/peer-client.ts';
import type { Route } from './transport/pinned-server.ts';
import { walletRoutes } from './wallet-routes.ts';
import { depositProver } from './wallets/deposit-prover.ts';
import { networkView } from './wallets/network-view.ts';
import { timelockView } from './wallets/timelock-view.ts';
import { openWallets } from './wallets/open-wallets.ts';
import { refusalRecorder, type WalletDeps } from './wallets/wallet.ts';
import { openGovernanceFile } from './watcher/governance-file.ts';
import { type GovernanceWatch, watchGovernance } from './watcher/watch-governance.ts';
import { watchNetwork, type NetworkWatcher } from './watcher/watch-network.ts';

/** A peer, with a connection of its own for reservations: one of them is not to wait behind a long transcript. */
export interface WiredPeer {
  readonly signer: string;
  readonly identifier: number;
  readonly statementKey: string;
  readonly call: CallPeer;
  readonly callReserve: CallPeer;
}

export interface Parts {
  readonly dataDir: string;
  readonly config: SignerConfig;
  readonly secrets: Awaited<ReturnType<typeof unlockSigner>>;
  readonly bootId: string;
  readonly build: string;
  readonly journal: Journal;
  readonly transcripts: TranscriptStore;
  readonly peers: readonly WiredPeer[];
  readonly clock: () => number;
  readonly monotonicMs: () => number;
  readonly signal: AbortSignal;
}

export interface Wired {
  readonly routes: readonly [string, Route][];
  readonly keyrings: ReadonlyMap<string, Keyring>;
  readonly watchers: ReadonlyMap<string, NetworkWatcher>;
  readonly governance: readonly GovernanceWatch[];
  readonly checkpoints: Checkpoints;
  readonly pauses: PauseDesk;
  readonly hello: (peer: string | null) => MeshHello;
}

const nodeTimeoutMs = 5_000;
/** A checkpoint is due after so many records, or after so long when there are any. */
const checkpointPace = { everyRecords: 1_000, everyMs: 15_000 } as const;

/** Puts one signer together; nothing listens yet, but its peers hear of it. */
export function wireSigner(parts: Parts): Wired {
  const { config, secrets, journal, transcripts, peers, clock, monotonicMs, signal } = parts;
  const { signer, identifier } = config;
  const late = { follow: (_signer: string, _hello: MeshHello): void => undefined, agreedNowMs: clock };
  const trust = wireTrust(parts, () => late.agreedNowMs());
  const { policies, halts, guard, spread, standing, hello } = trust;
  const endpointsOf = endpointsByNetwork(config);
  const watchers = new Map<string, NetworkWatcher>();
  const onHello = (peer: string, heard: MeshHello): void => late.follow(peer, heard);
  const watch = watchPeers({ peers, hello, clock, monotonicMs, onHello, signal });
  const { agreedNowMs } = watch;
  late.agreedNowMs = agreedNowMs;
  const permitBuild = (build: string): void => judgeBuild(build, policies, journal.state, agreedNowMs());
  const judgePeersBuild = peersBuildJudge(watch, permitBuild);
  const keyrings = openKeyrings(parts, trust, async () => {
    permitBuild(parts.build);
    await Promise.all(peers.map(async ({ signer: peer }) => judgePeersBuild(peer)));
  });
  const reservePeers = peers.map((peer) => ({ ...peer, call: peer.callReserve }));
  const reserving = reserveOnPeers({ signer, peers: reservePeers, journal, verifiers, monotonicMs });
  const deps: WalletDeps = {
    signer,
    quorum: config.quorum ?? quorumDefault,
    journal,
    transcripts,
    policies,
    verifiers,
    statement: secrets.statement,
    clock,
    agreedNowMs,
    assertReady: () => {
      guard.assertNotBehind();
      transcripts.assertUsable();
      permitBuild(parts.build);
    },
    assertBuild: () => permitBuild(parts.build),
    reserve: greetedFirst(judgePeersBuild, reserving),
    notifySigned: (signed) => spread('/v1/mesh/signed', signed),
    watchedHeight: (network) => watchers.get(network)?.height() ?? 0,
  };
  const sessions = createSigningSessions(monotonicMs);
  const wallets = openWallets(endpointsOf, { owner: secrets.owner, owners: trust.owners, keyrings, sessions }, deps);
  const { dataDir } = parts;
  const { judge } = wallets;
  const statementKeys = statementKeysOf(parts);
  const around = { deps, judge, permitBuild, peers, statementKeys, watch, standing, guard, halts, policies };
  const mesh = openMesh({ ...around, dataDir, monotonicMs, signal });
  late.follow = mesh.follow;
  for (const [network, endpoints] of endpointsOf) {
    const policy = () => policies.current(journal.nowMs());
    const view = networkView(network, endpoints, { policy, state: journal.state, transcripts });
    const { pullAll } = mesh.pull;
    const learning = { state: journal.state, pullAll, assertLearning: trust.assertLearning };
    watchers.set(network, watchNetwork({ network, signer, view, ...learning, halts, signal }));
  }
  const governance = watchTimelocks(parts, endpointsOf, policies);
  const checkpointsOf = { dataDir, signer, journal, statementKey: secrets.statement, verifiers, peers, monotonicMs };
  const checkpoints = createCheckpoints({ ...checkpointsOf, ...checkpointPace });
  const proveDeposit = depositProver(endpointsOf, wallets.bitcoin);
  const records = { journal, policies, verifiers, halts, agreedNowMs, proveDeposit };
  const networks = config.networks.map(({ network }) => network);
  const pauses = createPauseDesk({ dataDir, signer, networks, key: secrets.emergency, journal, policies, clock });
  const status = (): SignerStatus =>
    signerStatus({ hello: hello(null), secrets, policies, halts, keyrings, watch, pauses, governance, deps });
  const recorded = refusalRecorder(deps);
  const desks = { identifier, peers, keyrings, hello, heard: watch.heard, halts, recorded, ...mesh };
  const checkpoint = cosignOrHalt(checkpoints, halts, mesh.copies);
  const newPolicy = async (signed: SignedPolicy) => acceptPolicy({ policies, journal, agreedNowMs, spread }, signed);
  const routes: [string, Route][] = [
    ...walletRoutes({ ...wallets, status, deps, records, halts, spread, feed: mesh.feed }),
    ...meshRoutes({ ...desks, checkpoint, acceptPolicy: newPolicy }),
  ];
  return { routes, keyrings, watchers, governance, checkpoints, pauses, hello };
}

/** What does not depend on any network: ceremony, policy, halts, and what this signer says of itself. */
function wireTrust(parts: Parts, agreedNowMs: () => number) {
  const { config, secrets, journal, transcripts, peers, clock, build, bootId } = parts;
  const { signer } = config;
  const { digest: ceremony, transcript } = openCeremony(parts.dataDir, config, journal, secrets.card);
  const owners = transcript.signers.map((one) => one.owner_address);
  const policies = openPolicyStore(parts.dataDir, journal, verifiers);
  const spread = createSpread(peers, parts.signal);
  const assertLearning = (): void => {
    journal.assertUsable();
    transcripts.assertUsable();
    agreedNowMs();
  };
  const halts = createHaltDesk({ signer, journal, policies, verifiers, spread, agreedNowMs, assertLearning });
  const standing = (): Standing => ({ ceremony, policy: policies.name(journal.nowMs()) });
  const hello: Wired['hello'] = (peer) => {
    const { seq, hash } = journal.head();
    const countersigned = peer === null ? null : journal.state.countersigned.get(peer);
    const own = { signer, boot_id: bootId, build, now_ms: clock(), head: { seq, hash } };
    return { ...own, ...standing(), your_head: countersigned ?? null, halts: halts.open().length };
  };
  const guard = createRollbackGuard(journal);
  return { ceremony, owners, policies, spread, halts, assertLearning, guard, standing, hello };
}

/** One a network whose vault has a time lock by the policy in force at the start. */
function watchTimelocks(
  { dataDir, journal, signal }: Parts,
  endpointsOf: ReadonlyMap<string, readonly SendRpc[]>,
  policies: Pick<PolicyStore, 'current'>,
): GovernanceWatch[] {
  const file = openGovernanceFile(dataDir);
  return [...endpointsOf].flatMap(([network, endpoints]) => {
    const policy = () => policies.current(journal.nowMs());
    const isGoverned = policy().networks.some(
      (one) => one.network === network && one.family === 'evm' && one.emergency !== undefined,
    );
    if (!isGoverned) return [];
    const view = timelockView(network, endpoints, policy);
    const keep = (memory: Parameters<typeof file.keep>[1]): void => file.keep(network, memory);
    return [watchGovernance({ network, view, memory: file.memoryOf(network), keep, signal })];
  });
}

/** Of all signers by id, this one's too. */
function statementKeysOf({ config, secrets, peers }: Parts): ReadonlyMap<string, string> {
  const own = [config.signer, secrets.statement.publicKey] as const;
  return new Map([own, ...peers.map((peer) => [peer.signer, peer.statementKey] as const)]);
}

function endpointsByNetwork(config: SignerConfig): ReadonlyMap<string, readonly SendRpc[]> {
  return new Map(
    config.networks.map(({ network, rpc_urls: urls }) => [network, urls.map((url) => createRpc(url, nodeTimeoutMs))]),
  );
}

/** Of every Bitcoin network; one whose policy names another kind of wallet makes no keys (`Keyring.due`). */
function openKeyrings(
  parts: Parts,
  trust: { readonly ceremony: string; readonly policies: Pick<PolicyStore, 'current'> },
  judgeBuilds: () => Promise<void>,
): Map<string, Keyring> {
  const { config, secrets, journal, peers } = parts;
  const { identifier, networks, signer } = config;
  const keys = statementKeysOf(parts);
  const holds = (by: string, digest: Uint8Array, signature: string): boolean =>
    verifiers.ed25519(hexToBytes(keys.get(by) ?? ''), digest, signature);
  const statements = { signer, sign: secrets.statement.sign, holds };
  const quorum = config.quorum ?? quorumDefault;
  const policy = (): Policy => trust.policies.current(journal.nowMs());
  const common = { identifier, quorum, ceremony: trust.ceremony, peers, journal, policy, statements, judgeBuilds };
  const frost = networks.filter(({ network }) => familyOf(network) === 'bitcoin');
  return new Map(frost.map(({ network }) => [network, openKeyring({ ...common, network, store: secrets.store })]));
}
