import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { authorizeIntent } from '@holdfast/client/authorize-intent.ts';
import { type Client, createClient } from '@holdfast/client/create-client.ts';
import { scopes } from '@holdfast/core/contract/routes.ts';
import type { AuthorizedIntent, WithdrawalIntent } from '@holdfast/core/signing/intent.ts';
import { type Chains, keepColdKeys, openView, type PartyView, startChains } from './chains.ts';
import { type ConfigInput, serverConfig, type SignerAddress, signerConfig } from './configure.ts';
import { devnetKeys } from './evm/accounts.ts';
import { deployVault, type EvmDeployment } from './evm/deploy-vault.ts';
import { rpcCall } from './evm/json-rpc.ts';
import { mine, sendEth } from './evm/payments.ts';
import { freePort } from './free-port.ts';
import { type Postgres, startPostgres } from './postgres.ts';
import { type Ed25519Pair, keepEd25519, keepFile, randomHex, writePrivate } from './private-files.ts';
import { rssBytes } from './process-table.ts';
import { type Child, type ChildSpec, startSupervisor, type Supervisor } from './processes.ts';

const run = promisify(execFile);
const mainOf = (workspace: string): string => fileURLToPath(new URL(`../../${workspace}/src/main.ts`, import.meta.url));
const signerIds = ['signer-1', 'signer-2', 'signer-3'] as const;
/** Wei that the relayer gets at first; all it could ever lose. */
const relayerFloatWei = 10n ** 19n;

export interface DevnetOptions {
  /** `.holdfast` of a checkout, or a test's own folder. */
  readonly folder: string;
  readonly log: (line: string) => void;
  /** Seconds between EVM blocks; undefined: blocks only when asked for. */
  readonly blockTimeS?: number;
  readonly pollMs?: number;
  readonly batchWaitMs?: number;
  readonly sweepWaitMs?: number;
  /** Quick key stretching; the sealed files say so. */
  readonly weakKdf?: boolean;
}

/** A whole system on this machine: database, chain nodes, three signers, the server, and the keys of an integrator. */
export interface Devnet {
  readonly folder: string;
  readonly databaseUrl: string;
  readonly chains: Chains;
  readonly evm: EvmDeployment;
  readonly supervisor: Supervisor;
  /** What each process sees of the chains, by process name. */
  readonly views: ReadonlyMap<string, PartyView>;
  /** The API; each call reads the address of the server that runs now. */
  readonly client: Client;
  readonly apiUrl: () => string;
  startServer(options?: { killAt?: string }): Promise<Child>;
  startSigner(id: string): Promise<Child>;
  server(): Child;
  signer(id: string): Child;
  /** Resident bytes by process. */
  memory(): ReadonlyMap<string, number>;
  authorize(intent: WithdrawalIntent): AuthorizedIntent;
  stop(): Promise<void>;
}

