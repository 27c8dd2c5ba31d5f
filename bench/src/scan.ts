import { createHash, randomBytes } from 'node:crypto';
import { readTransaction } from '@holdfast/core/chains/bitcoin/parse-transaction.ts';
import { candidates } from '@holdfast/core/chains/bitcoin/scan.ts';
import { cursorOf } from '@holdfast/core/chains/bitcoin/wire.ts';
import { fingerprintTable } from '@holdfast/core/deposits/fingerprint-table.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import { type BenchResult, median, quantile, tableOf } from './result.ts';

const sizes = [10_000_000, 100_000_000];
const scriptChars = 44;
const transactions = 2_500;
const rounds = 101;
const matchMsMax = 5;

/**
 * A full Bitcoin block (2,500 payments, each with an input, a payout and change) against the watch index, with what else a
 * server does with it: reading every byte and hashing every transaction, so that no node is believed.
 */
export async function run(): Promise<BenchResult[]> {
  const text = Array.from({ length: transactions }, payment).join('');
  const parseMs: number[] = [];
  const parse = () => {
    const cursor = cursorOf(text);
    return Array.from({ length: transactions }, () => readTransaction(cursor, false).transaction);
  };
  for (let round = 0; round < rounds / 4; round++) {
    const startMs = performance.now();
    parse();
    parseMs.push(performance.now() - startMs);
  }
  const { scripts, outpoints } = candidates({ hash: '', prev: '', timeMs: 0, txs: parse() });
  return [
    ...sizes.flatMap((size) => against(size, scripts, outpoints)),
    {
      name: 'the block read and every transaction hashed',
      value: median(parseMs),
      unit: 'ms',
      note: `${text.length / 2} bytes; not part of the search`,
    },
  ];
}

function payment(): string {
  const hex = (bytes: number): string => randomBytes(bytes).toString('hex');
  const outputs = `02a086010000000000225120${hex(32)}a086010000000000160014${hex(20)}`;
  return `02000000000101${hex(32)}0000000000fdffffff${outputs}0140${hex(64)}00000000`;
}

function against(members: number, scripts: readonly string[], outpoints: readonly string[]): BenchResult[] {
  const startMs = performance.now();
  const table = fingerprintTable(randomBytes(16), members);
  // Each window of a long random text is an address; a text can be half a gigabyte at most.
  for (let first = 0; first < members; first += 10_000_000) {
    const text = createHash('shake256', { outputLength: 5_000_050 }).update(`${first}`).digest('hex');
    for (let n = 0; n < Math.min(10_000_000, members - first); n++) table.add(text, n, n + scriptChars);
  }
  const builtMs = performance.now() - startMs;
  const times = { scripts: [] as number[], outpoints: [] as number[], processor: [] as number[] };
  let met = 0;
  for (let round = 0; round < rounds; round++) {
    for (const [what, keys] of [['scripts', scripts] as const, ['outpoints', outpoints] as const]) {
      const [from, spent] = [performance.now(), process.cpuUsage()];
      met += keys.filter((key) => table.mayHold(key)).length;
      times[what].push(performance.now() - from);
      if (what === 'scripts') times.processor.push(process.cpuUsage(spent).user / 1_000);
    }
  }
  invariant(met === 0, 'strangers met members');
  const name = `${members / 1_000_000}M addresses`;
  return [
    {
      name: `5,000 outputs against ${name}`,
      value: median(times.scripts),
      unit: 'ms',
      ...(members === sizes[0] && { target: { max: matchMsMax } }),
      note: `p95 ${quantile(times.scripts, 0.95).toFixed(1)}, best ${Math.min(...times.scripts).toFixed(1)}, processor time ${median(times.processor).toFixed(1)}, of ${rounds} runs; ${transactions} inputs against coins ${median(times.outpoints).toFixed(1)} ms`,
    },
    {
      name: `  memory of ${name}`,
      value: table.bytes / 2 ** 20,
      unit: 'MiB',
      note: `built in ${Math.round(builtMs / 1_000)} s`,
    },
  ];
}

if (import.meta.main) process.stdout.write(`${tableOf(await run())}\n`);
