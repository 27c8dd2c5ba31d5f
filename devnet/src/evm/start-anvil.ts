import { spawn, type ChildProcess } from 'node:child_process';
import { createRequire } from 'node:module';
import { mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { Failure } from '@holdfast/core/failure.ts';
import { rpcCall } from './json-rpc.ts';

export interface AnvilOptions {
  /** A free one is chosen when left out. */
  readonly port?: number;
  /** The chain survives a stop in this file, and a kill but for its last seconds. */
  readonly stateFile?: string;
  /** Mines a block in this rhythm, empty or not. Left out, every transaction makes a block at once. */
  readonly blockTimeS?: number;
  /** Mines only when mine() is called. */
  readonly noMining?: boolean;
  /** Every line that anvil prints. */
  readonly log?: (line: string) => void;
}

export interface AnvilNode {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Ends the node, its state written, and waits for its exit; a second call waits too. */
  stop(): Promise<void>;
}

export const anvilChainId = 31337;

const startWithinMs = 20_000;
const stopWithinMs = 10_000;
/**
 * Blocks whose state can be asked for. Each costs about 0.3 MB of memory and state file and more as the chain grows, so
 * the node does not keep them all; a scan further behind than this gets no token balances.
 */
const historyBlocks = 128;

/**
 * Command and arguments of an anvil node on 127.0.0.1, for whoever supervises the process itself. It is up when it
 * prints the line that anvilPortOf reads. debug_traceBlockByHash with the callTracer needs no flag.
 */
export function anvilCommand(options: Omit<AnvilOptions, 'log'>): { command: string; args: string[] } {
  const args = [
    '--host',
    '127.0.0.1',
    '--port',
    String(options.port ?? 0),
    '--chain-id',
    String(anvilChainId),
    '--color',
    'never',
  ];
  // Block `finalized` lies two of these epochs below the tip.
  args.push('--slots-in-an-epoch', '1');
  // Without pruning and its own cache path anvil moves old states to ~/.foundry.
  args.push('--prune-history', String(historyBlocks));
  if (options.stateFile !== undefined) {
    args.push('--state', options.stateFile, '--state-interval', '10', '--preserve-historical-states');
    args.push('--cache-path', cacheOf(options.stateFile));
  }
  if (options.noMining) args.push('--no-mining');
  else if (options.blockTimeS !== undefined) args.push('--block-time', String(options.blockTimeS));
  return { command: anvilBinary(), args };
}

/** Where a run of anvil would move old states; of no use to the next run. */
function cacheOf(stateFile: string): string {
  return `${stateFile}.cache`;
}

/** The port in the line with which anvil says that it listens, undefined for other lines. */
export function anvilPortOf(line: string): number | undefined {
  const match = /^Listening on 127\.0\.0\.1:([0-9]+)$/.exec(line.trim());
  return match ? Number(match[1]) : undefined;
}

/**
 * Starts an anvil node from the npm binary and returns when it answers.
 * @throws Failure node-unavailable with the end of what it printed.
 */
export async function startAnvil(options: AnvilOptions = {}): Promise<AnvilNode> {
  if (options.stateFile !== undefined) {
    mkdirSync(dirname(options.stateFile), { recursive: true, mode: 0o700 });
    rmSync(cacheOf(options.stateFile), { recursive: true, force: true });
  }
  const { command, args } = anvilCommand(options);
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  const stop = () => stopChild(child, exited);
  try {
    const port = await listeningPort(child, exited, options.log);
    const url = `http://127.0.0.1:${port}`;
    await rpcCall(url, 'eth_chainId');
    return { url, port, pid: child.pid as number, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function anvilBinary(): string {
  const architecture = { x64: 'amd64', arm64: 'arm64' }[process.arch as string];
  try {
    return createRequire(import.meta.url).resolve(`@foundry-rs/anvil-linux-${architecture}/bin/anvil`);
  } catch (cause) {
    throw new Failure('node-unavailable', `no anvil binary for ${process.platform} ${process.arch}`, {
      fix: 'Run npm ci without --omit=optional on Linux x64 or arm64.',
      cause,
    });
  }
}

async function listeningPort(
  child: ChildProcess,
  exited: Promise<void>,
  log?: (line: string) => void,
): Promise<number> {
  const printed: string[] = [];
  let found: (port: number) => void = () => {};
  const listening = new Promise<number>((resolve) => (found = resolve));
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    createInterface({ input: stream }).on('line', (line) => {
      log?.(line);
      if (printed.length < 200) printed.push(line);
      const port = anvilPortOf(line);
      if (port !== undefined) found(port);
    });
  }
  const timer = new AbortController();
  const port = await Promise.race([
    listening,
    exited.then(() => undefined),
    delay(startWithinMs, undefined, { signal: timer.signal }).catch(() => undefined),
  ]);
  timer.abort();
  if (port === undefined) {
    throw new Failure('node-unavailable', `anvil did not start: ${printed.slice(-5).join(' | ')}`);
  }
  return port;
}

async function stopChild(child: ChildProcess, exited: Promise<void>): Promise<void> {
  if (child.pid === undefined) return;
  child.kill('SIGTERM');
  const killer = setTimeout(() => child.kill('SIGKILL'), stopWithinMs);
  await exited;
  clearTimeout(killer);
}
