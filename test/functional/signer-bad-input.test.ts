import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, cpSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { canonicalJson } from '@holdfast/core/signing/intent.ts';
import type { JournalRecord } from '@holdfast/core/signing/journal-record.ts';
import { signerEnv } from '@holdfast/devnet/signer-program.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { signEvm } from '../support/signer-rounds.ts';
import { evmRequest, startStage, withdrawal, type SignerStage } from '../support/signer-stage.ts';
import { waitFor, type SignerProcess } from '../support/signers.ts';

/**
 * What an operator may find a signer's files and disk in: it does not sign, says why and how to repair, and signs
 * again after the repair. Journal, policy store and ceremony have their own tests of each fault; here runs the whole signer.
 */
let stage: SignerStage;
let one: SignerProcess;
let two: SignerProcess;
let kept: string;

beforeAll(async () => {
  stage = await startStage();
  [one, two] = stage.cluster.signers as [SignerProcess, SignerProcess];
  kept = join(stage.folder, 'kept');
});
afterAll(() => stage?.stop());

const file = (name: string): string => join(one.dataDir, name);
let amount = 1_000;
/** Every one another transaction. */
const request = () => evmRequest([withdrawal({ amount: String((amount += 1)) })], 0n);
const signs = async (signer = one): Promise<void> => {
  await expect(signEvm(request())(signer)).resolves.toMatchObject({ owner: signer.card.owner_address });
};

function journalOf(signer: SignerProcess): JournalRecord[] {
  const lines = readFileSync(join(signer.dataDir, 'journal.jsonl'), 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as JournalRecord);
}

function keep(): void {
  rmSync(kept, { recursive: true, force: true });
  cpSync(one.dataDir, kept, { recursive: true });
}

function restore(): void {
  rmSync(one.dataDir, { recursive: true });
  cpSync(kept, one.dataDir, { recursive: true });
}

/** Of a transaction that a signer let out, or says it did. */
const signedBy = (signer: string): number =>
  journalOf(two).filter((record) => record.kind === 'signed' && record.body.statement.signer === signer).length;

const edit = (name: string, change: (text: string) => string) => (): void => {
  const text = readFileSync(file(name), 'utf8');
  const changed = change(text);
  expect(changed).not.toBe(text);
  writeFileSync(file(name), changed);
};
const lines = (change: (all: string[]) => string[]) => (text: string) =>
  change(text.trimEnd().split('\n'))
    .map((line) => `${line}\n`)
    .join('');
