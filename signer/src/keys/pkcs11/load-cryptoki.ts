import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Failure } from '@holdfast/core/failure.ts';
import { asFailure, ck, ckrOf, type Cryptoki } from './cryptoki.ts';
import { notLoadable } from './module-file.ts';

/**
 * Loads a PKCS#11 module into this process, for as long as it runs: C_Finalize would end the module for everybody in it.
 * @param module absolute path of the HSM maker's library. It is code that runs with all of this signer's rights.
 * @throws Failure hsm-unavailable.
 */
export async function loadCryptoki(module: string): Promise<Cryptoki> {
  const { PKCS11 } = await importBinding();
  const cryptoki = new PKCS11();
  try {
    cryptoki.load(module);
  } catch {
    throw notLoadable(module);
  }
  try {
    // Signatures are made on threads of their own.
    cryptoki.C_Initialize({ flags: ck.CKF_OS_LOCKING_OK });
  } catch (error) {
    if (ckrOf(error) !== 'CKR_CRYPTOKI_ALREADY_INITIALIZED') throw asFailure(`start ${module}`, error);
  }
  return cryptoki;
}

/**
 * SHA-256 of pkcs11js' compiled code, 64 hex digits, for the log: it is built on each host, so no bundle and no policy has
 * it. Its JavaScript is in the bundle.
 */
export function bindingHash(): string {
  const path = createRequire(import.meta.url).resolve('pkcs11js/build/Release/pkcs11.node');
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

/** Only here, and only when an HSM is asked for: a software signer loads no native code. */
async function importBinding() {
  try {
    return (await import('pkcs11js')).default;
  } catch {
    throw new Failure('hsm-unavailable', 'the native part of pkcs11js is not built for this Node', {
      fix: 'Run `npm rebuild pkcs11js --ignore-scripts=false` on this host (a C++ compiler, make and Python 3 are needed).',
    });
  }
}
