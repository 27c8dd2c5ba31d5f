/**
 * A process of its own, for the environment of its HSM.
 * Usage: node bench/src/pkcs11-process.ts <pkcs11 as JSON>. Prints the times of both kinds of key as JSON.
 */
import { randomBytes } from 'node:crypto';
import { checkPkcs11, readPin } from '@holdfast/signer/config.ts';
import type { DigestSigner } from '@holdfast/signer/keys/digest-signer.ts';
import { createOwnerSecret, ownerKey } from '@holdfast/signer/keys/owner-key.ts';
import { loadCryptoki } from '@holdfast/signer/keys/pkcs11/load-cryptoki.ts';
import { openHsm } from '@holdfast/signer/keys/pkcs11/open-hsm.ts';

export interface SigningTimes {
  /** Of each signature made alone. */
  readonly ms: readonly number[];
  readonly perSecond: number;
}

const warmUps = 50;
const alone = 400;
const together = 400;
const concurrency = 4;

async function main(): Promise<void> {
  const pkcs11 = checkPkcs11(JSON.parse(process.argv[2] ?? 'null'));
  const readOwnPin = (): string => readPin(pkcs11);
  const hsm = openHsm(await loadCryptoki(pkcs11.module), 'bench', pkcs11, readOwnPin, () => performance.now());
  const signers = { software: ownerKey(createOwnerSecret()), pkcs11: await hsm.owner(hsm.make().publicKey) };
  const ms: Record<keyof typeof signers, number[]> = { software: [], pkcs11: [] };
  for (let at = 0; at < warmUps + alone; at += 1) {
    // By turns, so that both meet the same machine.
    for (const kind of ['software', 'pkcs11'] as const) {
      const digest = randomBytes(32);
      const start = performance.now();
      await signers[kind].sign(digest);
      if (at >= warmUps) ms[kind].push(performance.now() - start);
    }
  }
  const times = {
    software: { ms: ms.software, perSecond: await rateOf(signers.software) },
    pkcs11: { ms: ms.pkcs11, perSecond: await rateOf(signers.pkcs11) },
  } satisfies Record<string, SigningTimes>;
  process.stdout.write(JSON.stringify(times));
}

async function rateOf(signer: DigestSigner): Promise<number> {
  const digests = Array.from({ length: together }, () => randomBytes(32));
  const queue = digests.values();
  const worker = async (): Promise<void> => {
    for (const digest of queue) await signer.sign(digest);
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: concurrency }, worker));
  return together / ((performance.now() - start) / 1000);
}

if (import.meta.main) await main();
