import { canonicalJson } from '../signing/intent.ts';

/** What one endpoint said. */
export interface EndpointAnswer<T> {
  /** Without credentials. */
  readonly endpoint: string;
  readonly answer: T;
}

export interface Tally<T> {
  /** The answer of the most endpoints. */
  readonly answer: T;
  readonly agreeing: readonly string[];
  readonly differing: readonly EndpointAnswer<T>[];
}

/**
 * Groups answers and returns the largest group; null without answers. Whether it is a quorum is the caller's to judge: a
 * quorum is more than half of the endpoints, so no two groups are.
 */
export function tallyAnswers<T>(answers: readonly EndpointAnswer<T>[]): Tally<T> | null {
  const [first] = answers;
  if (!first) return null;
  // Equal nodes print equal text; only where it differs is the order of properties taken out.
  const plain = answers.map(({ answer }) => JSON.stringify(answer));
  const isEqual = plain.every((text) => text === plain[0]);
  const texts = isEqual ? plain : answers.map(({ answer }) => canonicalJson({ answer }));
  const counts = new Map<string | undefined, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  const [largest] = [...counts].toSorted(([, a], [, b]) => b - a);
  const text = largest?.[0];
  const agreeing = answers.filter((_, at) => texts[at] === text);
  return {
    answer: agreeing[0]?.answer ?? first.answer,
    agreeing: agreeing.map(({ endpoint }) => endpoint),
    differing: answers.filter((_, at) => texts[at] !== text),
  };
}

/** The middle one; of an even number the lower middle one. A lying minority is never alone on one side of it. */
export function middleOf<T extends bigint | number>(values: readonly T[]): T | null {
  const ascending = values.toSorted((a, b) => (a < b ? -1 : Number(a > b)));
  return ascending[(ascending.length - 1) >> 1] ?? null;
}