/** Starts everything, continuing what is in the folder. Ends what it started when it fails half-way. */
export async function startDevnet(options: DevnetOptions): Promise<Devnet> {
  mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  const supervisor = await startSupervisor({ runDir: join(options.folder, 'run') });
  // Nodes that are not the supervisor's own children carry its mark too, so that none outlives a killed devnet.
  Object.assign(process.env, supervisor.mark);
  const stops: (() => Promise<void>)[] = [() => supervisor.stopAll()];
  const stop = async (): Promise<void> => {
    // What fails to stop must not keep the rest running.
    const problems: unknown[] = [];
    for (const one of stops.splice(0).toReversed()) await one().catch((problem: unknown) => problems.push(problem));
    if (problems.length > 0) throw problems[0];
  };
  try {
    return await assemble(options, supervisor, stops, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function assemble(
  options: DevnetOptions,
  supervisor: Supervisor,
  stops: (() => Promise<void>)[],
  stop: () => Promise<void>,
): Promise<Devnet> {
  const { folder, log } = options;
  const postgres = process.env['DATABASE_URL'] === undefined ? await ownPostgres(folder, log, stops) : null;
  const databaseUrl = postgres?.url ?? process.env['DATABASE_URL']!;
  log('starting chain nodes');
  const chains = await startChains(folder, {
    supervisor,
    log,
    ...(options.blockTimeS === undefined ? {} : { blockTimeS: options.blockTimeS }),
  });
  stops.push(() => chains.stop());
  log('making keys');
  const { input, api, integrator } = await makeKeys(folder, chains, options.weakKdf ?? false);
  const views = new Map<string, PartyView>();
  for (const name of ['server', ...signerIds]) {
    const view = await openView(chains);
    stops.push(() => view.close());
    views.set(name, view);
  }
  for (const id of signerIds) {
    writePrivate(
      join(folder, id, 'config.json'),
      JSON.stringify(signerConfig(input, { id, ...views.get(id)! }), null, 2),
    );
  }
  // Children end before the proxies that they talk through.
  stops.push(async () => {
    for (const child of supervisor.children().filter((one) => one.name === 'server' || one.name.startsWith('signer-')))
      await child.stop();
  });

  const children = new Map<string, Child>();
  const spawn = async (spec: Pick<ChildSpec, 'name' | 'args' | 'env'>): Promise<Child> => {
    const logFile = join(folder, 'logs', `${spec.name}.log`);
    const child = await supervisor.spawnChild({
      ...spec,
      command: process.execPath,
      logFile,
      ready: (line) => line.includes('"event":"listening"'),
      readyTimeoutMs: 60_000,
    });
    children.set(spec.name, child);
    return child;
  };
  const startSigner = (id: string): Promise<Child> =>
    spawn({
      name: id,
      args: [mainOf('signer'), 'run', join(folder, id)],
      env: { HOLDFAST_PASSPHRASE_FILE: join(folder, id, 'passphrase') },
    });
  let port = 0;
  const startServer = async (how: { killAt?: string } = {}): Promise<Child> => {
    port = await freePort();
    const own = serverConfig(input, {
      port,
      ...views.get('server')!,
      apiKeys: [{ key_id: 'integrator-api', public_key: api.publicKey, scopes: [...scopes] }],
      pollMs: options.pollMs ?? 200,
      batchWaitMs: options.batchWaitMs ?? 500,
      sweepWaitMs: options.sweepWaitMs ?? 0,
      killAt: how.killAt,
    });
    writePrivate(join(folder, 'server', 'config.json'), JSON.stringify(own, null, 2));
    keepCliConfig(folder, port, api);
    const args = [mainOf('server'), 'run', join(folder, 'server')];
    return spawn({ name: 'server', args, env: { DATABASE_URL: databaseUrl } });
  };
  const apiUrl = (): string => `http://127.0.0.1:${port}`;
  log('starting three signers');
  await Promise.all(signerIds.map(startSigner));
  log('starting the server');
  await startServer();

  return {
    folder,
    databaseUrl,
    chains,
    evm: input.evm,
    supervisor,
    views,
    client: movingClient(apiUrl, api.seed),
    apiUrl,
    startServer,
    startSigner,
    server: () => children.get('server')!,
    signer: (id) => children.get(id)!,
    memory: () =>
      new Map([
        ['devnet', process.memoryUsage.rss()],
        ...(postgres ? [['postgres', rssBytes(postgres.pid) ?? 0] as const] : []),
        ['anvil', rssBytes(chains.anvil.pid) ?? 0],
        ...supervisor.children().map((child) => [child.name, child.rssBytes() ?? 0] as const),
      ]),
    authorize: (intent) => ({
      intent,
      authorization: authorizeIntent(intent, { keyId: 'integrator', privateKey: integrator.seed }),
    }),
    stop,
  };
}

/** Every party makes its own keys; what the others pin of them comes together here. */
async function makeKeys(
  folder: string,
  chains: Chains,
  weakKdf: boolean,
): Promise<{ input: ConfigInput; api: Ed25519Pair; integrator: Ed25519Pair }> {
  const cards = await Promise.all(signerIds.map((id) => initSigner(folder, id, weakKdf)));
  const made = await run(process.execPath, [mainOf('server'), 'init', join(folder, 'server')]);
  const server = JSON.parse(made.stdout) as { fingerprint: string; relayer_address: string };
  const cold = keepColdKeys(join(folder, 'devnet', 'cold'));
  const owners = cards.map((card) => card.owner_address);
  const file = join(folder, 'devnet', 'evm.json');
  const evm = await keepDeployment(file, chains, owners, cold.evmOwners, server.relayer_address);
  const integrator = keepEd25519(join(folder, 'integrator', 'intent.json'));
  const api = keepEd25519(join(folder, 'integrator', 'api.json'));
  const signers: SignerAddress[] = [];
  for (const [i, { signer: id, fingerprint, certificate }] of cards.entries()) {
    signers.push({ id, identifier: i + 1, port: await freePort(), fingerprint, certificate });
  }
  const integratorKey = { key_id: 'integrator', public_key: integrator.publicKey };
  const serverFingerprint = server.fingerprint;
  return { input: { evm, coldBitcoin: cold.bitcoin, signers, serverFingerprint, integratorKey }, api, integrator };
}

async function ownPostgres(
  folder: string,
  log: (line: string) => void,
  stops: (() => Promise<void>)[],
): Promise<Postgres> {
  log('starting PostgreSQL');
  const postgres = await startPostgres({ dataDir: join(folder, 'postgres'), diesWithCaller: true });
  stops.push(() => postgres.stop());
  return postgres;
}

interface Card {
  readonly signer: string;
  readonly fingerprint: string;
  readonly owner_address: string;
  readonly certificate: string;
}

/** A signer makes its own keys; only its card leaves its folder. On a devnet its passphrase lies beside them. */
async function initSigner(folder: string, id: string, weakKdf: boolean): Promise<Card> {
  const dataDir = join(folder, id);
  const passphrase = join(dataDir, 'passphrase');
  keepFile(passphrase, () => randomHex(24));
  const card = join(dataDir, 'card.json');
  if (!existsSync(card)) {
    const strength = weakKdf ? ['--kdf-memory-kib', '64', '--kdf-passes', '1'] : [];
    const { stdout } = await run(process.execPath, [mainOf('signer'), 'init', dataDir, ...strength], {
      env: { ...process.env, HOLDFAST_PASSPHRASE_FILE: passphrase },
    });
    writePrivate(card, stdout);
  }
  return JSON.parse(readFileSync(card, 'utf8')) as Card;
}

/** The contracts of an earlier run, or new ones where the chain does not have them. */
async function keepDeployment(
  file: string,
  chains: Chains,
  owners: readonly string[],
  coldOwners: readonly string[],
  relayer: string,
): Promise<EvmDeployment> {
  const rpcUrl = chains.anvil.url;
  if (existsSync(file)) {
    const known = JSON.parse(readFileSync(file, 'utf8')) as EvmDeployment;
    if ((await rpcCall<string>(rpcUrl, 'eth_getCode', [known.safe, 'latest'])) !== '0x') return known;
    throw new Error(
      `The EVM chain was lost (anvil writes it every ten seconds and was killed before), but ${file} is there. Run "npm run reset" and start again.`,
    );
  }
  const deployed = await deployVault({
    rpcUrl,
    deployerKey: devnetKeys.deployer,
    owners,
    coldOwners: coldOwners.slice(0, 5),
    coldThreshold: 3,
  });
  await sendEth({ rpcUrl, to: relayer, amountWei: relayerFloatWei });
  await mine({ rpcUrl, blocks: 1 });
  writePrivate(file, JSON.stringify(deployed, null, 2));
  return deployed;
}

function keepCliConfig(folder: string, port: number, api: Ed25519Pair): void {
  const keyFile = join(folder, 'cli', 'api.key');
  rmSync(keyFile, { force: true });
  writePrivate(keyFile, api.seed);
  writePrivate(
    join(folder, 'cli', 'config.json'),
    JSON.stringify({ url: `http://127.0.0.1:${port}`, key_id: 'integrator-api', private_key_file: 'api.key' }, null, 2),
  );
}

/** The client of whichever server runs now: it gets a new port at each start. */
function movingClient(apiUrl: () => string, seed: string): Client {
  let made: { url: string; client: Client } | undefined;
  const current = (): Client => {
    const url = apiUrl();
    if (made?.url !== url)
      made = { url, client: createClient({ baseUrl: url, keyId: 'integrator-api', privateKey: seed }) };
    return made.client;
  };
  return new Proxy({} as Client, { get: (_target, name) => Reflect.get(current(), name) as unknown });
}