const otherDigit = (line: string): string =>
  line.replace(/"transcript":"./, (found) => `"transcript":"${found.endsWith('0') ? '1' : '0'}`);
const remove = (name: string) => (): void => rmSync(file(name));
const config = (change: (value: { peers: Record<string, string>[]; quorum?: number }) => void) =>
  edit('config.json', (text) => {
    const value = JSON.parse(text);
    change(value);
    return JSON.stringify(value);
  });

describe('files', () => {
  beforeAll(async () => {
    await signs();
    await one.stop();
    keep();
  });

  test.each<[string, string, RegExp, RegExp, () => void]>([
    [
      'a wrong passphrase',
      'wrong-passphrase',
      /./,
      /HOLDFAST_PASSPHRASE_FILE/,
      () => writeFileSync(join(stage.folder, 'passphrase'), 'another'),
    ],
    ['no journal', 'journal-broken', /journal\.jsonl/, /backup/, remove('journal.jsonl')],
    [
      'a changed byte in the journal',
      'journal-broken',
      /line 3/,
      /backup/,
      edit(
        'journal.jsonl',
        lines((all) => all.with(1, otherDigit(all[1] ?? ''))),
      ),
    ],
    [
      'a record taken out of the journal',
      'journal-broken',
      /line 4/,
      /backup/,
      edit(
        'journal.jsonl',
        lines((all) => all.toSpliced(3, 1)),
      ),
    ],
    [
      'a record of another signer in the journal',
      'journal-broken',
      /line/,
      /backup/,
      edit(
        'journal.jsonl',
        lines((all) => [...all, JSON.stringify(journalOf(two).at(-1))]),
      ),
    ],
    [
      'the journal of another signer',
      'journal-broken',
      /signer-2/,
      /own journal/,
      () => {
        for (const name of ['journal.jsonl', 'transcripts.jsonl']) cpSync(join(two.dataDir, name), file(name));
      },
    ],
    ['no transcripts', 'journal-broken', /transcripts\.jsonl/, /backup/, remove('transcripts.jsonl')],
    [
      'a changed transcript',
      'journal-broken',
      /transcripts\.jsonl/,
      /backup/,
      edit('transcripts.jsonl', (text) => text.replace('"amount":"1', '"amount":"2')),
    ],
    ['no policy', 'policy-missing', /1\.json/, /policies folder/, remove('policies/1.json')],
    [
      'a changed policy',
      'policy-missing',
      /1\.json/,
      /./,
      edit('policies/1.json', (text) => text.replace('"intent_s_max":', '"intent_s_max":1')),
    ],
    [
      'a policy whose signatures were exchanged',
      'policy-missing',
      /signatures/,
      /./,
      edit('policies/1.json', (text) => text.replace(/"signature":"../, '"signature":"00')),
    ],
    ['no ceremony', 'config-invalid', /ceremony\.json/, /--accept/, remove('ceremony.json')],
    [
      'a changed ceremony',
      'ceremony-differs',
      /ceremony\.json/,
      /--accept/,
      edit('ceremony.json', (text) => text.replace('"quorum":2', '"quorum":3')),
    ],
    [
      "a peer's certificate exchanged in the config",
      'ceremony-differs',
      /signer-2/,
      /Put back/,
      config(({ peers }) => (peers[0]!['fingerprint'] = '00'.repeat(32))),
    ],
    ['another quorum in the config', 'ceremony-differs', /quorum/, /Put back/, config((all) => (all.quorum = 3))],
    ['a config that is no JSON', 'config-invalid', /config\.json/, /./, edit('config.json', (text) => text.slice(1))],
    [
      'an older journal than its checkpoints',
      'journal-behind',
      /./,
      /halts\.md, journal-behind/,
      () => {
        const size = journalOf(one).length;
        const checkpoint = { version: 1, signer: 'signer-1', size: size + 1, root: '00'.repeat(32) };
        const line = { checkpoint, signature: '00'.repeat(64), cosignatures: [] };
        appendFileSync(file('checkpoints.jsonl'), `${canonicalJson(line)}\n`);
      },
    ],
  ])(
    '%s: does not start, says why and how to repair; repaired, it signs',
    async (_, code, why, fix, spoil) => {
      const signed = signedBy(one.id);
      try {
        spoil();
        await expect(one.start()).rejects.toThrow(/ended with [1-9]/);
        const fatal = { event: 'fatal', code, message: expect.stringMatching(why), fix: expect.stringMatching(fix) };
        expect(one.log.at(-1)).toMatchObject(fatal);
        expect(JSON.stringify(one.log.at(-1))).not.toContain('correct horse');
      } finally {
        await one.stop('SIGKILL');
        writeFileSync(join(stage.folder, 'passphrase'), 'correct horse battery staple\n');
        restore();
      }
      await one.start();
      await signs();
      await waitFor('the notice', 5_000, () => signedBy(one.id) === signed + 1);
      await one.stop();
      keep();
    },
    60_000,
  );

  test('a torn last line of journal and transcripts is cut off, and it signs', async () => {
    for (const name of ['journal.jsonl', 'transcripts.jsonl']) appendFileSync(file(name), '{"torn":');
    await one.start();
    const events = one.log.map(({ event }) => event);
    expect(events).toEqual(expect.arrayContaining(['journal-tail-cut', 'transcripts-tail-cut']));
    await signs();
    expect(readFileSync(file('journal.jsonl'), 'utf8')).not.toContain('torn');
  });
});

test('a second process on the same folder does not start, and the first goes on', async () => {
  const { status, fatal } = await runAgain();
  expect(status).toBe(3);
  expect(fatal).toMatchObject({ code: 'already-running', fix: expect.stringMatching(/Stop/) });
  await signs();
});

test('with the end of its journal cut off it starts, and signs nothing until it is back', async () => {
  // The peers have countersigned the last records.
  await signs();
  await one.stop();
  keep();
  edit('journal.jsonl', (text) => text.slice(0, text.length * 0.8))();
  rmSync(file('checkpoints.jsonl'), { force: true });
  await one.start();
  await expect(signEvm(request())(one)).rejects.toMatchObject({ code: 'journal-behind' });
  await waitFor('the hello of a peer', 20_000, async () => {
    const { problem } = await one.client.call('/v1/status', {});
    return problem?.startsWith('journal-behind') ?? false;
  });
  await expect(signEvm(request())(one)).rejects.toMatchObject({ code: 'journal-behind' });
  await one.stop();
  restore();
  await one.start();
  await signs();
}, 60_000);

test.each(['journal.jsonl', 'transcripts.jsonl'])(
  'a disk with no room for %s: refuses and says so, lets nothing out, and signs after a restart with room',
  async (name) => {
    const { size } = await roomIn(name);
    await one.stop();
    const limitKib = Math.floor((size + 900) / 1_024) + 1;
    const child = startLimited(limitKib);
    try {
      await waitFor('the limited signer', 30_000, () => child.events().includes('listening'));
      let refusal: unknown = null;
      for (let at = 0; at < 30 && refusal === null; at += 1) {
        await signEvm(request())(one).catch((error: unknown) => (refusal = error));
      }
      expect(refusal).toMatchObject({
        code: 'journal-broken',
        message: expect.stringContaining(`${name} could not be written`),
        fix: expect.stringMatching(/room/),
      });
      await expect(signEvm(request())(one)).rejects.toMatchObject({ code: 'journal-broken' });
      const { problem } = await one.client.call('/v1/status', {});
      expect(problem).toMatch(/^journal-broken/);
      expect(child.events()).not.toContain('internal');
    } finally {
      await child.stop();
    }
    const before = journalOf(two).filter(({ kind }) => kind === 'signed').length;
    await one.start();
    await signs();
    await waitFor('the notice', 5_000, () => {
      const after = journalOf(two).filter(({ kind }) => kind === 'signed').length;
      return after === before + 1;
    });
  },
  60_000,
);

const main = (): string => stage.cluster.program.main;
const env = () => signerEnv(join(stage.folder, 'passphrase'));

/** Makes the file the larger one of the two, so that a limit hits it first. */
async function roomIn(name: string): Promise<{ size: number }> {
  const other = name === 'journal.jsonl' ? 'transcripts.jsonl' : 'journal.jsonl';
  const margin = 20_000;
  while (name === 'transcripts.jsonl' && statSync(file(name)).size < statSync(file(other)).size + margin) {
    const many = Array.from({ length: 50 }, () => withdrawal({ amount: String((amount += 1)) }));
    await signEvm(evmRequest(many, 0n))(one);
  }
  return statSync(file(name));
}

async function runAgain(): Promise<{ status: number | null; fatal: unknown }> {
  const child = spawn(process.execPath, [main(), 'run', one.dataDir], {
    env: env(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, fatal: JSON.parse(text.trim().split('\n').at(-1) ?? '') as unknown };
}

/** The first signer, none of whose files may grow over the limit: writing on fails with EFBIG, as on a full disk. */
function startLimited(kib: number): { events: () => unknown[]; stop: () => Promise<void> } {
  const command = `ulimit -f ${kib}; exec "$0" "$@"`;
  const child = spawn('bash', ['-c', command, process.execPath, main(), 'run', one.dataDir], {
    env: env(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const gone = once(child, 'exit');
  return {
    events: () =>
      text
        .trim()
        .split('\n')
        .filter((line) => line.endsWith('}'))
        .map((line) => (JSON.parse(line) as { event: unknown }).event),
    stop: async () => {
      child.kill('SIGTERM');
      await gone;
    },
  };
}
