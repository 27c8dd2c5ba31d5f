import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { X509Certificate } from 'node:crypto';
import { createSignerClient } from '@holdfast/server/signers/client.ts';
import type { SignerClient } from '@holdfast/server/signers/panel.ts';
import type { Policy, SignedPolicy } from '@holdfast/core/policy/policy.ts';
import { signSamplePolicy } from '@holdfast/core/policy/sample-policy.test-support.ts';
import { holdCeremony } from '@holdfast/devnet/ceremony.ts';
import { freePort } from '@holdfast/devnet/free-port.ts';
import { bundleSigner, signerEnv, sourceProgram, type SignerProgram } from '@holdfast/devnet/signer-program.ts';
import type { SignerConfig } from '@holdfast/signer/config.ts';
import type { SignerCard } from '@holdfast/signer/init.ts';
import { createIdentity, fingerprintOf, type Identity } from '@holdfast/transport/certificate.ts';
import { makeSoftToken, pkcs11Arguments, type SoftToken } from './soft-token.ts';
import { preparedProgram } from './signer-program.ts';

/** One signer process that can be stopped, killed and started again on the same data folder and port. */
export interface SignerProcess {
  readonly id: string;
  readonly dataDir: string;
  readonly url: string;
  readonly card: SignerCard;
  /** Its HSM, where it has one. */
  readonly hsm: SoftToken | null;
  readonly client: SignerClient & { close(): void };
  /** Parsed log lines since the first start. */
  readonly log: Record<string, unknown>[];
  pid(): number | undefined;
  /** With another program than before from then on. */
  start(program?: SignerProgram): Promise<void>;
  /** SIGTERM by default; resolves when the process is gone. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

export interface SignerCluster {
  readonly signers: readonly SignerProcess[];
  /** Certificate that the signers take for the server's. */
  readonly serverIdentity: Identity;
  /** Version 1, in force. */
  readonly policy: SignedPolicy;
  /** What the signers were started with at first. */
  readonly program: SignerProgram;
  stop(): Promise<void>;
}

/** Tests do not wait a second for every start; sealed files say that they are weak. */
const fastKdf = ['--kdf-memory-kib', '64', '--kdf-passes', '1'];
const startTimeoutMs = 30_000;

/**
 * Makes and starts `count` signers (three by default), pinned to each other and to one server identity, with a policy that
 * the sample administrators have signed.
 * @param policy version 1, given the cards (owner addresses) of all, and the build that they run.
 * @param networks the nodes of each signer.
 */
export async function startSigners(input: {
  readonly folder: string;
  readonly policy: (cards: readonly SignerCard[], build: string) => Policy;
  readonly networks: (signer: string) => SignerConfig['networks'];
  readonly count?: number;
  /** Argon2id at full strength instead of a quick one. */
  readonly fullStrengthKdf?: boolean;
  /** Owner and wrapping keys in an HSM each. */
  readonly hsm?: boolean;
  /** Given to every signer besides; a bundle refuses most. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** What they run; a bundle of this checkout when left out. */
  readonly program?: SignerProgram | undefined;
}): Promise<SignerCluster> {
  const ids = Array.from({ length: input.count ?? 3 }, (_, at) => `signer-${at + 1}`);
  mkdirSync(input.folder, { recursive: true });
  const passphraseFile = join(input.folder, 'passphrase');
  writeFileSync(passphraseFile, 'correct horse battery staple\n', { mode: 0o600 });
  const serverIdentity = await createIdentity('server', Date.now());
  const serverFingerprint = fingerprintOf(new X509Certificate(serverIdentity.certificate));
  const ports = await Promise.all(ids.map(() => freePort()));
  const env = signerEnv(passphraseFile, input.env);
  const strength = input.fullStrengthKdf ? [] : fastKdf;
  const tokens = input.hsm ? await Promise.all(ids.map(async (id) => makeSoftToken(input.folder, id))) : [];
  // A bundle refuses a search path of libraries, which an unpacked SoftHSM may need.
  const searching = tokens.some((token) => 'LD_LIBRARY_PATH' in token.env);
  const prepared = searching ? sourceProgram : preparedProgram();
  const program = input.program ?? prepared ?? (await bundleSigner(input.folder));
  const init = async (id: string, at: number) =>
    initSigner(program, join(input.folder, id), id, strength, tokens[at] ?? null, env);
  const cards = await Promise.all(ids.map(init));
  const policy = signSamplePolicy(input.policy(cards, program.build));
  const signers = ids.map((id, at) => {
    const dataDir = join(input.folder, id);
    const hsm = tokens[at] ?? null;
    const config = {
      ...configOf(cards, ports, at, { serverFingerprint, networks: input.networks(id) }),
      ...(hsm && { pkcs11: hsm.pkcs11 }),
    };
    writeFileSync(join(dataDir, 'config.json'), JSON.stringify(config, null, 2));
    const url = `https://127.0.0.1:${ports[at]}`;
    const card = cards[at] as SignerCard;
    return signerProcess({ id, identifier: at + 1, dataDir, url, card, identity: serverIdentity, hsm, env, program });
  });
  const stop = async (): Promise<void> => {
    await Promise.all(signers.map((signer) => signer.stop('SIGKILL')));
    for (const signer of signers) signer.client.close();
  };
  try {
    await holdCeremony(
      signers.map(({ id, dataDir, hsm }) => ({
        id,
        dataDir,
        passphraseFile,
        main: program.main,
        env: { ...input.env, ...hsm?.env },
      })),
      policy,
    );
    await Promise.all(signers.map((signer) => signer.start()));
  } catch (error) {
    await stop();
    throw error;
  }
  return { signers, serverIdentity, policy, program, stop };
}

