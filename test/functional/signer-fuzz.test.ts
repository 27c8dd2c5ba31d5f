import { readdirSync, statSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { join } from 'node:path';
import { errorRow, isErrorCode } from '@holdfast/core/contract/error-codes.ts';
import { inspectBitcoinTransaction } from '@holdfast/core/chains/bitcoin/inspect.ts';
import { inspectSafeTransaction } from '@holdfast/core/chains/evm/inspect.ts';
import { canonicalJson } from '@holdfast/core/signing/intent.ts';
import { meshMessages, signerMessages } from '@holdfast/core/signing/messages.ts';
import { bytesToHex } from '@noble/hashes/utils.js';
import { RawOldTx } from '@scure/btc-signer/script.js';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startFuzzStage, type FuzzStage } from '../support/fuzz-stage.ts';
import { fuzzTargets, type FuzzTarget } from '../support/fuzz-targets.ts';
import { mutate, mutations, type Mutation } from '../support/mutate-message.ts';
import type { RawAnswer } from '../support/raw-messages.ts';
import { waitFor } from '../support/signers.ts';
import {
  bitcoinRequest,
  bitcoinWithdrawal,
  evmRequest,
  multiSend,
  safe,
  usdc,
  usdcAsset,
  withdrawal,
} from '../support/signer-stage.ts';

/**
 * Every message of a signer, bent in every way, to a signer that runs: it refuses with a code of the table, or says the
 * same as before where the meaning is the same; it neither crashes nor signs nor writes anything but its refusals.
 * FUZZ_SEED repeats a run, FUZZ_SECONDS makes it longer.
 */
const seed = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 0x7fff_ffff));
const seconds = Number(process.env['FUZZ_SECONDS'] ?? 25);
/** Even on a slow machine every message is bent so often. */
const batchRuns = 15;
const counts = new Map<string, { runs: number; refused: number; same: number }>();
const codes = new Map<string, number>();

let fuzz: FuzzStage;
let targets: FuzzTarget[];
let before: unknown;

beforeAll(async () => {
  process.stdout.write(`signer fuzz: FUZZ_SEED=${seed} FUZZ_SECONDS=${seconds}\n`);
  fuzz = await startFuzzStage();
  targets = await fuzzTargets(fuzz);
  fuzz.journal.news();
  before = await standing();
});
afterAll(async () => {
  await fuzz?.stop();
  const rows = [...counts].map(
    ([name, { runs, refused, same }]) => `  ${name}: ${runs}, ${refused} refused, ${same} same`,
  );
  const seen = [...codes].map(([code, count]) => `${code} ${count}`).join(', ');
  process.stdout.write(`signer fuzz: FUZZ_SEED=${seed}\n${rows.join('\n')}\n  ${seen}\n`);
});

test('there is a target for every message', () => {
  const paths = [...Object.keys(signerMessages), ...Object.keys(meshMessages)];
  expect(new Set(targets.map(({ path }) => path))).toEqual(new Set(paths));
});

test(
  'the signer refuses what is bent, says the same to what is not, and stays what it was',
  { timeout: seconds * 20_000 + 120_000 },
  async () => {
    const timeLimit = (seconds * 1_000) / (targets.length + 2);
    for (const [at, target] of targets.entries()) {
      const count = { runs: 0, refused: 0, same: 0 };
      counts.set(target.name, count);
      const valid = await openTarget(target);
      const property = fc.asyncProperty(mutations, async (mutation) => {
        count.runs += 1;
        const outcome = await tryOne(target, valid, mutation);
        if (outcome !== 'skipped') count[outcome] += 1;
      });
      const endMs = performance.now() + timeLimit;
      for (let batch = 0; batch === 0 || performance.now() < endMs; batch += 1)
        await fc.assert(property, {
          seed: seed + 10_000 * at + batch,
          numRuns: batchRuns,
          // What was accepted stays: a smaller message would fail for that.
          endOnFailure: true,
        });
      expect(await standing(), target.name).toEqual(before);
      expect(
        fuzz.target.log.filter(({ event }) => event === 'internal'),
        target.name,
      ).toEqual([]);
    }
  },
);

test('callers hang up in the middle of a message', async () => {
  for (const { path, as, base } of targets) {
    const body = Buffer.from(JSON.stringify(await base()));
    const headers = { 'content-length': String(body.length + 1) };
    await fuzz.callers[as].send(path, body, { headers, hangUp: true });
    // A peer has ten sockets; this one must be free again.
    await waitFor('an answer', 10_000, async () => (await fuzz.callers[as].send('/', body)) !== null);
  }
  expect(news([])).toEqual([]);
  expect(await standing()).toEqual(before);
  expect(fuzz.target.log.filter(({ event }) => event === 'internal')).toEqual([]);
});

