import { createHash } from 'node:crypto';
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, sep } from 'node:path';
import { Failure } from '@holdfast/core/failure.ts';

/** Of group and of others. */
const writableByOthers = 0o022;

/**
 * Looks at a PKCS#11 module before it is loaded: only its owner may write it, and it is not in the folder whose files come
 * back from backups.
 * @param module absolute path; links in it are followed.
 * @returns SHA-256 of the file, 64 hex digits, for the log. A file that is changed right afterwards is not noticed.
 * @throws Failure config-invalid; hsm-unavailable when it cannot be read.
 */
export function inspectModule(module: string, dataDir: string): string {
  const file = look(module);
  const inside = `${realpathSync(dataDir)}${sep}`;
  // Also a link in it, which whoever writes there turns to another file.
  if ([file.path, join(realpathSync(dirname(module)), basename(module))].some((path) => path.startsWith(inside)))
    throw new Failure('config-invalid', `the PKCS#11 module ${module} is inside the data folder ${dataDir}`, {
      fix: 'Install the HSM’s client library outside of it, where the signer cannot write.',
    });
  if (file.mode & writableByOthers)
    throw new Failure('config-invalid', `the PKCS#11 module ${module} can be written by others than its owner`, {
      fix: 'Find out who did; install the HSM’s client library again, and let its owner alone write it.',
    });
  return file.sha256;
}

function look(module: string): { readonly path: string; readonly mode: number; readonly sha256: string } {
  try {
    const path = realpathSync(module);
    return { path, mode: statSync(path).mode, sha256: createHash('sha256').update(readFileSync(path)).digest('hex') };
  } catch {
    throw notLoadable(module);
  }
}

export function notLoadable(module: string): Failure {
  return new Failure('hsm-unavailable', `${module} cannot be loaded as a PKCS#11 module`, {
    fix: 'Install the HSM’s client library and name its PKCS#11 module, an absolute path, in config.json.',
  });
}
