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
/** Signatures until all sessions are gone, just before the next one is begun, or just after. */
const loss = { afterCalls: Number.POSITIVE_INFINITY, begun: false };
const loseAll = (): void => {
  for (const slot of cryptoki.C_GetSlotList(true)) cryptoki.C_CloseAllSessions(slot);
};
const signInit = cryptoki.C_SignInit.bind(cryptoki);
// While the module signs nothing: SoftHSM crashes when a session is closed under a thread that signs with it.
cryptoki.C_SignInit = (...call) => {
  const isLost = loss.afterCalls-- === 0;
  if (isLost && !loss.begun) loseAll();
  signInit(...call);
  if (isLost && loss.begun) loseAll();
};
const readOwnPin = (): string => readPin(pkcs11);
const hsm = openHsm(cryptoki, 'signer-1', pkcs11, readOwnPin, () => performance.now());
const { publicKey } = hsm.make();
const owner = await hsm.owner(publicKey);
const header = { wallet: 'w', epoch: 1 };
const wrapped = hsm.wrap.wrap(header, publicKey);

const signatures: { digest: string; signature: string }[] = [];
for (let batch = 0; batch < 3; batch += 1) {
  const digests = Array.from({ length: 10 }, (_, at) => sha256(Uint8Array.of(batch, at)));
  Object.assign(loss, { afterCalls: 4, begun: batch % 2 === 1 });
  // The others of the batch wait for their turn meanwhile.
  const signing = digests.map(async (digest) => {
    const signature = await owner.sign(digest);
    signatures.push({ digest: bytesToHex(digest), signature: bytesToHex(signature) });
  });
  await Promise.all(signing);
  if (loss.afterCalls >= 0) throw new Error('no session was lost');
}
const unwrapped = bytesToHex(hsm.wrap.unwrap(header, wrapped));
console.log(JSON.stringify({ publicKey: bytesToHex(publicKey), signatures, unwrapped }));
