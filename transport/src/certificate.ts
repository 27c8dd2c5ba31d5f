import { createHash, generateKeyPairSync, sign, timingSafeEqual, type X509Certificate } from 'node:crypto';
import { invariant } from '@holdfast/core/invariant.ts';

/** What a process shows to its peers, and the key behind it. */
export interface Identity {
  /** PEM. */
  readonly certificate: string;
  /** PKCS#8, PEM. */
  readonly privateKey: string;
}

const dayMs = 86_400_000;
const tenYearsMs = 3_652 * dayMs;

/**
 * Makes a P-256 key and a certificate that it signs itself (RFC 5280, 4.1). Peers pin the fingerprint, so neither its name
 * nor its dates are trusted by anyone; TLS only needs the form. It is written here by hand: libraries for X.509 would be two
 * thirds of all packages that a signer consists of.
 * @param name ASCII, at most 64 characters (ub-common-name).
 */
export async function createIdentity(name: string, nowMs: number): Promise<Identity> {
  invariant(/^[\x20-\x7e]{1,64}$/.test(name), 'a common name of ASCII');
  const keys = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const holder = sequence(der(0x31, sequence(commonNameId, der(0x0c, Buffer.from(name, 'ascii')))));
  const body = sequence(
    // Version 3, serial number 1.
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, Buffer.of(1)),
    ecdsaWithSha256,
    holder,
    sequence(time(nowMs - dayMs), time(nowMs + tenYearsMs)),
    holder,
    keys.publicKey,
  );
  const signature = sign('sha256', body, { key: keys.privateKey, dsaEncoding: 'der' });
  // A bit string begins with the number of bits that its last byte leaves unused.
  const certificate = sequence(body, ecdsaWithSha256, der(0x03, Buffer.of(0), signature));
  const lines = certificate.toString('base64').match(/.{1,64}/g) ?? [];
  const pem = ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
  return { certificate: pem, privateKey: keys.privateKey };
}

/** One value in DER (X.690, 8.1): tag, length, content. */
function der(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const inside = Buffer.concat(content);
  const { length } = inside;
  invariant(length < 0x1_0000, 'a short value');
  const short = [length];
  const long = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...(length < 0x80 ? short : long)), inside]);
}

const sequence = (...content: readonly Uint8Array[]): Buffer => der(0x30, ...content);

/** 2.5.4.3, RFC 5280 appendix A. */
const commonNameId = der(0x06, Buffer.of(0x55, 0x04, 0x03));
/** 1.2.840.10045.4.3.2, RFC 5758, 3.2. */
const ecdsaWithSha256 = sequence(der(0x06, Buffer.of(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02)));

/** RFC 5280, 4.1.2.5: UTCTime with two digits of the year up to 2049, GeneralizedTime from 2050 on. */
function time(atMs: number): Buffer {
  const digits = new Date(atMs).toISOString().replace(/\D/g, '').slice(0, 14);
  const utc = Number(digits.slice(0, 4)) < 2050;
  return der(utc ? 0x17 : 0x18, Buffer.from(`${utc ? digits.slice(2) : digits}Z`, 'ascii'));
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
