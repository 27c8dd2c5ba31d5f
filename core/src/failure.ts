import type { ErrorCode } from './contract/error-codes.ts';

/**
 * Expected trouble: a refusal, bad input, a component that is away. `code` is a row of the one error table
 * (contract/error-codes.ts), the message names the values, `fix` says what to do.
 */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly code: ErrorCode;
  /** What the reader can do about it, when the table's own hint does not suffice. */
  readonly fix: string | undefined;
  /** JSON pointer into the request body that caused it, RFC 6901. */
  readonly pointer: string | undefined;

  constructor(code: ErrorCode, message: string, options: { fix?: string; pointer?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.fix = options.fix;
    this.pointer = options.pointer;
  }
}
