import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { freePort } from '../free-port.ts';
import type { Child, Supervisor } from '../processes.ts';
import { bitcoinRpc, type BitcoinRpc, type BitcoinRpcEndpoint } from './rpc.ts';
import { ensureBitcoind } from './setup.ts';

export interface BitcoinNode extends BitcoinRpcEndpoint {
  readonly p2pPort: number;
  /** bitcoind itself: the wrapper of `ensureBitcoind` replaces itself by it. */
  readonly child: Child;
  readonly rpc: BitcoinRpc;
  /** Ends the node cleanly and waits for its exit. */
  stop(): Promise<void>;
}

export interface StartBitcoindOptions {
  readonly supervisor: Supervisor;
  /** Of the process, kebab-case. */
  readonly name: string;
  /** Made when missing; chain, wallets and the RPC password survive in it. */
  readonly dataDir: string;
  /** Free ports are chosen when left out. */
  readonly rpcPort?: number;
  readonly p2pPort?: number;
  /** P2P ports on this machine to peer with. */
  readonly connectTo?: readonly number[];
  /** Progress of the setup, when bitcoind is not there yet. */
  readonly log?: (line: string) => void;
}

const user = 'holdfast';
/** From SIGTERM to the end: it writes its chain state. */
const graceMs = 20_000;

/**
 * Starts a regtest bitcoind on 127.0.0.1 under the supervisor and returns when it answers.
 * @throws Failure node-unavailable when there is no bitcoind to start, process-failed when it does not come up.
 */
export async function startBitcoind(options: StartBitcoindOptions): Promise<BitcoinNode> {
  const { bitcoind } = await ensureBitcoind(options.log);
  const dataDir = resolve(options.dataDir);
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const password = await passwordOf(dataDir);
  await writeFile(join(dataDir, 'holdfast.conf'), configText(password), { mode: 0o600 });
  const rpcPort = options.rpcPort ?? (await freePort());
  const p2pPort = options.p2pPort ?? (await freePort());
  const child = await options.supervisor.spawnChild({
    name: options.name,
    command: bitcoind,
    args: nodeArguments({ dataDir, rpcPort, p2pPort, connectTo: options.connectTo ?? [] }),
    logFile: join(dataDir, 'bitcoind.log'),
    ready: (line) => line.includes('init message: Done loading'),
    graceMs,
  });
  const endpoint = { rpcUrl: `http://127.0.0.1:${rpcPort}`, user, password };
  const rpc = bitcoinRpc(endpoint);
  return { ...endpoint, p2pPort, child, rpc, stop: () => child.stop() };
}

/**
 * Two nodes, `bitcoin-1` and `bitcoin-2`, the second connected to the first, each in its own folder below `dataDir`. They
 * start at the same time.
 */
export async function startBitcoindPair(options: {
  readonly supervisor: Supervisor;
  readonly dataDir: string;
  readonly log?: (line: string) => void;
}): Promise<[BitcoinNode, BitcoinNode]> {
  const common = { supervisor: options.supervisor, ...(options.log === undefined ? {} : { log: options.log }) };
  const p2pPort = await freePort();
  const [first, second] = await Promise.all([
    startBitcoind({ ...common, name: 'bitcoin-1', dataDir: join(options.dataDir, 'bitcoin-1'), p2pPort }),
    startBitcoind({ ...common, name: 'bitcoin-2', dataDir: join(options.dataDir, 'bitcoin-2'), connectTo: [p2pPort] }),
  ]);
  // By itself it tries a node that was not up at first again after a minute.
  await second.rpc('addnode', [`127.0.0.1:${p2pPort}`, 'onetry']);
  return [first, second];
}

function nodeArguments(node: {
  readonly dataDir: string;
  readonly rpcPort: number;
  readonly p2pPort: number;
  readonly connectTo: readonly number[];
}): string[] {
  return [
    `-datadir=${node.dataDir}`,
    `-conf=${join(node.dataDir, 'holdfast.conf')}`,
    '-server=1',
    `-rpcport=${node.rpcPort}`,
    '-rpcbind=127.0.0.1',
    '-rpcallowip=127.0.0.1',
    '-listen=1',
    `-bind=127.0.0.1:${node.p2pPort}`,
    // Nothing of a test node leaves this machine.
    '-dnsseed=0',
    '-fixedseeds=0',
    '-discover=0',
    '-listenonion=0',
    ...node.connectTo.map((port) => `-addnode=127.0.0.1:${port}`),
    // Peers on this machine are not punished for reorgs and get transactions at once instead of after a random delay.
    '-whitelist=noban,in,out@127.0.0.1',
    '-txindex=1',
    '-fallbackfee=0.00001',
    '-dbcache=16',
    // A wallet of a test makes few addresses; a thousand keys of each kind cost seconds.
    '-keypool=10',
    '-printtoconsole=1',
    '-nodebuglogfile',
  ];
}

/**
 * What goes into the file and not into the arguments: the password, because arguments are readable by every user of the
 * machine; and what not every bitcoind knows (Knots: no end of life, no payment filters; port mapping), because it stops
 * at an unknown argument and passes over an unknown line.
 */
function configText(password: string): string {
  const lines = [
    'regtest=1',
    `rpcuser=${user}`,
    `rpcpassword=${password}`,
    'corepolicy=1',
    'softwareexpiry=0',
    'natpmp=0',
    'upnp=0',
  ];
  return `${lines.join('\n')}\n`;
}

async function passwordOf(dataDir: string): Promise<string> {
  const file = join(dataDir, 'rpc-password');
  const kept = await readFile(file, 'utf8').catch(() => undefined);
  if (kept !== undefined) return kept.trim();
  const password = randomBytes(24).toString('hex');
  await writeFile(file, password, { mode: 0o600 });
  return password;
}
