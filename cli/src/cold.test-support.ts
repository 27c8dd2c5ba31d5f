import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canonicalText } from '@holdfast/core/cold/parse-canonical.ts';
import type { ColdRequest } from '@holdfast/core/cold/request.ts';
import type { ColdSetup, ColdSetupDraft } from '@holdfast/core/cold/setup.ts';
import { coldWallet } from '@holdfast/core/cold/cold-wallet.ts';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { run } from './cold-run.ts';

export const bitcoinNetwork = 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328';
export const evmNetwork = 'eip155:31337';
export const custodians = ['ada', 'ben', 'cyd', 'dee', 'eve'] as const;
export const hotSafe = '0x52908400098527886E0F7030069857D2E4169EE7';
export const coldSafe = '0x8617E340B3D01FA5F11F306F4090FD50E238070D';
export const usdt = '0xdAC17F958D2ee523a2206206994597C13D831ec7';
export const registry = '0xde709f2102306220921060314715629080e2fb77';
export const timelock = '0x27b1fdb04752bbc536007a920d24acb045561c26';

export const otherAddress = '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed';

let payments = 0;

/** A transaction that nobody sent, with two outputs, of which the second pays the script. Each call gives another one. */
export function fakePayment(script: string, amountSats: bigint): string {
  const le = (value: bigint, bytes: number): string => {
    const buffer = Buffer.alloc(8);
    buffer.writeBigUInt64LE(value);
    return buffer.subarray(0, bytes).toString('hex');
  };
  const output = (sats: bigint, to: string): string => le(sats, 8) + le(BigInt(to.length / 2), 1) + to;
  const input = le(BigInt(++payments), 8).padEnd(64, '0') + le(0n, 4) + '00' + 'fdffffff';
  return `0200000001${input}02${output(1_000n, `0014${'22'.repeat(20)}`)}${output(amountSats, script)}00000000`;
}

export interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Five custodians with their folders, after a ceremony. */
export interface Ceremony {
  readonly folder: string;
  readonly setup: ColdSetup;
  readonly digest: string;
  path(name: string): string;
  write(name: string, content: unknown): string;
  read(name: string): string;
  cold(...args: readonly string[]): Promise<Said>;
  /** Signs with a custodian's keys; the partial signature is in `<out>`. */
  sign(custodian: string, request: string, out: string, digest?: string): Promise<Said>;
  /** All that was shown before digests so far. */
  shown(): string;
  /** A file name that nothing has yet. */
  fresh(name: string): string;
  /** Makes a request from a draft. @returns its path. @throws Error with the refusal. */
  request(kind: string, content: unknown): Promise<string>;
  /** The code with which a custodian's machine refuses to show a request, a value or a text; `shown` when it does. */
  refusalOf(value: unknown): Promise<string>;
  end(): void;
}

/** The code of a refusal that was printed by --json. */
export function codeOf({ err }: Said): string {
  return /"code":"([a-z-]+)"/.exec(err)?.[1] ?? err;
}

export function readRequest(file: string): ColdRequest {
  return JSON.parse(readFileSync(file, 'utf8')) as ColdRequest;
}

/** A draft that spends coins of the cold wallet out of nowhere. */
export function refillDraft({ setup }: Ceremony, amountSats: bigint, ...coinsSats: bigint[]) {
  return {
    network: bitcoinNetwork,
    coins: coinsSats.map((sats) => ({ raw: fakePayment(coldWallet(setup).script, sats), vout: 1 })),
    amount_sats: amountSats.toString(),
    hot_index: 7,
    fee_rate_sat_vb: 5,
  };
}

export function etherDraft(nonce: string) {
  return { network: evmNetwork, asset: 'ETH', amount: '1500000000000000000', nonce };
}

export const weak = ['--kdf-memory-kib', '64', '--kdf-passes', '1', '--weak-for-tests'] as const;

/** Both families, with keys of nobody. */
export const draft: ColdSetupDraft = {
  bitcoin: {
    network: bitcoinNetwork,
    hot: {
      group_key: Buffer.from(secp256k1.getPublicKey(new Uint8Array(32).fill(7))).toString('hex'),
      chain_code: '09'.repeat(32),
    },
    fee_max_sats: '100000',
    fee_rate_max_sat_vb: 50,
  },
  evm: [
    {
      network: evmNetwork,
      coin: 'ETH',
      cold_safe: coldSafe,
      hot_safe: hotSafe,
      tokens: [{ contract: usdt, code: 'USDT', decimals: 6 }],
      contracts: [
        { kind: 'vault-registry', address: registry },
        { kind: 'timelock', address: timelock },
      ],
    },
  ],
};

export async function holdCeremony(): Promise<Ceremony> {
  // What is shown before a digest is confirmed goes past the command's own output.
  let shown = '';
  const streams = [process.stdout, process.stderr].map((stream) => ({ stream, write: stream.write.bind(stream) }));
  for (const { stream } of streams) {
    stream.write = (text: string | Uint8Array) => {
      shown += String(text);
      return true;
    };
  }
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-test-cold-'));
  const path = (name: string): string => join(folder, name);
  const write = (name: string, content: unknown): string => {
    writeFileSync(path(name), typeof content === 'string' ? content : JSON.stringify(content));
    return path(name);
  };
  const cold = async (...args: readonly string[]): Promise<Said> => {
    const said = { out: '', err: '' };
    const code = await run(['cold', ...args], {
      out: (text) => (said.out += text),
      err: (text) => (said.err += text),
    });
    return { code, ...said };
  };
  const must = async (...args: readonly string[]): Promise<string> => {
    const said = await cold(...args);
    if (said.code !== 0) throw new Error(said.err);
    return said.out;
  };
  process.env['HOLDFAST_PASSPHRASE_FILE'] = write('passphrase', 'a long passphrase\n');
  const cards = custodians.map((name) => path(`${name}.card`));
  for (const name of custodians)
    await must('keygen', path(name), '--name', name, '--out', path(`${name}.card`), ...weak);
  const made = await must('setup', write('draft.json', draft), ...cards, '--out', path('setup.json'), '--json');
  const { setup, digest } = JSON.parse(made) as { setup: ColdSetup; digest: string };
  for (const name of custodians) await must('accept', path('setup.json'), '--keys', path(name), '--digest', digest);
  let files = 0;
  const fresh = (name: string): string => `${++files}-${name}`;
  return {
    folder,
    setup,
    digest,
    path,
    write,
    read: (name) => readFileSync(path(name), 'utf8'),
    cold,
    sign: async (custodian, request, out, given) => {
      const shown = await cold('show', request, '--keys', path(custodian), '--json');
      const own = shown.code === 0 ? (JSON.parse(shown.out) as { digest: string }).digest : '0'.repeat(64);
      return cold('sign', request, '--keys', path(custodian), '--out', path(out), '--digest', given ?? own);
    },
    shown: () => shown,
    fresh,
    async request(kind, content) {
      const out = path(fresh('request'));
      await must('request', kind, write(fresh('draft'), content), '--setup', path('setup.json'), '--out', out);
      return out;
    },
    async refusalOf(value) {
      const file = write(fresh('altered'), typeof value === 'string' ? value : canonicalText(value));
      const said = await cold('show', file, '--keys', path('ada'), '--json');
      return said.code === 0 ? 'shown' : codeOf(said);
    },
    end: () => {
      for (const { stream, write } of streams) stream.write = write;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