test('the server cannot speak as a peer, nor a peer as the server; other methods and paths are none', async () => {
  for (const { path, as, base } of targets) {
    const body = Buffer.from(JSON.stringify(await base()));
    const other = as === 'server' ? 'peer' : 'server';
    expect(refusalOf(await fuzz.callers[other].send(path, body)), path).toBe('peer-unknown');
    for (const method of ['GET', 'PUT', 'DELETE'])
      expect(refusalOf(await fuzz.callers[as].send(path, body, { method })), path).toBe('not-found');
    for (const wrong of [`${path}/`, `${path}?a=1`, `${path}x`, path.toUpperCase()])
      expect(refusalOf(await fuzz.callers[as].send(wrong, body)), wrong).toBe('not-found');
  }
  expect(news([])).toEqual([]);
  expect(await standing()).toEqual(before);
});

/** What must be as it was after every message. */
async function standing(): Promise<unknown> {
  const { journal: _journal, ...status } = await fuzz.target.client.call('/v1/status', {});
  const { dataDir } = fuzz.target;
  // These two come by themselves.
  const files = readdirSync(dataDir).filter((name) => name !== 'pulled.json' && name !== 'checkpoints.jsonl');
  return { status, pid: fuzz.target.pid(), policies: readdirSync(join(dataDir, 'policies')), files };
}

interface Valid {
  base: unknown;
  first: unknown;
}

async function openTarget(target: FuzzTarget): Promise<Valid> {
  const base = await target.base();
  if (target.kind === 'fresh') return { base, first: null };
  const first = await fuzz.accepted(target.as, target.path, base);
  const fresh = target.spent ? await target.base() : base;
  expect(news([]), `${target.name}: the valid message again`).toEqual([]);
  return { base: fresh, first };
}

async function tryOne(target: FuzzTarget, valid: Valid, mutation: Mutation): Promise<'refused' | 'same' | 'skipped'> {
  const bytes = mutate(valid.base, mutation);
  const value = valueOf(bytes);
  if (isObject(value) && target.skip?.(value as never)) return 'skipped';
  if (target.kind === 'fresh' && value !== undefined && meaning(value) === meaning(valid.base)) return 'skipped';
  const unchanged =
    value !== undefined &&
    mutation.name !== 'a name twice' &&
    bytes.length <= 1_048_576 &&
    canonicalOf(value) === canonicalOf(valid.base);
  const transcripts = transcriptBytes();
  const answer = await fuzz.callers[target.as].send(target.path, bytes);
  const shown = `${target.name}, ${mutation.name}: ${bytes.subarray(0, 3_000).toString('utf8')} -> ${answer?.text}`;
  if (!answer) {
    // What is far too long may not be read to its end.
    expect(bytes.length, shown).toBeGreaterThan(1_048_576);
    return 'refused';
  }
  const code = refusalOf(answer, shown);
  if (code === null) {
    const allowed = isObject(value) && target.allowed?.(value as never, valid.base as never) === true;
    if (!allowed) {
      expect(target.kind, shown).toBe('known');
      expect(isSame(target, valid, JSON.parse(answer.text)), shown).toBe(true);
    }
    expect(news(allowed ? (target.records ?? []) : []), shown).toEqual([]);
    if (!target.records) expect(transcriptBytes(), shown).toBe(transcripts);
    if (target.spent || (allowed && target.records)) valid.base = await target.base();
    return 'same';
  }
  codes.set(code, (codes.get(code) ?? 0) + 1);
  // So many sessions may be open at a time.
  if (unchanged && target.kind === 'known') expect(code, shown).toBe('rate-limited');
  expect(news([]), shown).toEqual([]);
  expect(transcriptBytes(), shown).toBe(transcripts);
  if (target.spent?.(code)) valid.base = await target.base();
  return 'refused';
}

function isSame({ same }: FuzzTarget, { first }: Valid, answer: unknown): boolean {
  return same ? same(answer as never) : isDeepStrictEqual(answer, first);
}

/** The code of a refusal, after a look at its form; null for an accepted message. */
function refusalOf(answer: RawAnswer | null, shown = ''): string | null {
  expect(answer, shown).not.toBeNull();
  const { status, type, text } = answer as RawAnswer;
  const body = JSON.parse(text) as { code: string; message: string; fix: string; results?: Record<string, string>[] };
  if (status === 200) {
    const refused = (body.results ?? []).filter(({ state }) => state !== 'accepted');
    for (const { code = '' } of refused) expectCode(code, shown);
    return refused[0]?.['code'] ?? null;
  }
  expect(type, shown).toBe('application/problem+json');
  expectCode(body.code, shown);
  if (isErrorCode(body.code)) expect(status, shown).toBe(errorRow(body.code).status);
  expect(body.message.length, shown).toBeGreaterThan(0);
  expect(body.fix.length, shown).toBeGreaterThan(0);
  return body.code;
}

