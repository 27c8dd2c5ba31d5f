import { randomUUID } from 'node:crypto';
import type { Server } from 'node:https';
import { join } from 'node:path';
import { Failure } from '@holdfast/core/failure.ts';
import { meshMessages, signerMessages } from '@holdfast/core/signing/messages.ts';
import { opensslVerifiers } from '@holdfast/transport/openssl-verifiers.ts';
import { readMark, settleMark } from './backup/restored-mark.ts';
import { refuseSource } from './build-identity.ts';
import type { SignerConfig } from './config.ts';
import { portTaken } from './ceremony/hold-port.ts';
import { journalName, unlockSigner } from './init.ts';
import { openJournal, type Journal } from './journal/journal.ts';
import { paceKeyring } from './keys/pace-key-generation.ts';
import { log } from './log.ts';
import { replayLost } from './mesh/replay-lost.ts';
import {
  lostTranscripts,
  openTranscriptStore,
  transcriptsName,
  type TranscriptStore,
} from './transcripts/transcript-store.ts';
import { createPeerClient } from './transport/peer-client.ts';
import { createPinnedServer, type Caller, type Route } from './transport/pinned-server.ts';
import { keepLooking } from './watcher/keep-looking.ts';
import { wireSigner, type Parts, type WiredPeer } from './wiring.ts';

const peerTimeoutMs = 5_000;
/** Whoever wants to sign waits for it; a peer that is slower counts as away. */
const reserveTimeoutMs = 2_000;
/** A signer takes ten sockets of a peer. */
const peerSockets = { reserve: 2, others: 7 } as const;
/** A node that does not answer must not hold up the end. */
const stopMsMax = 2_000;

/**
 * Wires one signer and serves until the returned function is called.
 * @param build of this process (build-identity.ts).
 */
export async function runSigner(
  dataDir: string,
  config: SignerConfig,
  passphrase: Uint8Array,
  build: string,
): Promise<() => Promise<void>> {
  refuseSource(build, config.networks);
  log('build', { signer: config.signer, build });
  const bootId = randomUUID();
  const secrets = await unlockSigner(dataDir, passphrase, config);
  if (secrets.module) log('hsm-module', secrets.module);
  const routes = new Map<string, Route>();
  const server = createPinnedServer(secrets.identity, callersOf(config), routes);
  // Holding the port comes before opening the journal: two processes must never write one journal.
  await listen(server, config.listen);

  const clock = Date.now;
  const monotonicMs = (): number => performance.now();
  const journal = await openJournal(join(dataDir, journalName), clock, monotonicMs);
  refuseForeignJournal(journal, config.signer);
  const transcripts = await openTranscriptStore(join(dataDir, transcriptsName));
  refuseLostTranscripts(journal, transcripts);
  const { peers, close } = connectPeers(config, secrets.identity);
  await catchUp({ dataDir, config, secrets, journal, transcripts, peers, routes });
  await journal.append({ kind: 'started', body: { boot_id: bootId, build } });
  const stopping = new AbortController();
  const { signal } = stopping;
  const parts = { dataDir, config, secrets, bootId, build, journal, transcripts, peers, clock, monotonicMs, signal };
  const wired = wireSigner(parts);
  for (const [path, route] of wired.routes) routes.set(path, route);
  const { host, port } = config.listen;
  log('listening', { signer: config.signer, host, port, boot_id: bootId, journal_seq: journal.head().seq });

  const paces = peers.every((peer) => config.identifier < peer.identifier);
  const hello = () => wired.hello(null);
  const pacing = (paces ? [...wired.keyrings] : []).map(async ([network, keyring]) =>
    paceKeyring(keyring, { network, peers, hello, signal }),
  );
  const looking = [...wired.watchers.values(), ...wired.governance].map(async (watcher) =>
    keepLooking(watcher, signal),
  );
  const pausing = keepLooking(wired.pauses, signal);
  const checkpointing = wired.checkpoints.pace(signal);
  return async () => {
    stopping.abort();
    server.close();
    server.closeAllConnections();
    close();
    const late = new Promise((resolve) => setTimeout(resolve, stopMsMax).unref());
    await Promise.race([Promise.allSettled([...pacing, ...looking, pausing, checkpointing]), late]);
    await transcripts.close();
    await journal.close();
  };
}

