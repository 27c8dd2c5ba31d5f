import { randomUUID } from 'node:crypto';
import type { Server } from 'node:https';
import { join } from 'node:path';
import type { SignerStatus } from '@holdfast/core/signing/messages.ts';
import { intentDaysDefault, quorumDefault, type SignerConfig } from './config.ts';
import { journalName, unlockSigner } from './init.ts';
import { openJournal } from './journal/journal.ts';
import { publicWallet } from './keys/frost-key.ts';
import { openFrostKeyFiles } from './keys/frost-key-files.ts';
import { createKeyGeneration, type KeyGeneration, type KeyPeer } from './keys/key-generation.ts';
import { paceKeyGeneration } from './keys/pace-key-generation.ts';
import { createSigningSessions } from './keys/signing-sessions.ts';
import { log } from './log.ts';
import { meshRoutes } from './mesh-routes.ts';
import { createRpc } from './nodes/json-rpc.ts';
import { watchPeers } from './peer-watch.ts';
import { pinnedKeys } from './review/intent-rules.ts';
import { createPeerClient } from './transport/peer-client.ts';
import { createPinnedServer, type Caller, type Route } from './transport/pinned-server.ts';
import { walletRoutes } from './wallet-routes.ts';
import { createBitcoinWallet, type BitcoinWallet } from './wallets/bitcoin-wallet.ts';
import { createEvmWallet, type EvmWallet } from './wallets/evm-wallet.ts';
import type { WalletDeps } from './wallets/wallet.ts';

const build = '0.1.0';
const peerTimeoutMs = 5_000;
const nodeTimeoutMs = 5_000;
const dayMs = 86_400_000;

/** Wires one signer and serves until the returned function is called. */
export async function runSigner(
  dataDir: string,
  config: SignerConfig,
  passphrase: Uint8Array,
): Promise<() => Promise<void>> {
  const bootId = randomUUID();
  const { store, identity, owner } = await unlockSigner(dataDir, passphrase);
  const routes = new Map<string, Route>();
  const server = createPinnedServer(identity, callersOf(config), routes);
  // Holding the port comes before opening the journal: two processes must never write one journal.
  await listen(server, config.listen);

  const clock = Date.now;
  const monotonicMs = (): number => performance.now();
  const journal = await openJournal(join(dataDir, journalName), clock, monotonicMs);
  await journal.append({ kind: 'started', body: { boot_id: bootId, build } });
  const clients = config.peers.map((peer) => ({ peer, client: createPeerClient(identity, peer, peerTimeoutMs) }));
  const peers: KeyPeer[] = clients.map(({ peer, client }) => ({
    identifier: peer.identifier,
    signer: peer.signer,
    call: client.call,
  }));

  const expiryAheadMsMax = (config.intent_days_max ?? intentDaysDefault) * dayMs;
  const deps: WalletDeps = { journal, keys: pinnedKeys(config), clock, expiryAheadMsMax };
  const sessions = createSigningSessions(monotonicMs);
  const evm = new Map<string, EvmWallet>();
  const bitcoin = new Map<string, BitcoinWallet>();
  const generations = new Map<string, KeyGeneration>();
  for (const network of config.networks) {
    const endpoints = network.rpc_urls.map((url) => createRpc(url, nodeTimeoutMs));
    if (network.family === 'evm') {
      evm.set(network.network, createEvmWallet(network, owner, endpoints, deps));
      continue;
    }
    const generation = createKeyGeneration({
      network: network.network,
      identifier: config.identifier,
      quorum: config.quorum ?? quorumDefault,
      peers,
      files: openFrostKeyFiles(network.network, store, journal),
    });
    generations.set(network.network, generation);
    bitcoin.set(network.network, createBitcoinWallet(network, generation.confirmed, sessions, endpoints, deps));
  }

  const stopping = new AbortController();
  const reachable = watchPeers(peers, stopping.signal);
  const status = (): SignerStatus => ({
    signer: config.signer,
    boot_id: bootId,
    build,
    journal: { seq: journal.head().seq, hash: journal.head().hash },
    owner_address: owner.address,
    frost_wallets: [...generations.values()].flatMap((generation) => generation.confirmed() ?? []).map(publicWallet),
    peers_reachable: reachable(),
  });
  const mesh = meshRoutes({ signer: config.signer, identifier: config.identifier, bootId, peers, generations });
  for (const [path, route] of [...walletRoutes({ status, evm, bitcoin, sessions, deps }), ...mesh])
    routes.set(path, route);
  log('listening', {
    signer: config.signer,
    host: config.listen.host,
    port: config.listen.port,
    boot_id: bootId,
    journal_seq: journal.head().seq,
  });

  const paces = peers.every((peer) => config.identifier < peer.identifier);
  const pacing = paces
    ? [...generations].map(([network, own]) => paceKeyGeneration(network, own, peers, stopping.signal))
    : [];
  return async () => {
    stopping.abort();
    server.close();
    server.closeAllConnections();
    for (const { client } of clients) client.close();
    await Promise.allSettled(pacing);
    await journal.close();
  };
}

function callersOf(config: SignerConfig): Caller[] {
  const peers = config.peers.map(({ signer, fingerprint }) => ({ role: 'peer' as const, name: signer, fingerprint }));
  return [{ role: 'server', name: 'server', fingerprint: config.server.fingerprint }, ...peers];
}

function listen(server: Server, address: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(address.port, address.host, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
}
