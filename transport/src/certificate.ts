import { createHash, timingSafeEqual, webcrypto, type X509Certificate } from 'node:crypto';

/** What a process shows to its peers, and the key behind it. */
export interface Identity {
  /** PEM. */
  readonly certificate: string;
  /** PKCS#8, PEM. */
  readonly privateKey: string;
}

const tenYearsMs = 3_652 * 86_400_000;

/**
 * Makes a P-256 key and a certificate that it signs itself. Peers pin the fingerprint, so neither its name nor its dates
 * are trusted by anyone; TLS only needs the form.
 */
export async function createIdentity(name: string, nowMs: number): Promise<Identity> {
  // Loaded here only: a running signer needs neither library.
  await import('reflect-metadata');
  const { X509CertificateGenerator } = await import('@peculiar/x509');
  const signingAlgorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await webcrypto.subtle.generateKey(signingAlgorithm, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: '01',
      name: `CN=${name}`,
      notBefore: new Date(nowMs - 86_400_000),
      notAfter: new Date(nowMs + tenYearsMs),
      signingAlgorithm,
      keys,
    },
    webcrypto,
  );
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  const privateKey = ['-----BEGIN PRIVATE KEY-----', ...lines, '-----END PRIVATE KEY-----', ''].join('\n');
  der.fill(0);
  return { certificate: `${certificate.toString('pem')}\n`, privateKey };
}

/** SHA-256 of the DER form, 64 hex digits: what peers pin. */
export function fingerprintOf(certificate: X509Certificate): string {
  return createHash('sha256').update(certificate.raw).digest('hex');
}

export function sameFingerprint(a: string, b: string): boolean {
  const left = Buffer.from(a, 'hex');
  const right = Buffer.from(b, 'hex');
  return left.length === 32 && right.length === 32 && timingSafeEqual(left, right);
}