/** A signer that came out of a backup refuses everything until its peers have told it what it lacks. */
async function catchUp(
  parts: Pick<Parts, 'dataDir' | 'config' | 'secrets' | 'journal' | 'transcripts' | 'peers'> & {
    readonly routes: Map<string, Route>;
  },
): Promise<void> {
  const { dataDir, config, secrets, journal, transcripts, peers, routes } = parts;
  const { signer } = config;
  const mark = readMark(dataDir);
  if (!mark) return;
  log('restored', { signer, backup_seq: mark.backup_seq, journal_seq: journal.head().seq });
  const own = { signer, statementKey: secrets.statement.publicKey };
  await replayLost({ ...own, journal, transcripts, verifiers: opensslVerifiers }, peers, (missing) => {
    const message = `${signer} was restored from a backup and waits for what ${missing.join(', ')} know of it`;
    for (const [path, route] of refusingRoutes(new Failure('journal-behind', message))) routes.set(path, route);
  });
  routes.clear();
  await settleMark(dataDir, mark, journal);
}

function refusingRoutes(failure: Failure): [string, Route][] {
  const handle = async (): Promise<never> => {
    throw failure;
  };
  const all = { server: signerMessages, peer: meshMessages };
  return (['server', 'peer'] as const).flatMap((role) =>
    Object.entries(all[role]).map(([path, { request }]): [string, Route] => [path, { role, request, handle }]),
  );
}

/** With another's history this signer would not know what it has signed itself. @throws Failure journal-broken. */
export function refuseForeignJournal({ state }: Pick<Journal, 'state'>, signer: string): void {
  if (state.signer === signer) return;
  throw new Failure(
    'journal-broken',
    `${journalName} is the journal of ${state.signer ?? 'nobody'}, not of ${signer}`,
    {
      fix: "Give every signer its own journal.jsonl and transcripts.jsonl back, from each one's newest backup.",
    },
  );
}

/** The journal names its requests by hash; without their text nobody can tell what was signed. @throws Failure journal-broken. */
export function refuseLostTranscripts(
  { state }: Pick<Journal, 'state'>,
  transcripts: Pick<TranscriptStore, 'has'>,
): void {
  const lost = state.accepted.find(({ request }) => !transcripts.has(request));
  if (!lost) return;
  throw new Failure('journal-broken', `transcripts.jsonl lacks the request of record ${lost.seq}`, lostTranscripts);
}

function connectPeers(
  config: SignerConfig,
  identity: Parameters<typeof createPeerClient>[0],
): { peers: WiredPeer[]; close: () => void } {
  const clients = config.peers.map((peer) => ({
    peer,
    others: createPeerClient(identity, peer, peerTimeoutMs, peerSockets.others),
    reserve: createPeerClient(identity, peer, reserveTimeoutMs, peerSockets.reserve),
  }));
  const peers = clients.map(({ peer, others, reserve }) => ({
    signer: peer.signer,
    identifier: peer.identifier,
    statementKey: peer.statement_key,
    call: others.call,
    callReserve: reserve.call,
  }));
  const close = (): void => {
    for (const { others, reserve } of clients) {
      others.close();
      reserve.close();
    }
  };
  return { peers, close };
}

function callersOf(config: SignerConfig): Caller[] {
  const peers = config.peers.map(({ signer, fingerprint }) => ({ role: 'peer' as const, name: signer, fingerprint }));
  return [{ role: 'server', name: 'server', fingerprint: config.server.fingerprint }, ...peers];
}

function listen(server: Server, address: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => reject(portTaken(cause, address)));
    server.listen(address.port, address.host, () => {
      server.removeAllListeners('error');
      resolve();
    });
  });
}
