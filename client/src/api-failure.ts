import { isErrorCode } from '@holdfast/core/contract/error-codes.ts';
import type { Problem } from '@holdfast/core/contract/problem.ts';
import { Failure } from '@holdfast/core/failure.ts';

/** The server's problem details as a Failure; `problem` holds all of it. */
export class ApiFailure extends Failure {
  readonly problem: Problem;
  /** What the server asked for in Retry-After, seconds; 0 when it asked for nothing. */
  readonly retryAfterS: number;

  constructor(problem: Problem, retryAfterS = 0) {
    const pointer = problem.errors[0]?.pointer;
    super(isErrorCode(problem.code) ? problem.code : 'internal', problem.detail, {
      fix: problem.title,
      ...(pointer !== undefined && { pointer }),
    });
    this.problem = problem;
    this.retryAfterS = retryAfterS;
  }
}

/** What the server said with an error status. A proxy in between may answer something else than problem details. */
export async function failureOf(response: Response): Promise<Failure> {
  const text = await response.text().catch(() => '');
  try {
    const problem = JSON.parse(text) as Partial<Problem>;
    if (typeof problem.code === 'string' && typeof problem.detail === 'string') {
      const body = {
        type: problem.type ?? 'about:blank',
        title: problem.title ?? '',
        status: problem.status ?? response.status,
        code: problem.code,
        detail: problem.detail,
        request_id: problem.request_id ?? '',
        retryable: problem.retryable ?? false,
        errors: problem.errors ?? [],
      };
      const asked = Number(response.headers.get('retry-after') ?? 0);
      return new ApiFailure(body, Number.isFinite(asked) && asked > 0 ? asked : 0);
    }
  } catch {
    // Not JSON: told below.
  }
  const code = response.status >= 500 ? 'server-unavailable' : 'invalid-request';
  return new Failure(code, `HTTP ${response.status} without problem details: ${text.slice(0, 200)}`);
}

/** Whether the same request may succeed later. */
export function isRetryable(error: unknown): boolean {
  if (error instanceof ApiFailure) return error.problem.retryable;
  return error instanceof Failure && error.code === 'server-unavailable';
}

/** Refusals of a request that nothing was done of: it may be sent again, also a POST. */
const untouched: ReadonlySet<string> = new Set(['rate-limited', 'overloaded']);

/** Whether the server was too busy to look at the request. */
export const isRefusedUnread = (error: unknown): boolean =>
  error instanceof ApiFailure && error.problem.retryable && untouched.has(error.problem.code);
