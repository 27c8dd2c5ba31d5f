import { Failure } from '@holdfast/core/failure.ts';
import type { Handle, PKCS11 } from 'pkcs11js';

/** What of PKCS#11 (OASIS, version 2.40) this signer calls; the names are the standard's. */
export type Cryptoki = Pick<
  PKCS11,
  | 'C_GetSlotList'
  | 'C_GetTokenInfo'
  | 'C_OpenSession'
  | 'C_GetSessionInfo'
  | 'C_CloseSession'
  | 'C_Login'
  | 'C_FindObjectsInit'
  | 'C_FindObjects'
  | 'C_FindObjectsFinal'
  | 'C_GetAttributeValue'
  | 'C_GenerateKey'
  | 'C_GenerateKeyPair'
  | 'C_DestroyObject'
  | 'C_SignInit'
  | 'C_SignAsync'
  | 'C_EncryptInit'
  | 'C_Encrypt'
  | 'C_DecryptInit'
  | 'C_Decrypt'
>;
export type { Handle };

/** Numbers of the standard's header file, written out so that nothing is loaded before config.json asks for it. */
export const ck = {
  CKF_OS_LOCKING_OK: 0x2,
  CKF_RW_SESSION: 0x2,
  CKF_SERIAL_SESSION: 0x4,
  CKF_USER_PIN_INITIALIZED: 0x8,
  CKF_USER_PIN_FINAL_TRY: 0x20000,
  CKF_USER_PIN_LOCKED: 0x40000,
  CKS_RO_USER_FUNCTIONS: 1,
  CKS_RW_USER_FUNCTIONS: 3,
  CKU_USER: 1,
  CKO_PUBLIC_KEY: 2,
  CKO_PRIVATE_KEY: 3,
  CKO_SECRET_KEY: 4,
  CKK_EC: 0x3,
  CKK_AES: 0x1f,
  CKA_CLASS: 0x0,
  CKA_TOKEN: 0x1,
  CKA_PRIVATE: 0x2,
  CKA_LABEL: 0x3,
  CKA_KEY_TYPE: 0x100,
  CKA_ID: 0x102,
  CKA_SENSITIVE: 0x103,
  CKA_ENCRYPT: 0x104,
  CKA_DECRYPT: 0x105,
  CKA_WRAP: 0x106,
  CKA_UNWRAP: 0x107,
  CKA_SIGN: 0x108,
  CKA_VERIFY: 0x10a,
  CKA_DERIVE: 0x10c,
  CKA_VALUE_LEN: 0x161,
  CKA_EXTRACTABLE: 0x162,
  CKA_LOCAL: 0x163,
  CKA_NEVER_EXTRACTABLE: 0x164,
  CKA_ALWAYS_SENSITIVE: 0x165,
  CKA_EC_PARAMS: 0x180,
  CKA_EC_POINT: 0x181,
  CKM_EC_KEY_PAIR_GEN: 0x1040,
  CKM_ECDSA: 0x1041,
  CKM_AES_KEY_GEN: 0x1080,
  CKM_AES_GCM: 0x1087,
} as const;

/** The CKR name of what a call ended with; what else went wrong has none. */
export function ckrOf(error: unknown): string {
  return /^CKR_\w+/.exec(error instanceof Error ? error.message : '')?.[0] ?? 'no reason given';
}

/** Runs calls of the module. @throws Failure hsm-unavailable with what was tried, and the CKR name and number. */
export function attempt<T>(what: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw asFailure(what, error);
  }
}

/** Never with the error itself: a module may have put anything into it. */
export function asFailure(what: string, error: unknown): Failure {
  if (error instanceof Failure) return error;
  // Makers have reasons of their own, which have one name and many numbers. The binding hands the number over as `code`.
  const number = error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : null;
  const reason = number === null ? ckrOf(error) : `${ckrOf(error)} (0x${number.toString(16)})`;
  return new Failure('hsm-unavailable', `the HSM could not ${what}: ${reason}`);
}
