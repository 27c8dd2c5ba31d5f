import { expect, test } from 'vitest';
import { readTexts, repoFiles, repoRoot } from './repo-files.ts';

/* Every alarm that the source raises has a row in a runbook, and no row tells of an alarm that nothing raises. */

const texts = readTexts(
  repoRoot,
  repoFiles(repoRoot).filter((path) => /^(server|signer|core)\/src\/.*(?<!\.test)\.ts$/.test(path)),
);
const runbook = readTexts(repoRoot, ['docs/runbooks/alarms.md']).get('docs/runbooks/alarms.md')!;
const [ofServer = '', ofSigners = ''] = runbook.split('## In a signer');

/** Codes in the first column of the tables. */
const documented = (text: string): Set<string> =>
  new Set(
    [...text.matchAll(/^\| (`[^|]+`) \|/gm)].flatMap(([, cell]) =>
      [...cell!.matchAll(/`([a-z-]+)`/g)].map(([, code]) => code!),
    ),
  );

/** What names a code within a few lines of a raise: `raiseAlarm(...)`, `alarms.push(...)`, or an alarm made for either. */
function raised(): Set<string> {
  const codes = new Set<string>();
  for (const [path, text] of texts) {
    if (path.startsWith('signer/')) continue;
    for (const { index } of text.matchAll(/raiseAlarm\(|alarms\.push\(|const alarm = \{/g)) {
      const code = /^[^;]{0,200}?\bcode: '([a-z-]+)'/s.exec(text.slice(index))?.[1];
      if (code !== undefined) codes.add(code);
    }
  }
  return codes;
}

/** Failures that loops and signers hand on (the alarm's code is the error's), and codes that are chosen before the raise. */
const handedOn = [
  'broadcast-refused',
  'broadcast-uncertain',
  'database-behind',
  'node-quorum-lost',
  'node-unavailable',
  'node-disagreement',
  'signers-unavailable',
  'degraded-limit',
  'journal-behind',
  'journal-broken',
  'clock-behind',
  'policy-missing',
  'policy-differs',
  'build-not-permitted',
  'nodes-too-few',
  'derivation-mismatch',
  'database-unavailable',
  'job-failed',
];

test('every alarm of the server has its row, and every row its alarm', () => {
  const codes = raised();
  expect(codes.size).toBeGreaterThan(10);
  expect([...documented(ofServer)].toSorted()).toEqual([...new Set([...codes, ...handedOn])].toSorted());
});

test('what the source hands on is named in it', () => {
  const all = [...texts.values()].join('\n');
  for (const code of handedOn) expect(all, code).toMatch(new RegExp(`'${code}'`));
  const waits = /signersMissing: ReadonlySet<string> = new Set\(\[([^\]]+)\]/.exec(all)?.[1] ?? '';
  const named = [...waits.matchAll(/'([a-z-]+)'/g)].map(([, code]) => code!);
  expect(named.length).toBeGreaterThan(3);
  expect(handedOn).toEqual(expect.arrayContaining(named));
});

test('every alarm in the log of a signer has its row, and every row its alarm', () => {
  const codes = new Set<string>();
  for (const [path, text] of texts) {
    if (!path.startsWith('signer/')) continue;
    for (const [, code] of text.matchAll(/\balarm: '([a-z-]+)'/g)) codes.add(code!);
  }
  expect(codes.size).toBeGreaterThan(4);
  expect([...documented(ofSigners)].toSorted()).toEqual([...codes].toSorted());
});
