import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Failure } from '@holdfast/core/failure.ts';
import { formatUnits } from '@holdfast/core/money/base-units.ts';
import { type Devnet, startDevnet } from './devnet.ts';
import { keepMining } from './story/bitcoin-pace.ts';
import { decimalsOf, type AssetName } from './story/actors.ts';
import { type StoryResult, tellStory } from './story/tell-story.ts';

/** `npm start`: the whole system on this machine with its story; `-- --once` ends after the story. */
const { values } = parseArgs({ options: { once: { type: 'boolean', default: false }, folder: { type: 'string' } } });
const folder = resolve(values.folder ?? fileURLToPath(new URL('../../.holdfast', import.meta.url)));
const started = performance.now();
const say = (line: string): void =>
  console.log(`${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  ${line}`);

let devnet: Devnet | undefined;
let endMining: (() => Promise<void>) | undefined;
let ending: Promise<void> | undefined;

function end(code: number): Promise<void> {
  ending ??= (async () => {
    say('stopping every process');
    await endMining?.();
    await devnet?.stop();
    say('stopped');
    process.exit(code);
  })();
  return ending;
}

let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    interrupted = true;
    // Before the devnet is up, its own start ends what it began.
    if (devnet) void end(signal === 'SIGINT' && !values.once ? 0 : 1);
    else say('stopping when the start has got far enough');
  });
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function report(result: StoryResult, memory: ReadonlyMap<string, number>): void {
  console.log(
    `\n${table([['Step', 'Seconds', 'What happened'], ...result.rows.map((row) => [row.step, row.seconds.toFixed(1), row.detail])])}`,
  );
  console.log(
    `\n${table([
      ['Withdrawal', 'Charged', 'Network fee', 'Transaction'],
      ...result.payouts.map(({ withdrawal, feePaid }) => {
        const coins = (text: string): string =>
          `${formatUnits(BigInt(text), decimalsOf[withdrawal.asset as AssetName])} ${withdrawal.asset}`;
        return [coins(withdrawal.amount), coins(withdrawal.fee), feePaid, withdrawal.txid ?? ''];
      }),
    ])}`,
  );
  console.log(
    `\n${table([['Process', 'Memory'], ...[...memory].map(([name, bytes]) => [name, `${Math.round(bytes / 1_048_576)} MiB`])])}\n`,
  );
}

try {
  devnet = await startDevnet({ folder, log: say, blockTimeS: 1 });
  if (interrupted) await end(1);
  const { bitcoin, bitcoinProblem } = devnet.chains;
  if (bitcoin) endMining = keepMining(bitcoin.miner);
  else say(`Bitcoin is left out: ${bitcoinProblem}`);
  // What a signer asks for in earnest: node_faults + 1 endpoints of its own, on hosts of its own.
  say('Policy version 1 provides for no lying node here (node_faults 0); in earnest it is 2.');
  const result = await tellStory(devnet, say);
  report(result, devnet.memory());
  say(`The story took ${((performance.now() - started) / 1000).toFixed(0)} s from the start.`);
  if (values.once) {
    await end(0);
  } else {
    say(`The API listens on ${devnet.apiUrl()}. In another terminal: npm run holdfast -- status`);
    say('Ctrl-C stops everything; npm start goes on where it ended; npm run reset forgets it.');
  }
} catch (error) {
  if (!interrupted) {
    console.error(
      error instanceof Failure ? `${error.code}: ${error.message}${error.fix ? `\n${error.fix}` : ''}` : error,
    );
    console.error(`Logs are in ${folder}/logs.`);
  }
  await end(1);
}
