import { Failure } from '@holdfast/core/failure.ts';

const writeRepairs: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota is used up',
  EFBIG: 'the file may not grow further',
  EIO: 'the disk fails',
};

/** Of a failed write to a file that only grows: how much was written is unknown, and only a restart, which reads the file again, can tell. */
export function cannotWrite(path: string, cause: unknown): Failure {
  const why = writeRepairs[systemCode(cause) ?? ''];
  if (why === undefined) {
    return new Failure('journal-broken', `${path} could not be written, or another process writes it too`, {
      fix: 'Look for a second signer on this data folder and stop it; then restart this one, which reads the journal again.',
      cause,
    });
  }
  return new Failure('journal-broken', `${path} could not be written: ${why}`, {
    fix: 'Make room or repair the disk, then restart the signer. It cuts off the record that was not written in full: nothing was signed on its strength.',
    cause,
  });
}

/** `ENOSPC`, `EACCES`, ...; undefined for what is no error of the system. */
export function systemCode(error: unknown): string | undefined {
  return (error as { code?: string } | undefined)?.code;
}
