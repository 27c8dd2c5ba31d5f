import type { DrillRow } from './attack.ts';
import { amountText } from './judge.ts';

/** The rows as one table in plain text. */
export function tableOf(rows: readonly DrillRow[]): string {
  const head = ['#', 'Attack', 'Left', 'Bound', 'Of hot', 'Halted after', 'Then', 'Evidence', ''];
  const lines = rows.map((row) => [
    String(row.adversary),
    row.attack,
    amountText(row.left),
    amountText(row.bound),
    `${(row.shareOfHot * 100).toFixed(1)} %`,
    row.haltedAfterMs === null ? 'refused' : `${row.haltedAfterMs} ms`,
    Object.entries(row.afterMs)
      .map(([what, ms]) => `${what} ${ms} ms`)
      .join(', '),
    [...new Set(row.evidence)].slice(0, 3).join(', '),
    row.broken === null ? 'held' : `BROKEN: ${row.broken}`,
  ]);
  const all = [head, ...lines];
  const widths = head.map((_, i) => Math.max(...all.map((line) => line[i]!.length)));
  const table = all.map((line) =>
    line
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd(),
  );
  const notes = rows.flatMap((row) => row.notes.map((note) => `${row.adversary}, ${row.attack}: ${note}`));
  return [...table, ...(notes.length === 0 ? [] : ['', ...notes])].join('\n');
}
