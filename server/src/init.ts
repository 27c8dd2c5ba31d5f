import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createIdentity, fingerprintOf, type Identity } from '@holdfast/transport/certificate.ts';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { addr } from 'micro-eth-signer';

/**
 * The server's own keys, made at first start and readable by its user only: TLS identity, the gas relayer's key (moves
 * its own small float, never customer funds), another of the same kind for sweeps, and the key that signs webhooks.
 */
export interface ServerKeys {
  readonly identity: Identity;
  /** 32 bytes. */
  readonly relayerKey: Uint8Array;
  /** Of the account that pays for sweeps; null where the folder is older and one account does both. */
  readonly sweeperKey: Uint8Array | null;
  /** Ed25519, PKCS#8 PEM. */
  readonly webhookKey: string;
}

const files = {
  certificate: 'identity.crt',
  key: 'identity.key',
  relayer: 'relayer.key',
  sweeper: 'sweeper.key',
  webhook: 'webhook.key',
} as const;

/** Makes what is missing in `dataDir`. @returns what others pin: fingerprint and addresses. */
export async function initServer(
  dataDir: string,
  nowMs: number,
): Promise<{ fingerprint: string; relayer_address: string; sweeper_address: string; webhook_public_key: string }> {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const write = (name: string, text: string): void =>
    writeFileSync(join(dataDir, name), text, { mode: 0o600, flag: 'wx' });
  if (!existsSync(join(dataDir, files.certificate))) {
    const identity = await createIdentity('holdfast-server', nowMs);
    write(files.key, identity.privateKey);
    write(files.certificate, identity.certificate);
  }
  for (const name of [files.relayer, files.sweeper]) {
    if (!existsSync(join(dataDir, name))) write(name, bytesToHex(secp256k1.utils.randomSecretKey(randomBytes(48))));
  }
  if (!existsSync(join(dataDir, files.webhook))) {
    write(files.webhook, generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
  }
  const keys = readServerKeys(dataDir);
  const jwk = createPublicKey(createPrivateKey(keys.webhookKey)).export({ format: 'jwk' });
  return {
    fingerprint: fingerprintOf(new X509Certificate(keys.identity.certificate)),
    relayer_address: addr.fromPrivateKey(keys.relayerKey),
    sweeper_address: addr.fromPrivateKey(keys.sweeperKey!),
    webhook_public_key: Buffer.from(String(jwk.x), 'base64url').toString('hex'),
  };
}

export function readServerKeys(dataDir: string): ServerKeys {
  const read = (name: string): string => readFileSync(join(dataDir, name), 'utf8');
  return {
    identity: { certificate: read(files.certificate), privateKey: read(files.key) },
    relayerKey: hexToBytes(read(files.relayer).trim()),
    sweeperKey: existsSync(join(dataDir, files.sweeper)) ? hexToBytes(read(files.sweeper).trim()) : null,
    webhookKey: read(files.webhook),
  };
}