function expectCode(code: string, shown: string): void {
  expect(isErrorCode(code), shown).toBe(true);
  expect(code, shown).not.toBe('internal');
}

/** Records since the last look that should not be there. */
function news(allowed: readonly string[]): unknown[] {
  return fuzz.journal.news().filter((record) => {
    // In the background signer-3 has its log cosigned.
    if (record.kind === 'cosigned') return record.body.checkpoint.signer !== 'signer-3';
    return record.kind !== 'refused' && !allowed.includes(record.kind);
  });
}

function transcriptBytes(): number {
  return statSync(join(fuzz.target.dataDir, 'transcripts.jsonl')).size;
}

function valueOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)) as unknown;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}

function canonicalOf(value: unknown): string {
  try {
    return canonicalJson(value);
  } catch {
    return '';
  }
}

/** Without the order of lists, and the case of addresses, which say nothing in a request. */
function meaning(value: unknown): string {
  const sorted = (one: unknown, depth = 0): unknown => {
    // Deeper than a request goes; JSON.parse reads more levels than the stack has.
    if (depth > 100) return null;
    if (Array.isArray(one))
      return one
        .map((inner) => sorted(inner, depth + 1))
        .toSorted((a, b) => (canonicalOf(a) < canonicalOf(b) ? -1 : 1));
    if (typeof one === 'object' && one !== null)
      return Object.fromEntries(Object.entries(one).map(([name, inner]) => [name, sorted(inner, depth + 1)]));
    return typeof one === 'string' && /^0x[0-9a-f]{40}$/i.test(one) ? one.toLowerCase() : one;
  };
  return canonicalOf(sorted(value));
}

test('the inspector of Bitcoin transactions accounts for every byte or refuses', () => {
  const coin = fuzz.stage.addCoin([0, 99], 1_000_000n);
  const { raw_tx } = bitcoinRequest(fuzz.stage, [coin], [bitcoinWithdrawal(), bitcoinWithdrawal()]);
  inspected({ raw_tx }, (value) => {
    const rawTx = (value as { raw_tx: string }).raw_tx;
    const tx = inspectBitcoinTransaction(rawTx);
    const again = RawOldTx.decode(Buffer.from(rawTx, 'hex'));
    expect(bytesToHex(RawOldTx.encode(again))).toBe(rawTx);
    expect(tx.outputs).toEqual(
      again.outputs.map(({ amount, script }) => ({ amountSats: amount, script: bytesToHex(script) })),
    );
  });
});

test('the inspector of Safe transactions accounts for every byte or refuses', () => {
  const rules = { safe, multiSend, guard: null, tokens: [usdc] };
  const honest = [withdrawal(), withdrawal({ asset: usdcAsset, amount: '5' })];
  const seen = new Map<string, string>();
  for (const intents of [honest, honest.slice(0, 1), honest.slice(1)]) {
    const { safe_transaction: base } = evmRequest(intents, 0n);
    inspected(base, (value) => {
      const { to, value: wei, data, operation } = value as typeof base;
      const payments = canonicalJson(
        inspectSafeTransaction({ ...base, to, value: wei, data, operation }, rules).payments.map(
          ({ amount, ...rest }) => ({ ...rest, amount: String(amount) }),
        ),
      );
      // No two calls make the same payments.
      const call = canonicalJson([to.toLowerCase(), wei, data, operation]);
      expect(seen.get(payments) ?? call).toBe(call);
      seen.set(payments, call);
    });
  }
});

/** The reading of a bent value, as far as it gets by the schema: no other error than a refusal. */
function inspected(base: unknown, read: (value: unknown) => void): void {
  const types = (value: unknown) =>
    Object.entries(value ?? {})
      .map(([name, one]) => `${name} ${typeof one}`)
      .toSorted()
      .join();
  fc.assert(
    fc.property(mutations, (mutation) => {
      const value = valueOf(mutate(base, mutation));
      const isHex = (one: unknown) =>
        typeof one !== 'string' || /^(0x)?([0-9a-f]{2})*$/i.test(one) || /^\d+$/.test(one);
      if (types(value) !== types(base) || !Object.values(value ?? {}).every(isHex)) return;
      try {
        read(value);
      } catch (error) {
        expect(error).toMatchObject({ name: 'Failure' });
      }
    }),
    { seed, numRuns: 1_000_000, interruptAfterTimeLimit: 1_000, markInterruptAsFailure: false },
  );
}
