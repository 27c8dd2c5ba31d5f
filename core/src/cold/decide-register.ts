import Type, { type Static } from 'typebox';
import { Failure } from '../failure.ts';
import type { ColdReading } from './reading.ts';

const strict = { additionalProperties: false } as const;
const Time = Type.String({ minLength: 24, maxLength: 24 });

/** What a custodian has signed, on their own machine; written before a signature leaves. */
export const ColdRegister = Type.Object(
  {
    version: Type.Literal(1),
    entries: Type.Array(
      Type.Object(
        {
          /** Digest. */
          request: Type.String({ pattern: '^[0-9a-f]{64}$' }),
          /** Coins or nonce that it uses up. */
          spends: Type.Array(Type.String({ maxLength: 200 })),
          signed_at: Time,
          /** From then on another request may use the same. */
          aborted_at: Type.Union([Time, Type.Null()]),
        },
        strict,
      ),
    ),
  },
  strict,
);
export type ColdRegister = Static<typeof ColdRegister>;

export const emptyRegister: ColdRegister = { version: 1, entries: [] };

/**
 * The register once this request is signed. The same request may be signed again: its signature says nothing new.
 * @throws Failure cold-already-signed when another one, or an aborted one, uses the same.
 */
export function registerSigning(
  register: ColdRegister,
  { digest, spends }: Pick<ColdReading, 'digest' | 'spends'>,
  nowMs: number,
): ColdRegister {
  const known = register.entries.find(({ request }) => request === digest);
  if (known?.aborted_at !== undefined && known.aborted_at !== null) {
    throw new Failure('cold-already-signed', `this request was aborted at ${known.aborted_at}`, {
      fix: 'Ask for a new request; an aborted one is not signed again.',
    });
  }
  if (known) return register;
  const other = register.entries.find(
    (entry) => entry.aborted_at === null && entry.spends.some((spent) => spends.includes(spent)),
  );
  if (other) {
    const shared = other.spends.find((spent) => spends.includes(spent));
    throw new Failure('cold-already-signed', `${other.request}, signed at ${other.signed_at}, uses ${shared} too`);
  }
  const entry = { request: digest, spends: [...spends], signed_at: new Date(nowMs).toISOString(), aborted_at: null };
  return { ...register, entries: [...register.entries, entry] };
}

/** What else was signed here on the networks of this request and not aborted, the newest last. */
export function openBeside(
  { entries }: ColdRegister,
  { digest, spends }: Pick<ColdReading, 'digest' | 'spends'>,
): ColdRegister['entries'] {
  const networkOf = (spent: string): string => spent.slice(0, spent.indexOf('/') + 1);
  const networks = new Set(spends.map(networkOf));
  return entries.filter(
    (entry) =>
      entry.aborted_at === null &&
      entry.request !== digest &&
      entry.spends.some((spent) => networks.has(networkOf(spent))),
  );
}

/** The register once a signed request is dropped. @throws Failure not-found when it was never signed here. */
export function registerAbort(register: ColdRegister, digest: string, nowMs: number): ColdRegister {
  if (!register.entries.some(({ request }) => request === digest)) {
    throw new Failure('not-found', `${digest} was not signed with these keys`, {
      fix: 'Nothing of it is to be aborted here.',
    });
  }
  const abortedAt = new Date(nowMs).toISOString();
  return {
    ...register,
    entries: register.entries.map((entry) =>
      entry.request === digest ? { ...entry, aborted_at: entry.aborted_at ?? abortedAt } : entry,
    ),
  };
}
