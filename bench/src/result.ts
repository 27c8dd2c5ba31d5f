/** One measured number. */
export interface BenchResult {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** Conditions, spread, target. */
  readonly note?: string;
}

/** The results as aligned lines of text. */
export function tableOf(results: readonly BenchResult[]): string {
  const texts = results.map((result) => ({ ...result, text: formatValue(result.value) }));
  const nameWidth = Math.max(...texts.map((row) => row.name.length));
  const valueWidth = Math.max(...texts.map((row) => row.text.length));
  const unitWidth = Math.max(...texts.map((row) => row.unit.length));
  return texts
    .map((row) =>
      `${row.name.padEnd(nameWidth)}  ${row.text.padStart(valueWidth)} ${row.unit.padEnd(unitWidth)}  ${row.note ?? ''}`.trimEnd(),
    )
    .join('\n');
}

function formatValue(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: value < 100 ? 1 : 0 });
}

/** The middle of the sorted values; the lower of two. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
}
