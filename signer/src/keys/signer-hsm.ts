import { Failure } from '@holdfast/core/failure.ts';
import type { SealedHeader } from '@holdfast/core/sealing/seal.ts';
import { readPin, type Pkcs11Config } from '../config.ts';
import { wrongLock } from './key-store.ts';
import { bindingHash, loadCryptoki } from './pkcs11/load-cryptoki.ts';
import { inspectModule } from './pkcs11/module-file.ts';
import { openHsm, type Hsm } from './pkcs11/open-hsm.ts';

/** The HSM of a signer, its module loaded. */
export interface SignerHsm extends Hsm {
  /** Absolute path of the module, as the owner's sealed file has it. */
  readonly module: string;
  /** SHA-256 of the module, 64 hex digits. */
  readonly sha256: string;
  /** SHA-256 of the compiled code between Node and the module. */
  readonly binding: string;
}

/**
 * Loads the module that config.json names, which is code with all rights of this signer. Config.json is checked by nothing, so
 * sealed files have the say, which only the passphrase makes: that there is an HSM, and which module it was made with.
 * @param sealed headers that the passphrase has authenticated; of a new signer there are none, and its operator's word counts.
 * @returns null without an HSM.
 * @throws Failure config-invalid when the files say otherwise; what the HSM throws.
 */
export async function loadSignerHsm(
  dataDir: string,
  signer: string,
  pkcs11: Pkcs11Config | null,
  sealed: ReadonlyMap<string, SealedHeader>,
  monotonicMs: () => number,
): Promise<SignerHsm | null> {
  for (const [name, { wallet, wrapped, module }] of sealed) {
    if ((wrapped !== undefined) !== (pkcs11 !== null)) throw wrongLock(name, pkcs11 !== null);
    if (pkcs11 && wallet === 'owner' && module !== pkcs11.module)
      throw new Failure(
        'config-invalid',
        `this signer was made with the module ${String(module)}, and ${pkcs11.module} is named`,
        {
          fix: 'Name the module of then. If the HSM’s maker has moved it, put a link where it was.',
        },
      );
  }
  if (!pkcs11) return null;
  const { module } = pkcs11;
  const sha256 = inspectModule(module, dataDir);
  const cryptoki = await loadCryptoki(module);
  const hsm = openHsm(cryptoki, signer, pkcs11, () => readPin(pkcs11), monotonicMs);
  return { ...hsm, module, sha256, binding: bindingHash() };
}
