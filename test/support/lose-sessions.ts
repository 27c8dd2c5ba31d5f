/**
 * A process of its own, for the environment of its HSM: makes an owner key, has it sign, and loses all sessions in the middle.
 * Usage: node test/support/lose-sessions.ts <pkcs11 as JSON>. Prints the public key and the signatures as JSON.
 */
import { checkPkcs11, readPin } from '@holdfast/signer/config.ts';
import type { Cryptoki } from '@holdfast/signer/keys/pkcs11/cryptoki.ts';
import { loadCryptoki } from '@holdfast/signer/keys/pkcs11/load-cryptoki.ts';
import { openHsm } from '@holdfast/signer/keys/pkcs11/open-hsm.ts';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';

const pkcs11 = checkPkcs11(JSON.parse(process.argv[2] ?? 'null'));
const cryptoki = (await loadCryptoki(pkcs11.module)) as Cryptoki & { C_CloseAllSessions(slot: Buffer): void };
const readOwnPin = (): string => readPin(pkcs11);
const hsm = openHsm(cryptoki, 'signer-1', pkcs11, readOwnPin, () => performance.now());
const { publicKey } = hsm.make();
const owner = await hsm.owner(publicKey);
const header = { wallet: 'w', epoch: 1 };
const wrapped = hsm.wrap.wrap(header, publicKey);

const signatures: { digest: string; signature: string }[] = [];
for (let batch = 0; batch < 3; batch += 1) {
  const digests = Array.from({ length: 10 }, (_, at) => sha256(Uint8Array.of(batch, at)));
  const signing = digests.map(async (digest) => {
    // Another request's task may run first: the session goes while some of the batch wait for it.
    const signature = await owner.sign(digest);
    signatures.push({ digest: bytesToHex(digest), signature: bytesToHex(signature) });
  });
  await signing[4];
  for (const slot of cryptoki.C_GetSlotList(true)) cryptoki.C_CloseAllSessions(slot);
  await Promise.all(signing);
}
const unwrapped = bytesToHex(hsm.wrap.unwrap(header, wrapped));
console.log(JSON.stringify({ publicKey: bytesToHex(publicKey), signatures, unwrapped }));
