import { randomBytes } from 'node:crypto';
import { Failure } from '@holdfast/core/failure.ts';
import { wrapContext, type KeyWrap } from '../key-wrap.ts';
import { attempt, ck, ckrOf, type Cryptoki, type Handle } from './cryptoki.ts';
import { heldKey } from './held-key.ts';
import type { TokenSessions } from './token-sessions.ts';

const ivBytes = 12;
const tagBytes = 16;
/** How pkcs11js names the parameters of CKM_AES_GCM. */
const gcmParameters = 3;

/** What tokens say of a tag that does not fit. */
const doesNotOpen = new Set(['CKR_AEAD_DECRYPT_FAILED', 'CKR_ENCRYPTED_DATA_INVALID', 'CKR_ENCRYPTED_DATA_LEN_RANGE']);
/** Some, SoftHSM among them, find no better word for it than for a session that broke. */
const mayNotOpen = new Set(['CKR_FUNCTION_FAILED', 'CKR_GENERAL_ERROR']);

/**
 * AES-256-GCM with the key on the token (CKM_AES_GCM, NIST SP 800-38D): initialisation vector, ciphertext, tag. It blocks
 * the process until the module answers, which is at its start and when a
 * key is generated.
 */
export function tokenWrap(cryptoki: Cryptoki, sessions: TokenSessions, label: string, signer: string): KeyWrap {
  const held = heldKey(cryptoki, sessions, label, 'wrap');
  const useOnce = <T>(what: string, run: (session: Handle, key: Handle) => T): T => {
    const { session, key } = held.get();
    try {
      return attempt(what, () => run(session, key));
    } catch (error) {
      held.drop();
      throw error;
    }
  };
  const use: typeof useOnce = (what, run) => {
    const mayBeLost = held.isHeld();
    try {
      return useOnce(what, run);
    } catch (error) {
      if (mayBeLost) return useOnce(what, run);
      throw error;
    }
  };
  const gcm = (iv: Buffer, aad: Uint8Array) => ({
    mechanism: ck.CKM_AES_GCM,
    parameter: { type: gcmParameters, iv, aad: Buffer.from(aad), ivBits: ivBytes * 8, tagBits: tagBytes * 8 },
  });

  const wrap: KeyWrap['wrap'] = (header, plaintext) => {
    const iv = randomBytes(ivBytes);
    const input = Buffer.from(plaintext);
    try {
      return use('wrap a secret', (session, key) => {
        cryptoki.C_EncryptInit(session, gcm(iv, wrapContext(signer, header)), key);
        return Buffer.concat([iv, cryptoki.C_Encrypt(session, input, Buffer.alloc(input.length + tagBytes))]);
      });
    } finally {
      input.fill(0);
    }
  };

  const unwrap: KeyWrap['unwrap'] = (header, wrapped) => {
    const iv = Buffer.from(wrapped.subarray(0, ivBytes));
    const input = Buffer.from(wrapped.subarray(ivBytes));
    const open = (session: Handle, key: Handle): Buffer | 'differs' | 'unclear' => {
      cryptoki.C_DecryptInit(session, gcm(iv, wrapContext(signer, header)), key);
      try {
        return cryptoki.C_Decrypt(session, input, Buffer.alloc(input.length));
      } catch (error) {
        if (doesNotOpen.has(ckrOf(error))) return 'differs';
        if (mayNotOpen.has(ckrOf(error))) return 'unclear';
        throw error;
      }
    };
    let opened = input.length < tagBytes ? 'differs' : use('unwrap a secret', open);
    if (opened === 'unclear') {
      held.drop();
      opened = use('unwrap a secret', open);
    }
    if (typeof opened !== 'string') return opened;
    const whose = `${String(header['wallet'])}, epoch ${String(header['epoch'])}`;
    throw new Failure('hsm-key-differs', `the secret of ${whose} does not open for ${signer} with the key ${label}`, {
      fix: 'Bring back this signer’s own files, and its own token. A file of another signer or epoch opens nowhere else.',
    });
  };
  return { wrap, unwrap };
}
