/** What `lintPolicy` has to say about one place. */
export interface PolicyFinding {
  readonly level: 'error' | 'warning';
  /** Like `networks[0].assets[1].limits`; empty for the whole. */
  readonly path: string;
  readonly message: string;
}

export type Report = (level: PolicyFinding['level'], path: string, message: string) => void;

/** Reports every entry that has the same name as one before it. */
export function duplicates<T>(
  entries: readonly T[],
  nameOf: (entry: T) => string,
  path: string,
  report: Report,
  field?: string,
): void {
  const seen = new Map<string, number>();
  entries.forEach((entry, index) => {
    const name = nameOf(entry);
    const first = seen.get(name);
    if (first === undefined) seen.set(name, index);
    else
      report(
        'error',
        `${path}[${index}]${field === undefined ? '' : `.${field}`}`,
        `is that of ${path}[${first}] again`,
      );
  });
}
