import { type ErrorCode, errorRow } from '@holdfast/core/contract/error-codes.ts';
import type { Problem } from '@holdfast/core/contract/problem.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { ValidationFailure } from './validate.ts';

/** Fastify's own refusals, by its error code; what is not listed and has a 4xx status is an invalid request. */
const frameworkCodes: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'body-too-large',
};

/**
 * Any thrown value as RFC 9457 problem details. What is not a Failure becomes `internal` and says nothing of its cause:
 * messages of drivers carry hosts, SQL and values.
 */
export function problemOf(error: unknown, requestId: string): Problem {
  const failure = asFailure(error);
  const row = errorRow(failure.code);
  return {
    type: `urn:holdfast:problem:${failure.code}`,
    title: failure.fix ?? row.fix,
    status: row.status,
    code: failure.code,
    detail: failure.message,
    request_id: requestId,
    retryable: row.retryable,
    errors: errorsOf(failure),
  };
}

/** Whether an error is ours to repair: it belongs in the log with its stack. */
export function isUnexpected(error: unknown): boolean {
  return asFailure(error).code === 'internal';
}

function asFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof Error) {
    const { code, statusCode } = error as { code?: string; statusCode?: number };
    const known = code === undefined ? undefined : frameworkCodes[code];
    if (known !== undefined) return new Failure(known, error.message);
    if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
      return new Failure('invalid-request', error.message);
    }
  }
  return new Failure('internal', 'an unexpected error; it is in the log under the request id');
}

function errorsOf(failure: Failure): Problem['errors'] {
  if (failure instanceof ValidationFailure) return failure.findings.map((finding) => ({ ...finding }));
  return failure.pointer === undefined ? [] : [{ pointer: failure.pointer, detail: failure.message }];
}
