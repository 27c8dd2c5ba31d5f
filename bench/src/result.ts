/** One measured number. */
export interface BenchResult {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** Conditions, spread. */
  readonly note?: string;
  /** Both ends meet it. A run with a result that misses it fails. */
  readonly target?: { readonly min?: number; readonly max?: number };
}

/** The results that miss their target, one no number among them. */
export function missedTargets(results: readonly BenchResult[]): BenchResult[] {
  return results.filter(({ value, target }) => {
    const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = target ?? {};
    return target !== undefined && !(value >= min && value <= max);
  });
}

/** Target and note in one text. */
export function noteOf({ target, note }: BenchResult): string {
  const ends = [
    ...(target?.min === undefined ? [] : [`target >= ${target.min.toLocaleString('en-US')}`]),
    ...(target?.max === undefined ? [] : [`target <= ${target.max.toLocaleString('en-US')}`]),
  ];
  return [...ends, ...(note === undefined ? [] : [note])].join('; ');
}

/** The results as aligned lines of text. */
export function tableOf(results: readonly BenchResult[]): string {
  const texts = results.map((result) => ({ ...result, text: formatValue(result.value) }));
  const nameWidth = Math.max(...texts.map((row) => row.name.length));
  const valueWidth = Math.max(...texts.map((row) => row.text.length));
  const unitWidth = Math.max(...texts.map((row) => row.unit.length));
  return texts
    .map((row) =>
      `${row.name.padEnd(nameWidth)}  ${row.text.padStart(valueWidth)} ${row.unit.padEnd(unitWidth)}  ${noteOf(row)}`.trimEnd(),
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

/** The value that a share of them, 0 to 1, does not exceed. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}
