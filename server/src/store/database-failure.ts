import { Failure } from '@holdfast/core/failure.ts';

/**
 * What PostgreSQL says when it, or this session of it, is going or gone; 25006: it is a standby by now.
 * PostgreSQL, Appendix A.
 */
const goneStates: ReadonlySet<string> = new Set(['57P01', '57P02', '57P03', '57P05', '25006', '53300', '25P03']);
const goneErrors: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);
/** The driver's own, which have no code. */
const goneMessages =
  /^(?:Connection terminated|Client has encountered a connection error|Client was closed|Query read timeout|timeout exceeded when trying to connect)/;

/** All connections of the pool are in use: the database may be well. */
export const isExhausted = (error: unknown): boolean =>
  error instanceof Error && error.message.startsWith('timeout exceeded when trying to connect');

/** Whether a new connection may find the database again, here or on another host. */
export function isGone(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof AggregateError && error.errors.some(isGone)) return true;
  const { code } = error as { code?: unknown };
  if (typeof code === 'string') return goneStates.has(code) || goneErrors.has(code) || /^08...$/.test(code);
  return goneMessages.test(error.message);
}

/**
 * The error itself, or database-unavailable where the connection was lost or not to be had. What ran may have been committed all the
 * same: only what is idempotent by key may be asked for again.
 */
export function asDatabaseFailure(error: unknown): unknown {
  if (error instanceof Failure || !isGone(error)) return error;
  const { code, message } = error as Error & { code?: string };
  return new Failure('database-unavailable', `the database does not answer: ${code ?? message}`, { cause: error });
}

/** Whether asDatabaseFailure said so: the session is of no more use. */
export const isLost = (error: unknown): boolean => error instanceof Failure && error.code === 'database-unavailable';
