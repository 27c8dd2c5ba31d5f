import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { canonicalText } from '@holdfast/core/cold/parse-canonical.ts';
import type { FinishedRequest } from '@holdfast/core/cold/combine-partials.ts';
import type { ColdCard, ColdSetup, ColdSetupDraft } from '@holdfast/core/cold/setup.ts';

const custodianNames = ['ada', 'ben', 'cyd', 'dee', 'eve'] as const;
export type CustodianName = (typeof custodianNames)[number];

export interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** What `--json` prints of a refusal, in the last line; or the whole text. */
export function codeOf({ err }: Said): string {
  const last = err.trimEnd().split('\n').at(-1) ?? '';
  return last.startsWith('{') ? (JSON.parse(last) as { error: { code: string } }).error.code : err;
}

/**
 * Five custodians, each command of theirs a process without a network, and the online side's commands beside them. They share
 * one folder, which stands for the memory sticks that go around.
 */
export interface Custodians {
  readonly cards: readonly ColdCard[];
  path(name: string): string;
  read(name: string): string;
  write(name: string, content: unknown): string;
  /** A command on a machine without a network. */
  offline(...args: readonly string[]): Promise<Said>;
  /** The setup is made, compared and pinned by all five. */
  holdCeremony(draft: ColdSetupDraft): Promise<ColdSetup>;
  /** Makes a request on the online side. @returns its digest; the file has the name. */
  request(kind: string, name: string, draft: unknown): Promise<string>;
  sign(custodian: CustodianName, name: string, digest: string): Promise<Said>;
  /** Three sign; an online machine gets what to send. */
  finish(name: string, digest: string, quorum?: readonly CustodianName[]): Promise<FinishedRequest>;
  combine(name: string, partials: readonly string[]): Promise<Said>;
  end(): void;
}

const main = fileURLToPath(new URL('../../cli/src/main.ts', import.meta.url));
const guard = new URL('no-network.ts', import.meta.url).href;
const weakKdf = ['--kdf-memory-kib', '64', '--kdf-passes', '1', '--weak-for-tests'];

/** How this machine starts a process in an empty network namespace. @throws Error when it cannot: the drill must not pass then. */
export function isolation(): string[] {
  const ways = [['-n'], ['-U', '--map-root-user', '-n']];
  for (const flags of ways) {
    try {
      execFileSync('unshare', [...flags, 'true'], { stdio: 'ignore' });
      return flags;
    } catch {
      // The next way; without root the first is refused.
    }
  }
  throw new Error('no process without a network can be started here: unshare -n (root) or user namespaces are needed');
}

export async function startCustodians(): Promise<Custodians> {
  const flags = isolation();
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-custodians-'));
  const path = (name: string): string => join(folder, name);
  const read = (name: string): string => readFileSync(path(name), 'utf8');
  const write = (name: string, content: unknown): string => {
    writeFileSync(path(name), typeof content === 'string' ? content : canonicalText(content));
    return path(name);
  };
  const env = {
    ...process.env,
    HOLDFAST_PASSPHRASE_FILE: write('passphrase', 'of a drill\n'),
    // Dozens of short processes load the same modules.
    NODE_COMPILE_CACHE: path('compiled'),
  };
  const spawn = (command: string, args: readonly string[]): Promise<Said> =>
    new Promise((done) => {
      execFile(command, args, { env, timeout: 60_000 }, (error, out, err) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
        done({ code, out, err });
      });
    });
  const offline = (...args: readonly string[]): Promise<Said> =>
    spawn('unshare', [...flags, process.execPath, '--import', guard, main, 'cold', ...args, '--json']);
  const online = (...args: readonly string[]): Promise<Said> =>
    spawn(process.execPath, [main, 'cold', ...args, '--json']);
  const must = async <T>(said: Promise<Said>): Promise<T> => {
    const { code, out, err } = await said;
    if (code !== 0) throw new Error(err);
    return JSON.parse(out) as T;
  };
  const each = <T>(run: (name: CustodianName) => Promise<T>): Promise<T[]> => Promise.all(custodianNames.map(run));
  try {
    const made = await each((name) =>
      must<{ card: ColdCard }>(
        offline('keygen', path(name), '--name', name, '--out', path(`${name}.card`), ...weakKdf),
      ),
    );
    const sign: Custodians['sign'] = (name, request, digest) =>
      offline('sign', path(request), '--keys', path(name), '--out', path(`${request}.${name}`), '--digest', digest);
    const combine: Custodians['combine'] = (request, partials) =>
      online(
        'combine',
        path(request),
        ...partials.map(path),
        '--setup',
        path('setup'),
        '--out',
        path(`${request}.done`),
      );
    return {
      cards: made.map(({ card }) => card),
      path,
      read,
      write,
      offline,
      async holdCeremony(draft) {
        const cards = custodianNames.map((name) => path(`${name}.card`));
        const setup = await must<{ digest: string; setup: ColdSetup }>(
          online('setup', write('draft', draft), ...cards, '--out', path('setup')),
        );
        await each((name) => must(offline('accept', path('setup'), '--keys', path(name), '--digest', setup.digest)));
        return setup.setup;
      },
      async request(kind, name, draft) {
        const args = [kind, write(`${name}.draft`, draft), '--setup', path('setup'), '--out', path(name)];
        return (await must<{ digest: string }>(online('request', ...args))).digest;
      },
      sign,
      async finish(name, digest, quorum = ['ada', 'cyd', 'eve']) {
        await Promise.all(quorum.map((custodian) => must(sign(custodian, name, digest))));
        return must<FinishedRequest>(
          combine(
            name,
            quorum.map((custodian) => `${name}.${custodian}`),
          ),
        );
      },
      combine,
      end: () => rmSync(folder, { recursive: true, force: true }),
    };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}
