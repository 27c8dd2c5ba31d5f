import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Client, createClient } from '@holdfast/client/create-client.ts';
import { scopes } from '@holdfast/core/contract/route.ts';
import type { SignedPolicy } from '@holdfast/core/policy/policy.ts';
import { holdCeremony } from './ceremony.ts';
import { type Chains, openView, type PartyView, startChains } from './chains.ts';
import { serverConfig, signerConfig } from './configure.ts';
import type { DeployVaultInput, EvmDeployment } from './evm/deploy-vault.ts';
import { createEvidence, type Evidence } from './evidence.ts';
import { freePort } from './free-port.ts';
import { listBuild } from './list-build.ts';
import { type DevnetKeys, mainOf, makeKeys, passphraseFile, type PolicyChange } from './make-keys.ts';
import type { PolicyParties } from './policy-parties.ts';
import { type Postgres, startPostgres } from './postgres.ts';
import { type Ed25519Pair, keepFile, writePrivate } from './private-files.ts';
import { rssBytes } from './process-table.ts';
import { type Child, type ChildSpec, startSupervisor, type Supervisor } from './processes.ts';
import { bundleSigner, signerEnv, type SignerProgram } from './signer-program.ts';

const signerIds = ['signer-1', 'signer-2', 'signer-3'] as const;

export interface DevnetOptions {
  /** `.holdfast` of a checkout, or a test's own folder. */
  readonly folder: string;
  readonly log: (line: string) => void;
  /** Seconds between EVM blocks; undefined: blocks only when asked for. */
  readonly blockTimeS?: number;
  readonly pollMs?: number;
  readonly batchWaitMs?: number;
  /** Payouts in a transaction; 100 when left out. */
  readonly batchSizeMax?: number;
  readonly sweepWaitMs?: number;
  /** Free coins of the Bitcoin wallet above which the smallest become one. */
  readonly consolidateAbove?: number;
  /** `fee_bump` of the server's networks; the families' own when left out. */
  readonly feeBump?: object;
  /** Quick key stretching; the sealed files say so. */
  readonly weakKdf?: boolean;
  /** Of the server; else DATABASE_URL's, else on a PostgreSQL of its own. */
  readonly databaseUrl?: string;
  /** What the signers run; a bundle of this checkout when left out. */
  readonly signer?: SignerProgram;
  /** Changes version 1 of the policy before its administrators sign it; of no effect on a folder that has one. */
  readonly policy?: PolicyChange;
  /** What the vault on the chain has instead of the usual; of no effect on a folder that has one. */
  readonly vault?: VaultChange;
  /** How many endpoints a network the server has, and how many of them must agree; 2 of 2 when left out. */
  readonly nodes?: { readonly endpoints: number; readonly agree: number };
  /** The engine owns the balances: `engine` of the server's config.json, without its key. */
  readonly custodian?: { readonly silent_s?: number; readonly reconcile_s?: number };
}

export type VaultChange = Partial<Pick<DeployVaultInput, 'limits' | 'governanceDelayS'>>;

/** How a server is started besides the usual. */
interface ServerOptions {
  readonly killAt?: string;
  /** Steps at which it stands still until it is sent SIGCONT, as often as each is listed. */
  readonly pauseAt?: readonly string[];
  /** Further keys of the API, as its configuration lists them. */
  readonly apiKeys?: readonly object[];
  /** Given to Node before the program: `--import=...`. */
  readonly nodeOptions?: readonly string[];
}

/** A whole system on this machine: database, chain nodes, three signers, the server, and everybody's keys. */
export interface Devnet extends Evidence {
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
  startServer(options?: ServerOptions): Promise<Child>;
  /** With another program than before from then on. */
  startSigner(id: string, program?: SignerProgram): Promise<Child>;
  server(): Child;
  signer(id: string): Child;
  /** Resident bytes by process. */
  memory(): ReadonlyMap<string, number>;
  /** What the signers were started with at first. */
  readonly program: SignerProgram;
  /** Version 1 of the policy, and the ceremony that fixed it. */
  readonly first: SignedPolicy;
  readonly ceremony: string;
  readonly parties: PolicyParties;
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
    const devnet = await assemble(options, supervisor, stops, stop);
    if (await listBuild(devnet, devnet.program.build)) {
      options.log('the policy lists the new build of the signers');
      await devnet.server().stop();
      await devnet.startServer();
    }
    return devnet;
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
  const given = options.databaseUrl ?? process.env['DATABASE_URL'];
  const [postgres, chains, program] = await allOf([
    given === undefined ? ownPostgres(folder, log, stops) : null,
    ownChains(folder, options, supervisor, stops),
    options.signer ?? bundleSigner(join(folder, 'devnet')),
  ]);
  const databaseUrl = given ?? postgres!.url;
  const programs = new Map<string, SignerProgram>(signerIds.map((id) => [id, program]));
  log('making keys');
  const keys = await makeKeys(folder, chains, {
    signerIds,
    weakKdf: options.weakKdf ?? false,
    signer: program,
    change: options.policy,
    vault: options.vault,
  });
  const { input, api, parties, first } = keys;
  const views = new Map<string, PartyView>();
  for (const name of ['server', ...signerIds]) {
    const view = await openView(chains, name === 'server' ? options.nodes?.endpoints : undefined);
    stops.push(() => view.close());
    views.set(name, view);
  }
  log('holding the key ceremony');
  const ceremony = await prepareSigners(folder, keys, views, program);
  // Children end before the proxies that they talk through.
  stops.push(async () => {
    const running = supervisor.children();
    // The server first: it would wait for signers that are gone.
    await Promise.all(running.filter(({ name }) => name === 'server').map((child) => child.stop()));
    await Promise.all(running.filter(({ name }) => name.startsWith('signer-')).map((child) => child.stop()));
  });