function configOf(
  cards: readonly SignerCard[],
  ports: readonly number[],
  at: number,
  own: { readonly serverFingerprint: string; readonly networks: SignerConfig['networks'] },
): SignerConfig {
  return {
    signer: (cards[at] as SignerCard).signer,
    identifier: at + 1,
    listen: { host: '127.0.0.1', port: ports[at] ?? 0 },
    server: { fingerprint: own.serverFingerprint },
    peers: cards.flatMap((card, other) =>
      other === at ? [] : [{ ...card, identifier: other + 1, url: `https://127.0.0.1:${ports[other]}` }],
    ),
    networks: own.networks,
  };
}

/** Waits until every signer reports the key of a network. */
export async function waitForKeys(
  signers: readonly SignerProcess[],
  network: string,
  timeoutMs = 60_000,
): Promise<void> {
  await waitFor(`key of ${network}`, timeoutMs, async () => {
    const statuses = await Promise.all(signers.map((signer) => signer.client.call('/v1/status', {})));
    return statuses.every((status) => status.frost_wallets.some((wallet) => wallet.network === network));
  });
}

/** Polls until the condition holds. */
export async function waitFor(
  what: string,
  timeoutMs: number,
  condition: () => Promise<boolean> | boolean,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    if (await condition()) return;
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function initSigner(
  { main }: SignerProgram,
  dataDir: string,
  id: string,
  strength: readonly string[],
  hsm: SoftToken | null,
  env: Readonly<Record<string, string>>,
): Promise<SignerCard> {
  const more = [...strength, ...(hsm ? pkcs11Arguments(hsm.pkcs11) : [])];
  const child = spawn(process.execPath, [main, 'init', dataDir, '--signer', id, ...more], {
    env: { ...env, ...hsm?.env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`init of ${id} ended with ${code}: ${text}`);
  return JSON.parse(text) as SignerCard;
}

function signerProcess(input: {
  id: string;
  identifier: number;
  dataDir: string;
  url: string;
  card: SignerCard;
  identity: Identity;
  hsm: SoftToken | null;
  env: Readonly<Record<string, string>>;
  program: SignerProgram;
}): SignerProcess {
  const { id, identifier, dataDir, url, card, identity, hsm, env } = input;
  const log: Record<string, unknown>[] = [];
  let child: ChildProcess | null = null;
  let { program } = input;

  const start: SignerProcess['start'] = async (other = program) => {
    program = other;
    // Its own process group, ended as a whole.
    const started = spawn(process.execPath, [program.main, 'run', dataDir], {
      env: { ...env, ...hsm?.env },
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
    child = started;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${id} did not start in time`)), startTimeoutMs);
      started.once('exit', (code) => reject(new Error(`${id} ended with ${code}: ${JSON.stringify(log.at(-1))}`)));
      createInterface({ input: started.stdout }).on('line', (line) => {
        const entry = JSON.parse(line) as Record<string, unknown>;
        log.push(entry);
        if (entry['event'] !== 'listening') return;
        clearTimeout(timer);
        resolve();
      });
    });
  };

  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    const running = child;
    child = null;
    if (!running || running.pid === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const gone = once(running, 'exit');
    process.kill(-running.pid, signal);
    await gone;
  };
  const client = createSignerClient({
    id,
    identifier,
    url,
    fingerprint: card.fingerprint,
    certificate: identity.certificate,
    key: identity.privateKey,
  });
  return { id, dataDir, url, card, hsm, client, log, pid: () => child?.pid, start, stop };
}