  const children = new Map<string, Child>();
  const spawn = async (spec: Pick<ChildSpec, 'name' | 'args' | 'env' | 'bareEnv'>): Promise<Child> => {
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
  const startSigner: Devnet['startSigner'] = (id, other) => {
    if (other) programs.set(id, other);
    return spawn({
      name: id,
      args: [programs.get(id)!.main, 'run', join(folder, id)],
      env: signerEnv(passphraseFile(folder, id)),
      bareEnv: true,
    });
  };
  let port = 0;
  const startServer: Devnet['startServer'] = async (how = {}) => {
    port = await freePort();
    const own = serverConfig(input, {
      port,
      ...views.get('server')!,
      apiKeys: [{ key_id: 'integrator-api', public_key: api.publicKey, scopes: [...scopes] }, ...(how.apiKeys ?? [])],
      pollMs: options.pollMs ?? 200,
      batchWaitMs: options.batchWaitMs ?? 500,
      batchSizeMax: options.batchSizeMax,
      sweepWaitMs: options.sweepWaitMs ?? 0,
      consolidateAbove: options.consolidateAbove ?? 200,
      killAt: how.killAt,
      pauseAt: how.pauseAt,
      feeBump: options.feeBump,
      agree: options.nodes?.agree,
      ...(options.custodian === undefined ? {} : { custodian: { key_id: parties.engine.keyId, ...options.custodian } }),
    });
    writePrivate(join(folder, 'server', 'config.json'), JSON.stringify(own, null, 2));
    keepCliConfig(folder, port, api);
    const args = [...(how.nodeOptions ?? []), mainOf('server'), 'run', join(folder, 'server')];
    return spawn({ name: 'server', args, env: { DATABASE_URL: databaseUrl } });
  };
  const apiUrl = (): string => `http://127.0.0.1:${port}`;
  log('starting three signers');
  await Promise.all(signerIds.map((id) => startSigner(id)));
  log('starting the server');
  await startServer();

  return {
    folder,
    databaseUrl,
    chains,
    evm: input.evm,
    supervisor,
    views,
    client: movingClient(apiUrl, keys),
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
    program,
    first,
    ceremony,
    parties,
    ...createEvidence(folder, parties),
    stop,
  };
}

/** Writes every signer's configuration and holds the ceremony over it. @returns its digest. */
async function prepareSigners(
  folder: string,
  { input, first }: DevnetKeys,
  views: ReadonlyMap<string, PartyView>,
  { main }: SignerProgram,
): Promise<string> {
  for (const id of signerIds) {
    const config = signerConfig(input, { id, ...views.get(id)! });
    writePrivate(join(folder, id, 'config.json'), JSON.stringify(config, null, 2));
  }
  keepFile(join(folder, 'server', 'policy.json'), () => JSON.stringify(first, null, 2));
  return holdCeremony(
    signerIds.map((id) => ({ id, dataDir: join(folder, id), passphraseFile: passphraseFile(folder, id), main })),
    first,
  );
}

/** Waits for all of them, also when one fails: what comes up late is to be stopped too. */
async function allOf<T extends readonly unknown[]>(started: T): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(started);
  return Promise.all(started);
}

async function ownChains(
  folder: string,
  { log, blockTimeS }: DevnetOptions,
  supervisor: Supervisor,
  stops: (() => Promise<void>)[],
): Promise<Chains> {
  log('starting chain nodes');
  const chains = await startChains(folder, { supervisor, log, ...(blockTimeS === undefined ? {} : { blockTimeS }) });
  stops.push(() => chains.stop());
  return chains;
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

function keepCliConfig(folder: string, port: number, api: Ed25519Pair): void {
  const keyFile = join(folder, 'cli', 'api.key');
  rmSync(keyFile, { force: true });
  writePrivate(keyFile, api.seed);
  writePrivate(
    join(folder, 'cli', 'config.json'),
    JSON.stringify({ url: `http://127.0.0.1:${port}`, key_id: 'integrator-api', private_key_file: 'api.key' }, null, 2),
  );
}

/** The client of whichever server runs now: it gets a new port at each start. It pins the signers, as the ceremony named them. */
function movingClient(apiUrl: () => string, { api, input }: DevnetKeys): Client {
  const keys = Object.fromEntries(input.signers.map(({ id, statementKey }) => [id, statementKey]));
  const options = { keyId: 'integrator-api', privateKey: api.seed, attestation: { quorum: 2, keys } };
  let made: { url: string; client: Client } | undefined;
  const current = (): Client => {
    const url = apiUrl();
    if (made?.url !== url) made = { url, client: createClient({ baseUrl: url, ...options }) };
    return made.client;
  };
  return new Proxy({} as Client, { get: (_target, name) => Reflect.get(current(), name) as unknown });
}
